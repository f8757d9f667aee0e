"""Bad input to isolation and fetching, item by item, from the flag or the call to the words that are told.

Never a silent degrade, never a file outside the sandbox: what is precious lies beside it in each of these.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import http.server
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire import containers as wire
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskInfo
from tests.e2e.frameworks import Patient, play, subscribed_as
from tests.e2e.operators import Operator
from tests.e2e.restarting import restartable
from tests.support.asking import patient_client
from tests.unit.cgroups.live import Live, live_groups

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="making control groups and mounts takes root")
live = live_groups
BOMB_BYTES, MEMBER_BYTES = 9 * 1024**3, 16 * 1024**2
"""More than an archive may become, and a part of it."""


class _Quiet(http.server.SimpleHTTPRequestHandler):
    asked = threading.Event()
    """Set when somebody wants the file ``slow``."""
    may_go_on = threading.Event()
    """Until then it is not served."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class calls it so
        """Say nothing."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.asked.set()
            assert self.may_go_on.wait(60)
        super().do_GET()


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A server of the files in ``served``."""
    (tmp_path / "served").mkdir()
    handler = functools.partial(_Quiet, directory=str(tmp_path / "served"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def agent(tmp_path: Path, *flags: str, before: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """An agent that is to refuse to start."""
    line = [*before, sys.executable, "-m", "mesos_service.cli.main", "agent", "--master=127.0.0.1:1", "--port=0"]
    return subprocess.run(
        [*line, f"--work_dir={tmp_path / 'agent'}", *flags], capture_output=True, text=True, timeout=60, check=False
    )


def asking(offer: Offer, name: str, line: str, *uris: wire.CommandInfoURI) -> TaskInfo:
    made = tasks.task(name, offer, "cpus:0.1;mem:32", line)
    assert made.command is not None
    return msgspec.structs.replace(made, command=msgspec.structs.replace(made.command, uris=uris))


def zipped(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def bomb() -> bytes:
    """Each of many members is the same few bytes, which become 16 MB."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(MEMBER_BYTES))
        [first] = archive.filelist
        for number in range(BOMB_BYTES // MEMBER_BYTES):
            again = copy.copy(first)
            again.filename = again.orig_filename = f"bomb{number}"
            archive.filelist.append(again)
    return buffer.getvalue()


def link_out() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo("settings")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc"
        archive.addfile(info)
    return buffer.getvalue()


# -- at the agent's start ------------------------------------------------------------------------------------
@as_root
def test_m_ag_08_not_root_an_agent_says_at_its_start_what_takes_root(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    assert unshare is not None
    ended = agent(tmp_path, "--isolation=namespaces/pid", before=(unshare, "--user", "--"))
    assert ended.returncode != 0
    assert "Isolator 'namespaces/pid' needs the program 'unshare' (util-linux) and root" in ended.stderr


def test_m_ag_05_no_cgroup_mounted_is_said_at_the_agents_start(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    ended = agent(tmp_path, "--isolation=cgroups/cpu", f"--cgroups_hierarchy={tmp_path / 'empty'}")
    assert ended.returncode != 0
    assert "needs control groups, and none are mounted at or below" in ended.stderr


@as_root
def test_m_ag_05_a_controller_that_is_missing_is_said_at_the_agents_start(tmp_path: Path) -> None:
    """Of a machine of which everything else is there: what the agent sees of it lacks that one."""
    controllers = {line.split()[0] for line in Path("/proc/cgroups").read_text().splitlines()[1:]}
    line = 'umount /sys/fs/cgroup/pids 2>/dev/null || mount -t tmpfs none /sys/fs/cgroup; exec "$@"'
    assert "pids" in controllers
    ended = agent(
        tmp_path, "--isolation=cgroups/pids", before=("unshare", "--mount", "--", "/bin/sh", "-c", line, "sh")
    )
    assert ended.returncode != 0
    assert "needs the control group controller 'pids', which is not mounted" in ended.stderr


# -- while it works ------------------------------------------------------------------------------------------
@as_root
def test_x50_cgroups_of_somebody_else_and_deleted_ones_are_told_and_disturb_nobody(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation="cgroups/pids", cgroups_root=live.root),
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            made = [tasks.task(name, offer, "cpus:0.1;mem:32", "exec sleep 1000") for name in ("stays", "loses")]
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)
            for name in ("stays", "loses"):
                await framework.reaches(name, "STARTING", "RUNNING")
            # Somebody takes the processes out of a group, and the group away.
            container = framework.seen["loses"][-1].container_status
            assert container is not None and container.container_id is not None
            pid = container.executor_pid
            for group in [one for one in live.containers() if one.name == container.container_id.value]:
                for inner in (group / "leaf", group):
                    if inner.is_dir():
                        (group.parent.parent / "cgroup.procs").write_text(str(pid))
                        inner.rmdir()
            # Somebody makes it impossible to have more of them.
            [root] = [group for group in live.groups() if group.name == live.root]
            offer = await framework.an_offer()
            await framework.kill("loses")
            await framework.reaches("loses", "STARTING", "RUNNING", "KILLED")
            await framework.accept(
                [offer], [tasks.launch(tasks.task("next", offer, "cpus:0.1;mem:32", "true"))], refuse_seconds=0
            )
            await framework.reaches("next", "STARTING", "RUNNING", "FINISHED")
            assert framework.states("stays") == ["STARTING", "RUNNING"]
            assert root.is_dir()

    play(scenario)


@as_root
def test_x50_a_group_that_somebody_deletes_during_a_launch_fails_the_task_in_words(
    tmp_path: Path, live: Live, web: str
) -> None:
    (tmp_path / "served" / "slow").touch()
    _Quiet.asked.clear()
    _Quiet.may_go_on.clear()

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation="cgroups/pids", cgroups_root=live.root),
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            made = asking(offer, "t", "touch ran; sleep 1000", wire.CommandInfoURI(value=f"{web}/slow"))
            await framework.accept([offer], [tasks.launch(made)], refuse_seconds=0)
            assert await asyncio.to_thread(_Quiet.asked.wait, 60)
            groups = live.containers()
            assert groups, "they are made before files are fetched"
            for group in reversed(groups):
                group.rmdir()
            _Quiet.may_go_on.set()
            told = await framework.reaches("t", "FAILED")
            assert told.reason == "REASON_CONTAINER_LAUNCH_FAILED"
            assert told.message is not None
            assert "Isolator 'cgroups/pids' failed to isolate: " in told.message
            assert f"cannot write to {groups[0]}" in told.message
            [sandbox] = (tmp_path / "agent").glob("slaves/*/frameworks/*/executors/t/runs/latest")
            assert not (sandbox / "ran").exists()
            # Nobody else is disturbed.
            offer = await framework.an_offer()
            await framework.accept(
                [offer], [tasks.launch(tasks.task("next", offer, "cpus:0.1;mem:32", "true"))], refuse_seconds=0
            )
            await framework.reaches("next", "STARTING", "RUNNING", "FINISHED")

    try:
        play(scenario)
    finally:
        _Quiet.may_go_on.set()


@as_root
def test_x50_a_group_that_somebody_else_has_made_is_told_of_and_left_alone(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation="cgroups/pids", cgroups_root=live.root) as agent,
            patient_client() as client,
        ):
            operator = Operator(agent, client)
            await operator.launch("first", "exec sleep 1000")
            [theirs] = {group.parent / "theirs" for group in live.containers() if group.name == "first"}
            theirs.mkdir()
            told = await operator.launch("theirs", "true", 400)
            assert f"Isolator 'cgroups/pids' failed to prepare: {theirs} is there already" in told
            assert "was made by somebody else" in told
            theirs.rmdir()  # It was left alone, or this would fail.

    play(scenario)


def test_m_ag_14_a_task_is_told_what_is_wrong_with_its_command_and_its_files(tmp_path: Path, web: str) -> None:
    served = tmp_path / "served"
    (served / "climbs.zip").write_bytes(zipped(("../../outside", b"x")))
    (served / "link.tar").write_bytes(link_out())
    (served / "bomb.zip").write_bytes(bomb())
    uri = wire.CommandInfoURI
    bad = {
        "absent": ((uri(value=f"{web}/nothing"),), "the server answered 404"),
        "bomb": ((uri(value=f"{web}/bomb.zip"),), "grows past 8589934592 bytes"),
        "climbs": ((uri(value=f"{web}/climbs.zip"),), "leads out of the sandbox"),
        "output": ((uri(value=f"{web}/link.tar", output_file="../outside"),), "is not a path inside the sandbox"),
        "etc": ((uri(value=f"{web}/link.tar"),), "is a link out of the sandbox, to '/etc'"),
    }

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent"),
            subscribed_as(Patient, cluster) as framework,
        ):
            offer = await framework.an_offer()
            made = [asking(offer, name, "true", *uris) for name, (uris, _) in bad.items()]
            program = wire.CommandInfo(shell=False, value="/no/such/program")
            made.append(msgspec.structs.replace(tasks.task("gone", offer, "cpus:0.1;mem:32", "x"), command=program))
            await framework.accept([offer], [tasks.launch(*made)])
            for name, (_, why) in bad.items():
                told = await framework.reaches(name, "FAILED")
                assert told.message is not None and why in told.message, told.message
                assert told.reason == "REASON_CONTAINER_LAUNCH_FAILED"
            told = await framework.reaches("gone", "STARTING", "RUNNING", "FAILED")
            assert told.message == "Command exited with status 1"
            [sandbox] = (tmp_path / "agent").glob("slaves/*/frameworks/*/executors/gone/runs/latest")
            assert "/no/such/program" in (sandbox / "stderr").read_text()

    play(scenario)
    assert not list(tmp_path.rglob("outside"))
    assert not Path("/etc/settings").exists()


@as_root
def test_m_ag_10_a_sandbox_path_that_is_a_link_to_etc_is_not_mounted(tmp_path: Path) -> None:
    """The link is there when the volume is: an archive may not bring it, but a task before in the same sandbox may."""
    (tmp_path / "volume").mkdir()
    (tmp_path / "volume" / "precious").write_text("untouched")
    (tmp_path / "link").symlink_to("/etc")

    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent", isolation="filesystem/linux"),
            subscribed_as(Patient, cluster) as framework,
        ):
            path = wire.VolumeSourceHostPath(path=str(tmp_path / "volume"))
            source = wire.VolumeSource(type="HOST_PATH", host_path=path)
            outer = wire.Volume(mode="RW", container_path="v", source=source)
            inner = wire.Volume(mode="RW", container_path="v/to", source=source)
            (tmp_path / "volume" / "to").symlink_to("/etc")
            offer = await framework.an_offer()
            info = wire.ContainerInfo(type="MESOS", volumes=(outer, inner))
            line = "touch v/to/made-by-a-task"
            made = msgspec.structs.replace(tasks.task("t", offer, "cpus:0.1;mem:32", line), container=info)
            await framework.accept([offer], [tasks.launch(made)])
            async with asyncio.timeout(60):
                while framework.states("t")[-1:] != ["FAILED"]:  # noqa: ASYNC110 - the task itself may tell it
                    await asyncio.sleep(0.02)
            [sandbox] = (tmp_path / "agent").glob("slaves/*/frameworks/*/executors/t/runs/latest")
            told = (framework.seen["t"][-1].message or "") + (sandbox / "stderr").read_text()
            assert "symbolic link" in told

    play(scenario)
    assert (tmp_path / "volume" / "precious").read_text() == "untouched"
    assert not [name for name in os.listdir("/etc") if name.startswith("made-by")]  # noqa: PTH208
