"""The master's ``/files/...`` (Mesos docs, HTTP endpoints): Mesos shows its log file there and nothing else.

Ours logs to standard error and has no file to show, so there is nothing to list, and whatever is asked for is not found
(the words and the missing ones are recorded).
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from mesos_service.http.answers import text_answer
from mesos_service.http.common_reads import json_answer, jsonp_parameter
from mesos_service.openapi import answers_map, refusal

FILE_PATHS: Final = tuple(
    f"/files/{name}{ending}" for name in ("browse", "debug", "download", "read") for ending in ("", ".json")
)
STRUCTS: Final = ()

router = APIRouter(tags=["files"], dependencies=[Depends(jsonp_parameter)])


@router.get("/files/debug.json", include_in_schema=False, response_class=Response)
@router.get(
    "/files/debug",
    operation_id="debug_files",
    response_class=Response,
    responses=answers_map({"type": "string"}, "Real paths by virtual ones: none."),
)
async def debug(request: Request) -> Response:
    """Which virtual paths there are, and where they lead. A master has none."""
    return json_answer(request, {})


@router.get("/files/browse.json", include_in_schema=False, response_class=Response)
@router.get("/files/read.json", include_in_schema=False, response_class=Response)
@router.get("/files/download.json", include_in_schema=False, response_class=Response)
@router.get(
    "/files/browse",
    operation_id="browse_files",
    response_class=Response,
    responses=refusal(404, "There is no such path."),
)
@router.get(
    "/files/read", operation_id="read_files", response_class=Response, responses=refusal(404, "There is no such path.")
)
@router.get(
    "/files/download",
    operation_id="download_files",
    response_class=Response,
    responses=refusal(404, "There is no such path."),
)
async def not_there(path: Annotated[str | None, Query(description="A virtual path.")] = None) -> Response:
    """There is no file to show: the log goes to standard error."""
    return text_answer(400, "Expecting 'path=value' in query.\n") if not path else text_answer(404, "")
