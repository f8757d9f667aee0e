"""``/allocator/offer_constraints_debug``: whom frameworks exclude by their constraints (Mesos docs, HTTP endpoints;
M-AL-14)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from mesos_service.core.master import books, filtering
from mesos_service.domain.ids import AgentId
from mesos_service.http.common_reads import json_answer, jsonp_parameter
from mesos_service.master.routes.reads import Reads
from mesos_service.openapi import answers_json
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.wire.base import Message

CONSTRAINT_PATHS: Final = ("/allocator/offer_constraints_debug",)

TURN_SECONDS: Final = 0.005


class FrameworkConstraints(Message, kw_only=True):
    suppressed_roles: tuple[str, ...]
    excluded_by_attribute_constraints: dict[str, tuple[str, ...]]
    """Agents by role; a role without constraints excludes nobody."""


class ConstraintsAnswer(Message, kw_only=True):
    frameworks: dict[str, FrameworkConstraints]
    """By id."""


STRUCTS: Final = (ConstraintsAnswer,)
"""What routes of this module refer to in the OpenAPI document."""

router = APIRouter(tags=["master"], dependencies=[Depends(jsonp_parameter)])


@router.get(
    CONSTRAINT_PATHS[0],
    operation_id="get_offer_constraints_debug",
    response_class=Response,
    responses=answers_json(ConstraintsAnswer, "Frameworks by id."),
)
async def offer_constraints_debug(request: Request, reads: Reads) -> Response:
    """Of each framework the roles that it suppresses, and in each role the agents that its constraints exclude."""
    state, now = reads.state, reads.clock()
    agents = [books.view(agent) for agent in state.agents.values()]
    turns = _Turns()
    found: dict[str, FrameworkConstraints] = {}
    for framework in list(state.frameworks.values()):
        excluded: dict[str, tuple[str, ...]] = {}
        for role in framework.info.roles:
            own = filtering.constraints(framework, role, state.options)
            excluded[role] = tuple([one async for one in _excluded(own, agents, now, turns)]) if own else ()
        found[framework.framework_id] = FrameworkConstraints(
            suppressed_roles=tuple(sorted(framework.suppressed)), excluded_by_attribute_constraints=excluded
        )
    return json_answer(request, ConstraintsAnswer(frameworks=found))


async def _excluded(
    own: Sequence[OfferFilter], agents: Sequence[AgentView], now: float, turns: _Turns
) -> AsyncIterator[AgentId]:
    for agent in agents:
        if any(one.about_agent(agent, now) is not None for one in own):
            yield agent.agent_id
        await turns.share()


class _Turns:
    """Of the loop: each pattern of each framework is matched with each agent, which takes seconds where there are
    thousands of them, and nobody else may wait for that long."""

    def __init__(self) -> None:
        self._begun = time.monotonic()

    async def share(self) -> None:
        """Let others have a turn, if this one has lasted long enough."""
        if time.monotonic() - self._begun >= TURN_SECONDS:
            await asyncio.sleep(0)
            self._begun = time.monotonic()
