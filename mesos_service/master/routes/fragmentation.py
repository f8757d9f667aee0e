"""``/api/v1/fragmentation``: what is free, seen by one shape of task (N16)."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from mesos_service.domain.resources import Resources
from mesos_service.http.answers import text_answer
from mesos_service.http.common_reads import json_answer
from mesos_service.master.routes.reads import Reads
from mesos_service.openapi import answers_json, refusal
from mesos_service.wire.fragmentation import FragmentationAnswer
from mesos_service.wire.render.fragmentation import fragmentation_answer

STRUCTS: Final = (FragmentationAnswer,)
"""What routes of this module refer to in the OpenAPI document."""

router = APIRouter(prefix="/api/v1", tags=["policy"])


@router.get(
    "/fragmentation",
    operation_id="get_fragmentation",
    response_class=Response,
    responses=answers_json(FragmentationAnswer, "How many fit now, and if it were all in one place.")
    | refusal(400, "The shape makes no sense."),
)
async def fragmentation(
    request: Request,
    reads: Reads,
    task: Annotated[str, Query(description="What one task needs, such as `cpus:1;mem:512`.")] = "cpus:1;mem:1024",
) -> Response:
    """How many more tasks of a shape fit, how many would without fragmentation, and what is stranded on which agent."""
    try:
        shape = Resources.parse(task).quantities()
    except ValueError as error:
        return text_answer(400, f"'task': {error}")
    if not shape:
        return text_answer(400, f"'task': '{task}' names no amount")
    return json_answer(request, fragmentation_answer(reads.state, shape))
