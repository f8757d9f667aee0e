"""Containers that operators nest in others, where something is in the way (M-OA-03, M-OA-04)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mesos_service.agent.background import Background
from mesos_service.agent.guests import Guests
from mesos_service.agent.nested import NestedContainers
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed
from mesos_service.domain.ids import ContainerId
from mesos_service.wire.containers import CommandInfo, CommandInfoURI
from tests.unit.containers.room import alive, cid, open_descriptors, room, run_asyncio

Launch = Callable[[NestedContainers], Awaitable[object]]
SIT = CommandInfo(value="exec sleep 1000")


def launch(nested: NestedContainers) -> Awaitable[object]:
    return nested.launch(cid("n"), cid("c"), SIT, tty=True)


def launch_session(nested: NestedContainers) -> Awaitable[object]:
    return nested.launch_session(cid("n"), cid("c"), SIT, tty=True, size=None)


def refused(work: Launch, tmp_path: Path, *, user: str | None = None) -> str:
    """What is said of it; nothing of it is left open."""
    said: list[str] = []

    def defect(error: BaseException) -> None:
        raise error

    async def body() -> None:
        async with room(tmp_path) as here:
            background = Background(defect)
            nested = NestedContainers(here.containerizer, Guests(here.containerizer), background)
            await here.containerizer.launch(here.plan("c", "/bin/sleep", "1000"))
            container = here.containerizer._containers[cid("c")]
            container.plan = replace(container.plan, user=user)
            before = open_descriptors()
            with pytest.raises(LaunchFailed) as refusal:
                await work(nested)
            await background.finish()
            assert open_descriptors().keys() == before.keys()
            assert here.containerizer.containers() == (cid("c"),)
            assert not list((tmp_path / "c").glob("containers/*")), "a next try is to find the name free"
            said.append(str(refusal.value))

    run_asyncio(body())
    return said[0]


def test_m_oa_03_no_terminal_is_left_open_where_its_log_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise LaunchFailed(REASON_LAUNCH_FAILED, "No space left on device")

    monkeypatch.setattr("mesos_service.agent.nested.open_log", full)
    assert "No space left on device" in refused(launch, tmp_path)


def test_m_oa_03_what_cannot_be_launched_leaves_no_sandbox(tmp_path: Path) -> None:
    def wrong(nested: NestedContainers) -> Awaitable[object]:
        return nested.launch(cid("n"), cid("c"), CommandInfo(value=None))

    assert "command" in refused(wrong, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="who is not root switches to nobody")
@pytest.mark.parametrize("work", [launch, launch_session])
def test_m_oa_03_a_user_who_was_removed_since_is_a_refusal(work: Launch, tmp_path: Path) -> None:
    assert "nobody-by-this-name" in refused(work, tmp_path, user="nobody-by-this-name")


def test_m_ag_23_containers_are_nested_32_deep_and_no_deeper_and_all_go_with_the_first(tmp_path: Path) -> None:
    def defect(error: BaseException) -> None:
        raise error

    async def body() -> None:
        async with room(tmp_path) as here:
            background = Background(defect)
            guests = Guests(here.containerizer)
            nested = NestedContainers(here.containerizer, guests, background)

            def exited(container_id: ContainerId, status: int | None) -> None:
                if not guests.exited(container_id, status):
                    nested.exited(container_id, status)

            here.containerizer.on_exit = exited
            await here.containerizer.launch(here.plan("c", "/bin/sleep", "1000"))
            around = cid("c")
            for level in range(2, 33):
                assert await nested.launch(cid(f"level-{level}"), around, SIT, tty=False)
                around = cid(f"level-{level}")
            with pytest.raises(LaunchFailed, match="Containers can be nested 32 deep at most"):
                await nested.launch(cid("deeper"), around, SIT, tty=False)
            pids = [pid for name in here.containerizer.containers() for pid in here.containerizer.processes(name)]
            assert len(pids) == len(here.containerizer.containers()) == 32
            await here.destroy("c")
            await background.finish()
            assert not here.containerizer.containers()
            assert not any(map(alive, pids))

    run_asyncio(body())


@pytest.mark.parametrize("signum", [None, signal.SIGTERM])
def test_m_oa_03_who_is_killed_while_its_files_are_fetched_is_never_launched_and_nobody_waits_for_it_for_ever(
    tmp_path: Path, signum: int | None
) -> None:
    def defect(error: BaseException) -> None:
        raise error

    async def body() -> None:
        asked, hung_up = asyncio.Event(), asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await reader.read()
            hung_up.set()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server, room(tmp_path) as here:
            background = Background(defect)
            nested = NestedContainers(here.containerizer, Guests(here.containerizer), background)
            await here.containerizer.launch(here.plan("c", "/bin/sleep", "1000"))
            far = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/file"
            command = CommandInfo(value="true", uris=(CommandInfoURI(value=far),))
            launching = asyncio.ensure_future(nested.launch(cid("n"), cid("c"), command))
            await asked.wait()
            waiting = asyncio.ensure_future(nested.wait(cid("n")))
            assert not nested.kill(cid("n"), cid("other"), signum)
            assert nested.kill(cid("n"), cid("c"), signum)
            with pytest.raises(LaunchFailed, match="FETCHING"):
                await launching
            assert await waiting is None
            await hung_up.wait()
            await background.finish()
            assert here.containerizer.containers() == (cid("c"),)
            assert not nested.kill(cid("n"), cid("c"), signum), "it is gone"
            # Its name is free again.
            assert await nested.launch(cid("n"), cid("c"), SIT)

    run_asyncio(body())
