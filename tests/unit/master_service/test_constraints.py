"""``/allocator/offer_constraints_debug``, which looks at every agent for every framework (M-AL-14)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import httpx
import pytest

from mesos_service.core.master import filtering
from mesos_service.domain.frameworks import FilterSpec
from mesos_service.domain.ids import Role
from mesos_service.master.app import build_fastapi
from mesos_service.master.config import MasterConfig
from mesos_service.master.routes import constraints
from mesos_service.master.routes.reads import MasterReads
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.verdict import Veto
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.world import World

AGENTS = 20
TWOS = {"text_matches": {"regex": "host-.*2"}}
GROUP = {"attribute_constraints": [{"selector": {"pseudoattribute_type": "HOSTNAME"}, "predicate": TWOS}]}


class Reads:
    """Of a world what the route asks for."""

    def __init__(self, world: World) -> None:
        self.state = world.state

    def clock(self) -> float:
        return 0.0


def test_m_al_14_nobody_waits_until_all_agents_were_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constraints, "TURN_SECONDS", 0.0, raising=False)
    world = World(options=MasterConfig.load({}).options())
    nodes = [world.agent() for _ in range(AGENTS)]
    constraint = FilterSpec("attribute_constraints", {"groups": [GROUP]})
    picky = replace(framework_info(), filters={Role("role"): (constraint,)})
    schedulers = [world.framework(picky) for _ in range(2)]
    turns = 0
    looked_at: list[int] = []
    about_agent = filtering.Guarded.about_agent

    def noted(one: filtering.Guarded, agent: AgentView, now: float) -> Veto | None:
        looked_at.append(turns)
        return about_agent(one, agent, now)

    monkeypatch.setattr(filtering.Guarded, "about_agent", noted)

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(build_fastapi(cast("MasterReads", Reads(world)))), base_url="http://master"
        ) as client:
            beside = asyncio.create_task(others())
            answer = await client.get("/allocator/offer_constraints_debug")
            beside.cancel()
            return answer

    found = asyncio.run(run()).json()["frameworks"]
    assert len(set(looked_at)) == len(looked_at) == AGENTS * len(schedulers)
    excluded = [node.agent_id for node in nodes if node.info.hostname not in ("host-2", "host-12")]
    for scheduler in schedulers:
        assert found[scheduler.framework_id]["excluded_by_attribute_constraints"] == {"role": excluded}
