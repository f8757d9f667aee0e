"""Containers that operators nest in others, where something is in the way (M-OA-03, M-OA-04)."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mesos_service.agent.background import Background
from mesos_service.agent.guests import Guests
from mesos_service.agent.nested import NestedContainers
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed
from mesos_service.wire.containers import CommandInfo
from tests.unit.containers.room import cid, open_descriptors, room, run_asyncio

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
