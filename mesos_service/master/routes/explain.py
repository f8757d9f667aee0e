"""``/api/v1/explain``: why a framework is offered nothing, and what would have to change (N01, N02)."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from mesos_service.core.effects import Reply
from mesos_service.core.operator_messages import ExplainFramework
from mesos_service.domain.ids import FrameworkId
from mesos_service.driver import Held
from mesos_service.http.answers import text_answer
from mesos_service.http.common_reads import json_answer
from mesos_service.master.leadership import IN_DOUBT
from mesos_service.master.routes.reads import Reads
from mesos_service.openapi import answers_json, refusal
from mesos_service.wire.explain import ExplainFrameworkAnswer
from mesos_service.wire.render import explain as render

STRUCTS: Final = (ExplainFrameworkAnswer,)
"""What routes of this module refer to in the OpenAPI document."""

router = APIRouter(prefix="/api/v1/explain", tags=["explain"])


@router.get(
    "/frameworks/{framework_id}",
    operation_id="explain_framework",
    response_class=Response,
    responses=answers_json(ExplainFrameworkAnswer, "What the next full pass said of it.")
    | refusal(404, "There is no such framework."),
)
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
    try:
        answer = reads.driver.call(number, message)
    except Held:
        return text_answer(*IN_DOUBT)
    if answer is None:
        answer = await reads.driver.answer(number)
    assert isinstance(answer, Reply), "only SUBSCRIBE opens a stream"
    if answer.explanation is None:
        return text_answer(answer.status, answer.text)
    return json_answer(request, render.explain_framework(answer.explanation, reads.state))
