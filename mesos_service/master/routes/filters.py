"""``/api/v1/filters``: the offer filters that frameworks may ask for (N10)."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from mesos_service.http.common_reads import json_answer
from mesos_service.master.routes.reads import Reads
from mesos_service.openapi import answers_json
from mesos_service.wire.filters import FiltersAnswer
from mesos_service.wire.render.filters import filters_answer

STRUCTS: Final = (FiltersAnswer,)
"""What routes of this module refer to in the OpenAPI document."""

router = APIRouter(prefix="/api/v1", tags=["policy"])


@router.get(
    "/filters",
    operation_id="get_filters",
    response_class=Response,
    responses=answers_json(FiltersAnswer, "Modules, with their parameters."),
)
async def filters(request: Request, reads: Reads) -> Response:
    """The modules that `offer_filters` of SUBSCRIBE and UPDATE_FRAMEWORK may name, and for how many they stand."""
    return json_answer(request, filters_answer(reads.state))
