"""What becomes of what is being ended when an agent goes, and of the orphans that the next one finds (X53)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from mesos_service.containers import containerizer
from mesos_service.containers.plan import LaunchFailed
from tests.unit.containers.recording import Recording
from tests.unit.containers.room import Room, Run, alive, children_of_ours, room


def test_x53_an_agent_that_goes_waits_for_what_is_being_ended_and_the_keeper_with_it(run: Run, tmp_path: Path) -> None:
    """Otherwise the keeper would stay for a process that is dead, until another agent came."""

    async def body() -> None:
        lasting = Recording("a", [], holds="cleanup")
        async with room(tmp_path, [lasting]) as here:
            others = children_of_ours()
            await here.shell("c", "exit 3")
            await here.exit_of("c")
            destroying = asyncio.ensure_future(here.destroy("c"))
            await lasting.held.wait()
            leaving = asyncio.ensure_future(here.containerizer.leave())
            for _ in range(50):
                await asyncio.sleep(0)
            assert not leaving.done()
            lasting.go_on.set()
            await leaving
            assert destroying.done()
            await here.keeper.close()
            assert children_of_ours() <= others

    run(body())


def test_x53_what_resists_an_agent_that_goes_is_told_in_its_log(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def body() -> None:
        resisting = Recording("a", [], holds="cleanup", fails="cleanup")
        async with room(tmp_path, [resisting]) as here:
            await here.shell("c", "exec sleep 1000")
            destroying = asyncio.ensure_future(here.destroy("c"))
            await resisting.held.wait()
            destroying.cancel()
            leaving = asyncio.ensure_future(here.containerizer.leave())
            await asyncio.sleep(0)
            resisting.go_on.set()
            await leaving
            assert "a will not cleanup" in caplog.text

    run(body())


def test_x53_an_agent_that_goes_does_not_wait_for_ever(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containerizer, "_ENDINGS_SECONDS_MAX", 0.05)

    async def body() -> None:
        lasting = Recording("a", [], holds="cleanup")
        async with room(tmp_path, [lasting]) as here:
            await here.shell("c", "exec sleep 1000")
            destroying = asyncio.ensure_future(here.destroy("c"))
            await lasting.held.wait()
            await here.containerizer.leave()
            assert not destroying.done()
            lasting.go_on.set()
            await destroying

    run(body())


def test_x53_nothing_is_launched_under_the_name_of_an_orphan_before_all_of_that_is_gone(
    run: Run, tmp_path: Path
) -> None:
    """Operators name what stands alone or is nested, and isolators clean up by name."""

    async def body() -> None:
        async with room(tmp_path) as here:
            plan = replace(here.plan("c", "/bin/sleep", "1000"), survives=True)
            orphan = await here.containerizer.launch(plan)
            await here.containerizer.leave()
            await here.keeper.close()
            log: list[str] = []
            lasting = Recording("a", log, holds="cleanup")
            after = Room(tmp_path, [lasting])
            try:
                assert not await after.containerizer.recover([])
                ending = asyncio.ensure_future(after.containerizer.destroy_orphans())
                await lasting.held.wait()
                assert not alive(orphan)
                with pytest.raises(LaunchFailed, match="of an agent before is still being ended"):
                    await after.containerizer.launch(plan)
                assert log == ["cleanup a"], "nothing is made that would go with the other"
                lasting.go_on.set()
                await ending
                pid = await after.containerizer.launch(plan)
                assert alive(pid)
            finally:
                await after.destroy("c")
                await after.keeper.close()

    run(body())
