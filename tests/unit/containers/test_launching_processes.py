"""What a launched command finds around itself, and how its end is told (M-AG-02; X50)."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mesos_service.containers.command import invocation, refuse_command
from mesos_service.containers.first_process import Launch, command_line
from mesos_service.containers.kept import KeeperLink
from mesos_service.containers.launcher import PosixLauncher
from mesos_service.containers.mounts import Becoming
from mesos_service.containers.plan import LaunchFailed, Streams
from mesos_service.domain.errors import ConfigurationError
from tests.unit.containers.room import Run, children_of_ours, cid, name_of, open_descriptors, room, until


@pytest.mark.parametrize(
    ("line", "outcome"),
    [("exit 0", 0), ("exit 3", 3), ("exit 255", 255), ("kill -KILL $$", -9), ("kill -TERM $$", -15)],
)
def test_the_wait_status_is_told_as_it_was(run: Run, tmp_path: Path, line: str, outcome: int) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            assert await here.outcome(here.plan("c", "/bin/sh", "-c", line)) == outcome
            assert len(here.exits) == 1

    run(body())


def test_m_ag_01_the_command_runs_in_its_sandbox_and_writes_to_its_logs(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            plan = here.plan("c", "/bin/sh", "-c", "pwd; echo $GREETING; echo no >&2", environment={"GREETING": "hi"})
            (tmp_path / "c" / "stdout").write_text("before\n")
            assert await here.outcome(plan) == 0
            assert here.text("c").splitlines() == ["before", str(tmp_path / "c"), "hi"]
            assert here.text("c", "stderr") == "no\n"

    run(body())


def test_no_text_of_a_plan_is_ever_code(run: Run, tmp_path: Path) -> None:
    hostile = ("$(touch leak)", "`touch leak`", "; touch leak", "a b", "", "-n", "*", "'", '"', "x\ny")

    async def body() -> None:
        async with room(tmp_path) as here:
            name = "c; touch leak $(touch leak)"
            plan = here.plan(name, "/usr/bin/printf", "[%s]", *hostile)
            assert await here.outcome(plan) == 0
            assert here.text(name) == "".join(f"[{text}]" for text in hostile)

    run(body())
    assert not list(tmp_path.glob("**/leak"))


def test_the_environment_is_the_plans_and_nobody_elses(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_AGENT", "1")

    async def body() -> None:
        async with room(tmp_path) as here:
            assert await here.outcome(here.plan("c", "/usr/bin/env", environment={"A": "ü"})) == 0
            assert set(here.text("c").splitlines()) == {
                "A=ü",
                "PATH=/usr/bin:/bin",
                f"PWD={tmp_path / 'c'}",
                f"MESOS_CONTAINER_ID={cid('c')}",
            }

    run(body())


def test_children_inherit_no_descriptor_and_no_ignored_signal(run: Run, tmp_path: Path) -> None:
    leaky = os.open(os.devnull, os.O_RDONLY)
    os.set_inheritable(leaky, True)
    # As of an agent that a shell has put into the background.
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)

    async def body() -> None:
        async with room(tmp_path) as here:
            line = "ls -l /proc/self/fd; readlink /proc/self/fd/0; grep -E 'Sig(Ign|Blk)' /proc/self/status"
            assert await here.outcome(here.plan("c", "/bin/sh", "-c", line)) == 0
            text = here.text("c")
            numbers = [row.split(" -> ")[0].split()[-1] for row in text.splitlines() if " -> " in row]
            assert numbers == ["0", "1", "2", "3"], "3 is the listing's own"
            assert os.devnull in text.splitlines()
            masks = dict(row.split(":\t") for row in text.splitlines() if row.startswith("Sig"))
            assert int(masks["SigBlk"], 16) == 0
            # The C library's spawn leaves two signals ignored that it uses itself, 32 and 33.
            assert int(masks["SigIgn"], 16) & 0x7FFF_FFFF == 0

    try:
        run(body())
    finally:
        os.close(leaky)
        signal.signal(signal.SIGQUIT, before)


def test_it_leads_a_session_of_its_own(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            pid = await here.shell("c", "read -r stat < /proc/$$/stat; echo $stat; exec sleep 1000")
            [row] = await here.said("c")
            assert row.split()[4:6] == [str(pid), str(pid)]
            assert os.getsid(pid) == pid

    run(body())


@pytest.mark.parametrize("program", ["/no/such/program", "no-such-program", "./no-such-program", "/etc/passwd"])
def test_a_missing_program_without_a_shell_exits_with_1_and_says_so(run: Run, tmp_path: Path, program: str) -> None:
    asked = invocation(shell=False, value=program, arguments=(program, "x"))

    async def body() -> None:
        async with room(tmp_path) as here:
            plan = here.plan("c", *asked.argv, missing_program_status=asked.missing_program_status)
            assert await here.outcome(plan) == 1
            assert program in here.text("c", "stderr")

    run(body())


def test_a_missing_program_in_the_shell_exits_with_127(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            assert await here.outcome(here.plan("c", *invocation(shell=True, value="no-such-program").argv)) == 127

    run(body())


def test_a_programs_own_status_is_kept_when_it_is_executed(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            plan = here.plan("c", "/bin/sh", "-c", "exit 127", missing_program_status=1)
            assert await here.outcome(plan) == 127

    run(body())


def test_the_first_argument_is_the_name_that_the_program_sees(run: Run, tmp_path: Path) -> None:
    asked = invocation(shell=False, value="sh", arguments=("another-name", "-c", "echo $0 $1", "zero", "one two"))
    seen = invocation(shell=False, value="/bin/cat", arguments=("another-name", "/proc/self/cmdline"))

    async def body() -> None:
        async with room(tmp_path) as here:
            assert await here.outcome(here.plan("c", *asked.argv, program=asked.program)) == 0
            assert here.text("c") == "zero one two\n"
            plan = here.plan("d", *seen.argv, program=seen.program, missing_program_status=1)
            assert await here.outcome(plan) == 0
            assert here.text("d") == "another-name\0/proc/self/cmdline\0"
            missing = here.plan("e", "x", program="/no/such", missing_program_status=1)
            assert await here.outcome(missing) == 1

    run(body())


def test_commands_that_cannot_be_are_refused() -> None:
    assert refuse_command(shell=True, value="echo", arguments=()) is None
    assert refuse_command(shell=True, value="", arguments=()) is None
    assert refuse_command(shell=True, value=None, arguments=()) is not None
    assert refuse_command(shell=False, value=None, arguments=("x",)) is not None
    assert refuse_command(shell=False, value="", arguments=()) is not None
    assert refuse_command(shell=False, value="a", arguments=("b\0",)) is not None
    assert invocation(shell=True, value="a b", arguments=("ignored",)).argv == ("/bin/sh", "-c", "a b")
    assert invocation(shell=False, value="prog").argv == ("prog",)
    assert invocation(shell=False, value="prog", arguments=("prog", "1")).program is None


def test_an_unknown_user_fails_the_launch_in_words(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            with pytest.raises(LaunchFailed, match="No such user 'no-such-user'") as caught:
                await here.containerizer.launch(here.plan("c", "/bin/true", user="no-such-user"))
            assert caught.value.reason == "REASON_CONTAINER_LAUNCH_FAILED"
            assert not here.containerizer.containers()
            assert here.exits == []

    run(body())


def test_another_user_is_become_by_root_and_refused_to_anybody_else(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            plan = here.plan("c", "/bin/sh", "-c", "id -un; id -Gn; pwd", user="daemon")
            if os.geteuid() != 0:
                with pytest.raises(LaunchFailed, match="Only root"):
                    await here.containerizer.launch(plan)
                return
            for directory in (tmp_path, *tmp_path.parents):
                if directory.owner() == "root" and directory != Path("/") and directory.is_relative_to("/tmp/"):
                    directory.chmod(0o755)
            shutil.chown(tmp_path / "c", "daemon", "daemon")
            assert await here.outcome(plan) == 0, here.text("c", "stderr")
            assert here.text("c").splitlines()[::2] == ["daemon", str(tmp_path / "c")]
            assert (tmp_path / "c" / "stdout").owner() == "daemon"

    run(body())


@pytest.mark.parametrize("log", ["stdout", "stderr"])
def test_a_log_that_is_a_link_or_a_pipe_is_refused(run: Run, tmp_path: Path, log: str) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            linked = here.plan("linked", "/bin/echo", "x")
            (tmp_path / "target").write_text("")
            (tmp_path / "linked" / log).symlink_to(tmp_path / "target")
            with pytest.raises(LaunchFailed, match=log):
                await here.containerizer.launch(linked)
            piped = here.plan("piped", "/bin/echo", "x")
            os.mkfifo(tmp_path / "piped" / log)
            with pytest.raises(LaunchFailed, match=log):
                await here.containerizer.launch(piped)
            assert (tmp_path / "target").read_text() == ""

    run(body())


def test_without_a_sandbox_or_with_a_known_id_nothing_is_launched(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            plan = here.plan("c", "/bin/true")
            plan.sandbox.rmdir()
            with pytest.raises(LaunchFailed, match="no sandbox"):
                await here.containerizer.launch(plan)
            await here.shell("d", "exec sleep 1000")
            with pytest.raises(LaunchFailed, match="exists already"):
                await here.containerizer.launch(here.plan("d", "/bin/true"))
            assert here.containerizer.containers() == (cid("d"),)
            nested = here.plan("e", "/bin/true", parent="nobody")
            with pytest.raises(LaunchFailed, match="nest in"):
                await here.containerizer.launch(nested)

    run(body())


@pytest.mark.parametrize(
    ("argv", "environment", "words"),
    [
        (("/bin/echo", "a\0b"), {}, "null"),
        (("/bin/echo", "x" * 200_000), {}, "Argument list too long"),
        (("/bin/echo",), {"A=B": "c"}, "environment variable"),
        (("/bin/echo", "\ud800"), {}, "surrogates"),
    ],
)
def test_what_the_kernel_would_not_take_fails_the_launch_in_words(
    run: Run, tmp_path: Path, argv: tuple[str, ...], environment: dict[str, str], words: str
) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            await here.outcome(here.plan("first", "/bin/true"))
            await here.start_keeper()
            descriptors, children = open_descriptors(), children_of_ours()
            with pytest.raises(LaunchFailed, match=words):
                await here.containerizer.launch(here.plan("c", *argv, environment=environment))
            assert (open_descriptors(), children_of_ours()) == (descriptors, children)
            assert not here.containerizer.containers()

    run(body())


def test_an_exit_is_told_once_and_after_its_launch(run: Run, tmp_path: Path) -> None:
    heard: list[str] = []

    async def body() -> None:
        async with room(tmp_path) as here:
            here.containerizer.on_exit = lambda container_id, status: heard.append(f"exit {name_of(container_id)}")

            async def launch(name: str) -> None:
                task = asyncio.create_task(here.containerizer.launch(here.plan(name, "/bin/true")))
                await task
                heard.append(f"launched {name}")

            names = [f"c{number}" for number in range(20)]
            await asyncio.gather(*map(launch, names))
            await until(lambda: len(heard) == 40)
            for name in names:
                await here.destroy(name)
                assert heard.index(f"launched {name}") < heard.index(f"exit {name}")
            assert len(heard) == 40

    run(body())


def test_a_hundred_launches_leave_no_descriptor_and_no_zombie(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            await here.outcome(here.plan("first", "/bin/true"))
            await here.start_keeper()
            descriptors, children = open_descriptors(), children_of_ours()
            lines = ["exit 1", "sleep 1000 & exit 0", "kill -KILL $$", "setsid sleep 1000 & exit 0"]

            async def one(number: int) -> None:
                line = lines[number % len(lines)]
                await here.outcome(here.plan(f"c{number}", "/bin/sh", "-c", line))

            for start in range(0, 100, 10):
                await asyncio.gather(*map(one, range(start, start + 10)))
            assert len(here.exits) == 101
            assert open_descriptors() == descriptors
            await until(lambda: children_of_ours() == children)

    run(body())


def test_where_exit_statuses_would_be_lost_the_launcher_refuses_to_start(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with pytest.raises(ConfigurationError, match="SIGCHLD"):
            PosixLauncher(KeeperLink(tmp_path))
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_a_keeper_short_of_descriptors_refuses_what_is_new_and_keeps_what_it_has(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            await here.launch("old", "/bin/sleep", "1000")
            pid = here.keeper.pid
            assert pid is not None
            _, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (32, most))
            with pytest.raises(LaunchFailed, match="too many files open"):
                for number in range(32):
                    await here.launch(f"more{number}", "/bin/sleep", "1000")
            assert here.keeper.pid == pid
            assert not here.exits
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (most, most))
            assert await here.outcome(here.plan("after", "/bin/true")) == 0

    run(body())


def test_x53_under_a_keeper_of_a_version_before_it_joins_its_groups_all_the_same(tmp_path: Path) -> None:
    """That one gives no pipe to speak into: what goes wrong is said where the command writes."""
    group = tmp_path / "tasks"
    group.touch()
    plain = Launch(
        argv=("sh", "-c", "cat ../tasks"),
        program=None,
        missing_program_status=None,
        environment={},
        sandbox=tmp_path / "c",
        streams=Streams(None, 1, 2),
        becoming=Becoming(user=None, capabilities=None, system_calls=None),
        command_prefix=(),
        mounts=(),
        inside=None,
        joins=(str(group),),
        gated=False,
        begun=None,
        survives=True,
        name="c",
    )
    plain.sandbox.mkdir()
    ran = subprocess.run(command_line(plain), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "0\n", "")
    lost = replace(plain, joins=(str(tmp_path / "gone" / "tasks"),))
    ran = subprocess.run(command_line(lost), capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert f"cannot write to {tmp_path}/gone/tasks" in ran.stderr
