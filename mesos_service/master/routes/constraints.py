"""``/allocator/offer_constraints_debug``: whom frameworks exclude by their constraints (Mesos docs, HTTP endpoints;
M-AL-14)."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from mesos_service.core.master import filtering
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.http.common_reads import json_answer, jsonp_parameter
from mesos_service.master.routes.reads import Reads
from mesos_service.openapi import answers_json
from mesos_service.wire.base import Message

CONSTRAINT_PATHS: Final = ("/allocator/offer_constraints_debug",)


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
    state = reads.state
    found = {
        str(framework_id): FrameworkConstraints(
            suppressed_roles=tuple(sorted(framework.suppressed)),
            excluded_by_attribute_constraints=_excluded(state, framework, reads.clock()),
        )
        for framework_id, framework in state.frameworks.items()
    }
    return json_answer(request, ConstraintsAnswer(frameworks=found))


def _excluded(state: MasterState, framework: Framework, now: float) -> dict[str, tuple[str, ...]]:
    return {
        role: tuple(filtering.excluded_by_constraints(state, framework, role, now)) for role in framework.info.roles
    }
