"""``/api/v1/shadow``: what the allocator that runs in shadow would have decided."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from mesos_service.core.master.shadow import shadow_of
from mesos_service.http.answers import text_answer
from mesos_service.http.common_reads import json_answer
from mesos_service.master.routes.reads import Reads
from mesos_service.openapi import answers_json, refusal
from mesos_service.wire.render.shadow import shadow_answer
from mesos_service.wire.shadow import ShadowAnswer

STRUCTS: Final = (ShadowAnswer,)
"""What routes of this module refer to in the OpenAPI document."""

router = APIRouter(prefix="/api/v1", tags=["policy"])


@router.get(
    "/shadow",
    operation_id="get_shadow",
    response_class=Response,
    responses=answers_json(ShadowAnswer, "Counts, and the last differences.")
    | refusal(404, "No allocator runs in shadow."),
)
async def shadow(request: Request, reads: Reads) -> Response:
    """Where the allocator of `--shadow_allocator` would have decided otherwise than the one that decides."""
    found = shadow_of(reads.state)
    if found is None:
        return text_answer(404, "No allocator runs in shadow (--shadow_allocator).")
    return json_answer(request, shadow_answer(reads.state, found))
