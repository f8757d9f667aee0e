"""Stand-alone containers whose launch, wait and removal cross each other, or were broken off (M-OA-03, X53)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, cast

import pytest

from mesos_service.agent import standalone
from mesos_service.agent.background import Background
from mesos_service.agent.guests import Guests
from mesos_service.agent.launch_plans import LaunchSettings
from mesos_service.agent.sandboxes import Sandboxes
from mesos_service.agent.standalone import StandaloneContainers
from mesos_service.containers.containerizer import Containerizer
from mesos_service.containers.files import Files
from mesos_service.containers.garbage import remove_tree
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed, LaunchPlan
from mesos_service.domain.ids import ContainerId
from mesos_service.wire.agent_operator import CallLaunchContainer
from mesos_service.wire.common import ContainerID
from mesos_service.wire.containers import CommandInfo

NAME = ContainerId("one")
ASKED = CallLaunchContainer(container_id=ContainerID(value=NAME), command=CommandInfo(value="true"))


class NoContainers:
    """A containerizer in which there is nothing."""

    def phase(self, _: ContainerId) -> None:
        return None


class Launches:
    """Guests that are launched when they are let, and fail as they are told."""

    def __init__(self) -> None:
        self.free = asyncio.Event()
        self.free.set()
        self.failure: LaunchFailed | None = None
        self.exits: dict[ContainerId, asyncio.Future[int | None]] = {}
        self.may_be_destroyed = asyncio.Event()
        self.may_be_destroyed.set()

    async def launch(self, plan: LaunchPlan) -> asyncio.Future[int | None]:
        await self.free.wait()
        if self.failure is not None:
            raise self.failure
        ended = self.exits[plan.container_id] = asyncio.get_running_loop().create_future()
        return ended

    async def destroy(self, _: ContainerId) -> None:
        await self.may_be_destroyed.wait()


class Some:
    """Those of one agent."""

    def __init__(self, work_dir: Path) -> None:
        self.launches = Launches()
        self.defects: list[BaseException] = []
        self.background = Background(self.defects.append)
        self.sandbox = work_dir / "containers" / NAME
        self.containers = StandaloneContainers(
            cast(Containerizer, NoContainers()),
            cast(Guests, self.launches),
            self.background,
            Sandboxes(work_dir, Files()),
            LaunchSettings(ip="127.0.0.1", port=5051, switch_user=False),
            work_dir / "runtime",
        )

    async def launched(self) -> None:
        assert await self.containers.launch(NAME, ASKED)

    async def ended(self) -> None:
        await self.launched()
        self.launches.exits[NAME].set_result(0)
        assert await self.containers.wait(NAME) == 0


def play(body: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(body, 60))


def test_m_oa_03_a_second_removal_never_meets_the_next_container_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = threading.Event()
    count = 0

    def slowly(path: Path, stop: threading.Event) -> None:
        nonlocal count
        count += 1
        if count > 1:
            late.wait(60)
        remove_tree(path, stop)

    monkeypatch.setattr(standalone, "remove_tree", slowly)

    async def body() -> None:
        some = Some(tmp_path)
        await some.ended()
        removals = [asyncio.ensure_future(some.containers.remove(NAME)) for _ in range(2)]
        await asyncio.wait(removals, return_when=asyncio.FIRST_COMPLETED)
        await some.launched()
        late.set()
        await asyncio.gather(*removals)
        assert NAME in some.containers and some.sandbox.is_dir()
        assert (tmp_path / "runtime" / NAME).exists(), "the next agent knows of it"
        assert not some.defects

    play(body())


def test_m_oa_03_who_waits_for_a_container_that_cannot_be_launched_does_not_wait_for_ever(tmp_path: Path) -> None:
    async def body() -> None:
        some = Some(tmp_path)
        some.launches.free.clear()
        some.launches.failure = LaunchFailed(REASON_LAUNCH_FAILED, "no room")
        launching = asyncio.ensure_future(some.launched())
        while NAME not in some.containers:  # noqa: ASYNC110 - it is on its way
            await asyncio.sleep(0)
        waiting = asyncio.ensure_future(some.containers.wait(NAME))
        await asyncio.sleep(0)
        some.launches.free.set()
        with pytest.raises(LaunchFailed, match="no room"):
            await launching
        assert await waiting is None
        # And who tries again at once is not told that the old sandbox is still there.
        some.launches.failure = None
        await some.launched()
        assert some.sandbox.is_dir()

    play(body())


def test_x53_a_sandbox_of_a_launch_in_which_the_agent_was_killed_is_in_nobodys_way(tmp_path: Path) -> None:
    async def body() -> None:
        some = Some(tmp_path)
        some.sandbox.mkdir(parents=True)
        (some.sandbox / "stdout").write_text("of nobody")
        assert list(some.containers.recover()) == []
        await some.launched()
        assert list(some.sandbox.iterdir()) == []

    play(body())


def test_x53_how_a_container_ended_is_known_to_the_next_agent_though_this_one_goes_before_all_of_it_has(
    tmp_path: Path,
) -> None:
    async def body() -> None:
        some = Some(tmp_path)
        await some.launched()
        some.launches.may_be_destroyed.clear()
        some.launches.exits[NAME].set_result(7 << 8)
        async with asyncio.timeout(60):
            while b'"ended":true' not in (tmp_path / "runtime" / NAME).read_bytes():  # noqa: ASYNC110 - a file
                await asyncio.sleep(0)
        assert list(some.containers.running()) == [NAME], "nobody is told before nothing of it is left"
        await some.background.cancel()
        after = Some(tmp_path)
        assert list(after.containers.recover()) == []
        assert await after.containers.wait(NAME) == 7 << 8

    play(body())
