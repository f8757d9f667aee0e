"""The file of ``--whitelist`` moves offers (M-AL-15)."""

from __future__ import annotations

import asyncio
from pathlib import Path

from mesos_service.core.messages import UpdateWhitelist
from mesos_service.master.whitelist import Whitelist
from tests.unit.core.master.world import World


def test_m_al_15_it_is_read_again_and_only_changes_are_told(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("one\n\n two \n")
    told: asyncio.Queue[UpdateWhitelist] = asyncio.Queue()

    async def body() -> None:
        whitelist = Whitelist(file, told.put_nowait, 0.01)
        whitelist.start()
        assert (await told.get()).hostnames == {"one", "two"}
        (tmp_path / "next").write_text("one")
        (tmp_path / "next").replace(file)
        async with asyncio.timeout(60):
            assert (await told.get()).hostnames == {"one"}
        whitelist.stop()

    asyncio.run(body())


def test_m_al_15_an_empty_file_is_nobody_and_one_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "hosts"
    file.write_text("")
    told: list[UpdateWhitelist] = []
    whitelist = Whitelist(file, told.append)
    whitelist.read()
    file.unlink()
    whitelist.read()
    assert told == [UpdateWhitelist(hostnames=frozenset())]


def test_c25_m_al_15_offers_move_with_the_list() -> None:
    world = World()
    world.take(UpdateWhitelist(hostnames=frozenset({"b"})))
    world.agent(hostname="a")
    there = world.agent(hostname="b")
    scheduler = world.framework()
    assert [one.agent_id for one in scheduler.offered(world.settle())] == [there.agent_id]
    effects = world.take(UpdateWhitelist(hostnames=frozenset({"a", "b"})))
    assert len(scheduler.offered([*effects, *world.settle()])) == 1
