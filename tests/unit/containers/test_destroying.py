"""Signals and destruction reach everybody, in every phase (M-AG-02, M-AG-21; X50, X51, X56)."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from mesos_service.containers.container import Phase
from mesos_service.containers.plan import DestroyFailed, LaunchFailed, UriSpec
from mesos_service.containers.processes import Lineage, forks_since_boot
from mesos_service.domain.resources import Resources
from tests.unit.containers.recording import Recording
from tests.unit.containers.room import Run, alive, children_of_ours, cid, open_descriptors, room, until

C = cid("c")

GRANDCHILDREN = {
    "same session": "sleep 1000 & echo $!; wait",
    "own group": "set -m; sleep 1000 & echo $!; wait",
    "own session": "setsid sleep 1000 & echo $!; wait",
    "ignores TERM": "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' & wait",
    "orphan in its own session": "sh -c 'setsid sleep 1000 & echo $!'; exec sleep 1000",
    "child that hides its name": "env -i setsid sleep 1000 & echo $!; wait",
}
"""Lines that print the number of a descendant which is hard to get at."""


@pytest.mark.parametrize("kind", GRANDCHILDREN)
def test_m_ag_02_destroy_kills_the_whole_tree(run: Run, tmp_path: Path, kind: str) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            pid = await here.shell("c", GRANDCHILDREN[kind])
            descendant = int((await here.said("c"))[0])
            assert alive(descendant)
            await here.destroy("c")
            assert not alive(pid) and not alive(descendant)
            assert here.exits == [("c", signal.SIGKILL)]

    run(body())


@pytest.mark.parametrize("kind", [kind for kind in GRANDCHILDREN if kind != "ignores TERM"])
def test_m_ag_21_a_signal_reaches_the_whole_tree(run: Run, tmp_path: Path, kind: str) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            await here.shell("c", GRANDCHILDREN[kind])
            descendant = int((await here.said("c"))[0])
            here.signal("c", signal.SIGTERM)
            await until(lambda: not alive(descendant))
            assert await here.exit_of("c") == signal.SIGTERM

    run(body())


def test_what_outlives_the_first_process_is_killed_by_destroy(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            await here.shell("c", "sleep 1000 & echo $!; setsid sleep 1000 & echo $!; exit 5")
            left = [int(line) for line in await here.said("c", lines=2)]
            assert await here.exit_of("c") == 5 << 8
            assert all(map(alive, left))
            await here.destroy("c")
            assert not any(map(alive, left))
            assert len(here.exits) == 1

    run(body())


def test_what_hid_after_a_signal_is_still_remembered(run: Run, tmp_path: Path) -> None:
    """The child hides its name and ignores the signal; its parent, by which it was found, dies of it."""

    async def body() -> None:
        async with room(tmp_path) as here:
            await here.shell("c", "env -i setsid sh -c 'trap \"\" TERM; echo $$; while :; do sleep 1000; done' & wait")
            hidden = int((await here.said("c"))[0])
            here.signal("c", signal.SIGTERM)
            assert await here.exit_of("c") == signal.SIGTERM
            assert alive(hidden)
            await here.destroy("c")
            assert not alive(hidden)

    run(body())


def test_x56_a_stopped_process_hears_that_it_should_end(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            await here.shell("c", "sleep 1000 & echo $!; kill -STOP $!; wait")
            stopped = int((await here.said("c"))[0])
            await until(lambda: "T (stopped)" in Path(f"/proc/{stopped}/status").read_text())
            here.signal("c", signal.SIGTERM)
            await until(lambda: not alive(stopped))

    run(body())


def test_a_trapped_signal_is_the_commands_own_affair(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            await here.shell("c", "trap 'echo bye; exit 4' TERM; echo up; while :; do sleep 0.01; done")
            await here.said("c")
            here.signal("c", signal.SIGTERM)
            assert await here.exit_of("c") == 4 << 8
            assert here.text("c").splitlines() == ["up", "bye"]

    run(body())


def test_destroy_is_idempotent_and_takes_the_unknown(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        log: list[str] = []
        async with room(tmp_path, [Recording("a", log)]) as here:
            await here.destroy("unknown")
            here.signal("unknown", signal.SIGTERM)
            await here.shell("c", "exec sleep 1000")
            await asyncio.gather(*(here.destroy("c") for _ in range(5)))
            await here.destroy("c")
            here.signal("c", signal.SIGTERM)
            assert log.count("cleanup a") == 1
            assert here.exits == [("c", signal.SIGKILL)]

    run(body())


def test_m_ag_03_x50_isolators_go_in_order_and_the_command_waits_for_them(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        log: list[str] = []
        first, second = Recording("a", log, holds="isolate"), Recording("b", log)
        async with room(tmp_path, [first, second]) as here:
            launching = asyncio.create_task(here.shell("c", "echo $WHO $BY_a $BY_b; exec sleep 1000"))
            await first.held.wait()
            assert here.containerizer.phase(C) is Phase.ISOLATING
            assert log == ["prepare a", "prepare b", "isolate a", "isolate b"]
            assert here.text("c") == ""
            first.go_on.set()
            await launching
            assert await here.said("c") == ["b 1 1"]
            await here.containerizer.update(C, Resources.scalars(cpus=2), {"cpus": 3000})
            usage = await here.containerizer.usage(C)
            assert (usage.mem_rss_bytes, usage.processes, usage.cpus_soft_limit, usage.cpus_limit) == (7, 2, 2.0, 3.0)
            assert usage.mem_limit_bytes is None and usage.timestamp is not None
            await here.destroy("c")
            assert log[4:] == [
                "isolate a done",
                "update a cpus:2 {'cpus': 3000}",
                "update b cpus:2 {'cpus': 3000}",
                "cleanup b",
                "cleanup a",
            ]

    run(body())


@pytest.mark.parametrize("verb", ["prepare", "isolate"])
def test_x50_a_failing_isolator_fails_the_launch_and_leaves_nothing(run: Run, tmp_path: Path, verb: str) -> None:
    async def body() -> None:
        log: list[str] = []
        isolators = [Recording("a", log), Recording("b", log, fails=verb), Recording("x", log)]
        async with room(tmp_path, isolators) as here:
            await here.start_keeper()
            children, descriptors = children_of_ours(), open_descriptors()
            with pytest.raises(LaunchFailed, match=f"'test/recording' failed to {verb}: b will not {verb}"):
                await here.shell("c", "echo ran; exec sleep 1000")
            prepared = ["b", "a"] if verb == "prepare" else ["x", "b", "a"]
            assert [entry for entry in log if "cleanup" in entry] == [f"cleanup {name}" for name in prepared]
            assert not here.containerizer.containers()
            assert here.text("c") == "" and here.exits == []
            await until(lambda: children_of_ours() == children)
            assert open_descriptors() == descriptors

    run(body())


@pytest.mark.parametrize("verb", ["prepare", "isolate"])
def test_x51_destroy_while_an_isolator_is_at_work_waits_for_it(run: Run, tmp_path: Path, verb: str) -> None:
    async def body() -> None:
        log: list[str] = []
        holding = Recording("b", log, holds=verb)
        async with room(tmp_path, [Recording("a", log), holding, Recording("x", log)]) as here:
            await here.start_keeper()
            children, descriptors = children_of_ours(), open_descriptors()
            launching = asyncio.create_task(here.shell("c", "echo ran"))
            await holding.held.wait()
            destroying = asyncio.create_task(here.destroy("c"))
            if verb == "isolate":
                await until(lambda: not any(map(alive, children_of_ours() - children)))
            assert not any("cleanup" in entry for entry in log), "never before prepare or isolate has come back"
            holding.go_on.set()
            await destroying
            with pytest.raises(LaunchFailed, match="during launch") as caught:
                await launching
            assert caught.value.reason == "REASON_TASK_KILLED_DURING_LAUNCH"
            done = log.index(f"{verb} b done")
            cleaned = ["cleanup b", "cleanup a"] if verb == "prepare" else ["cleanup x", "cleanup b", "cleanup a"]
            assert log[done + 1 :] == cleaned
            assert here.text("c") == "" and here.exits == []
            await until(lambda: children_of_ours() == children)
            assert open_descriptors() == descriptors

    run(body())


def test_x51_destroy_while_fetching_stops_the_download(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        log: list[str] = []
        asked, hung_up = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await reader.read()
            hung_up.set()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with server, room(tmp_path, [Recording("a", log)]) as here:
            plan = here.plan("c", "/bin/true", uris=(UriSpec(value=f"http://127.0.0.1:{port}/file"),))
            launching = asyncio.create_task(here.containerizer.launch(plan))
            await asked.wait()
            assert here.containerizer.phase(C) is Phase.FETCHING
            await here.destroy("c")
            with pytest.raises(LaunchFailed, match="FETCHING") as caught:
                await launching
            assert caught.value.reason == "REASON_TASK_KILLED_DURING_LAUNCH"
            await hung_up.wait()
            assert log == ["prepare a", "cleanup a"]

    run(body())


def test_x51_a_cancelled_launch_leaves_nothing(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        log: list[str] = []
        holding = Recording("a", log, holds="isolate")
        async with room(tmp_path, [holding]) as here:
            await here.start_keeper()
            children = children_of_ours()
            launching = asyncio.create_task(here.shell("c", "echo ran"))
            await holding.held.wait()
            launching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await launching
            assert not here.containerizer.containers()
            assert log[-1] == "cleanup a"
            await until(lambda: children_of_ours() == children)

    run(body())


def test_a_failed_fetch_fails_the_launch_and_is_in_the_sandbox_too(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        async with room(tmp_path) as here:
            uri = UriSpec(value=str(tmp_path / "missing"))
            with pytest.raises(LaunchFailed, match=r"container 'c@.*missing': No such file") as caught:
                await here.containerizer.launch(here.plan("c", "/bin/true", uris=(uri,)))
            assert caught.value.reason == "REASON_CONTAINER_LAUNCH_FAILED"
            assert "missing" in here.text("c", "stderr")

    run(body())


def test_a_failing_cleanup_is_told_and_the_others_are_still_done(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        log: list[str] = []
        async with room(tmp_path, [Recording("a", log), Recording("b", log, fails="cleanup")]) as here:
            await here.shell("c", "exec sleep 1000")
            with pytest.raises(DestroyFailed, match="b will not cleanup"):
                await here.destroy("c")
            assert log[-2:] == ["cleanup b", "cleanup a"]
            assert not here.containerizer.containers()

    run(body())


def test_a_breach_is_told_and_nothing_after_the_end(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        watching, failing = Recording("a", []), Recording("b", [], fails="watch")
        async with room(tmp_path, [watching, failing]) as here:
            await here.shell("c", "exec sleep 1000")
            watching.breach.set()
            await until(lambda: here.limitations)
            assert here.limitations[0][1].message == "too much"
            failing.breach.set()
            await until(lambda: len(here.limitations) == 2)
            assert "cannot watch" in here.limitations[1][1].message
            watching.breach.clear()
            await here.shell("d", "exec sleep 1000")
            await here.destroy("d")
            watching.breach.set()
            assert all(who == "c" or "cannot watch" in what.message for who, what in here.limitations)

    run(body())


def test_nested_containers_go_with_their_parent_and_not_the_other_way(run: Run, tmp_path: Path) -> None:
    async def body() -> None:
        log: list[str] = []
        plain, deep = Recording("a", log), Recording("b", log, nesting=True)
        async with room(tmp_path, [plain, deep]) as here:
            parent = await here.shell("c", "exec sleep 1000")
            inner = [
                await here.containerizer.launch(here.plan(name, "/bin/sleep", "1000", parent="c")) for name in "de"
            ]
            assert log.count("prepare b") == 3 and log.count("prepare a") == 1
            await here.destroy("d")
            assert not alive(inner[0]) and alive(inner[1]) and alive(parent)
            await here.destroy("c")
            assert not alive(inner[1]) and not alive(parent)
            assert not here.containerizer.containers()
            assert log[-1] == "cleanup a"

    run(body())


def test_a_child_born_while_its_parent_was_killed_is_found_by_its_session(tmp_path: Path) -> None:
    """It has neither a parent nor the mark: only the number of its session, whose leader died just now."""
    reading, writing = os.pipe()
    before = forks_since_boot()
    line = "env -i setsid sh -c 'sleep 1000 & echo $$ $!; exec sleep 1000' & wait"
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", line],
        {"PATH": "/usr/bin:/bin"},
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
        setsid=True,
    )
    parent, child = map(int, os.read(reading, 100).split())
    try:
        assert {stat.pid for stat in Lineage(pid, "NO=mark", before).members()} == {parent, child}
        os.kill(parent, signal.SIGKILL)
        while alive(parent):
            os.sched_yield()
        lineage = Lineage(pid, "NO=mark", before)
        assert {stat.pid for stat in lineage.members([parent])} == {child}
        # By number alone: whether the child sleeps or runs may differ from one look to the next.
        told, plain = ({stat.pid for stat in lineage.members(just_died)} for just_died in ([os.getpid()], []))
        assert told == plain, "a number that somebody living has proves nothing"
    finally:
        os.kill(child, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)
        os.close(writing)


def test_descendants_are_found_when_process_numbers_may_have_wrapped(tmp_path: Path) -> None:
    """A lineage that believes in very many forks looks at every process instead of at a window."""
    reading, writing = os.pipe()
    mark = f"MESOS_TEST_MARK={tmp_path.name}"
    pid = os.posix_spawn(
        "/bin/sh",
        ["sh", "-c", "sleep 1000 & setsid sleep 1000 & echo up; wait"],
        {"PATH": "/usr/bin:/bin", **dict([mark.split("=", 1)])},
        file_actions=[(os.POSIX_SPAWN_DUP2, writing, 1)],
        setsid=True,
    )
    try:
        assert os.read(reading, 3) == b"up\n"
        for forks_before in (forks_since_boot() - 100, -(10**9)):
            members = Lineage(pid, mark, forks_before).members()
            assert len(members) == 2
            assert {stat.ppid for stat in members} == {pid}
    finally:
        for stat in Lineage(pid, mark, -(10**9)).members():
            os.kill(stat.pid, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(reading)
        os.close(writing)


def test_m_oa_03_nothing_is_nested_in_what_has_not_begun_or_is_about_to_go(run: Run, tmp_path: Path) -> None:
    """It would be in no namespace of the container's, or still there when that is gone."""

    async def body() -> None:
        slow, lasting = Recording("a", [], holds="prepare"), Recording("b", [], holds="cleanup")
        async with room(tmp_path, [slow, lasting]) as here:
            nested = here.plan("n", "/bin/sleep", "1000", parent="c")
            launching = asyncio.ensure_future(here.launch("c", "/bin/sleep", "1000"))
            await slow.held.wait()
            with pytest.raises(LaunchFailed, match="to nest in has not begun"):
                await here.containerizer.launch(nested)
            slow.go_on.set()
            await launching
            destroying = asyncio.ensure_future(here.destroy("c"))
            await lasting.held.wait()
            with pytest.raises(LaunchFailed, match="to nest in is being destroyed"):
                await here.containerizer.launch(nested)
            lasting.go_on.set()
            await destroying
            assert not here.containerizer.containers()

    run(body())
