"""``/api/v1/revocation``: what would be revoked now, for whom, and what is under way (N15)."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from mesos_service.core.effects import Reply
from mesos_service.core.master.revocation_plan import Preview
from mesos_service.core.operator_messages import PreviewRevocation
from mesos_service.driver import Held
from mesos_service.http.answers import text_answer
from mesos_service.http.common_reads import json_answer
from mesos_service.master.leadership import IN_DOUBT
from mesos_service.master.routes.reads import Reads
from mesos_service.openapi import answers_json
from mesos_service.wire.render.revocation import revocation_answer
from mesos_service.wire.revocation import RevocationAnswer

STRUCTS: Final = (RevocationAnswer,)
"""What routes of this module refer to in the OpenAPI document."""

router = APIRouter(prefix="/api/v1", tags=["policy"])


@router.get(
    "/revocation",
    operation_id="preview_revocation",
    response_class=Response,
    responses=answers_json(RevocationAnswer, "Guarantees, the plan, and what is being carried out."),
)
async def revocation(request: Request, reads: Reads) -> Response:
    """Which tasks would be revoked so that guarantees can be kept: victims, lost work, beneficiaries.

    Asking changes nothing. Without `--revocation` nothing of the plan is ever carried out.
    """
    number = reads.driver.new_request()
    try:
        answer = reads.driver.call(number, PreviewRevocation(request=number, stimulus=f"operator-{number}"))
    except Held:
        return text_answer(*IN_DOUBT)
    assert isinstance(answer, Reply) and isinstance(answer.revocation, Preview), "it is answered at once"
    return json_answer(request, revocation_answer(reads.state, answer.revocation))
