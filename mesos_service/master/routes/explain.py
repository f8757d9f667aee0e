"""``/api/v1/explain``: why a framework is offered nothing, or an agent to nobody, and what changes it (N01, N02)."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from mesos_service.core.effects import Reply
from mesos_service.core.operator_messages import ExplainAgent, ExplainFramework
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.driver import Held
from mesos_service.http.answers import text_answer
from mesos_service.http.common_reads import json_answer
from mesos_service.master.leadership import IN_DOUBT
from mesos_service.master.routes.reads import Reads
from mesos_service.openapi import answers_json, refusal
from mesos_service.wire.explain import ExplainAgentAnswer, ExplainFrameworkAnswer
from mesos_service.wire.render import explain as render

STRUCTS: Final = (ExplainFrameworkAnswer, ExplainAgentAnswer)
"""What routes of this module refer to in the OpenAPI document."""

router = APIRouter(prefix="/api/v1/explain", tags=["explain"])


@router.get(
    "/frameworks/{framework_id}",
    operation_id="explain_framework",
    response_class=Response,
    responses=answers_json(ExplainFrameworkAnswer, "What the next full pass said of it.")
    | refusal(404, "There is no such framework."),
)
@router.get("/framework/{framework_id}", response_class=Response, include_in_schema=False)
async def explain_framework(
    request: Request,
    reads: Reads,
    framework_id: Annotated[str, Path(description="The framework that asks, or is asked about.")],
) -> Response:
    """Why a framework is offered nothing, or not more: by role and reason, with what would have to change.

    Answered from the next full allocation pass, within two seconds.
    """
    number = reads.driver.new_request()
    message = ExplainFramework(request=number, framework_id=FrameworkId(framework_id), stimulus=f"operator-{number}")
    return await _ask(request, reads, number, message)


@router.get(
    "/agents/{agent_id}",
    operation_id="explain_agent",
    response_class=Response,
    responses=answers_json(ExplainAgentAnswer, "What the next full pass made of it.")
    | refusal(404, "There is no such agent."),
)
@router.get("/agent/{agent_id}", response_class=Response, include_in_schema=False)
async def explain_agent(
    request: Request,
    reads: Reads,
    agent_id: Annotated[str, Path(description="The agent that is asked about.")],
) -> Response:
    """Who is offered an agent, and what keeps it from everybody else: by framework and role.

    Answered from the next full allocation pass, within two seconds.
    """
    number = reads.driver.new_request()
    message = ExplainAgent(request=number, agent_id=AgentId(agent_id), stimulus=f"operator-{number}")
    return await _ask(request, reads, number, message)


async def _ask(request: Request, reads: Reads, number: int, message: ExplainFramework | ExplainAgent) -> Response:
    try:
        answer = reads.driver.call(number, message)
    except Held:
        return text_answer(*IN_DOUBT)
    if answer is None:
        answer = await reads.driver.answer(number)
    assert isinstance(answer, Reply), "only SUBSCRIBE opens a stream"
    if answer.explanation is not None:
        return json_answer(request, render.explain_framework(answer.explanation, reads.state))
    if answer.of_agent is not None:
        return json_answer(request, render.explain_agent(answer.of_agent, reads.state))
    return text_answer(answer.status, answer.text)
