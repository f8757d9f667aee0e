"""The master's old paths (Mesos docs, HTTP endpoints; M-LE-01, and of M-LE-02 ``/teardown``)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping
from functools import partial
from typing import Annotated, Final, Literal
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.ids import AgentId, FrameworkId, TaskId
from mesos_service.http.answers import Answer
from mesos_service.http.asgi import CONTENT_LENGTH, HeaderName
from mesos_service.http.build import build_info
from mesos_service.http.common_reads import COMMON_PATHS, PROMETHEUS, add_common_reads, jsonp_parameter
from mesos_service.http.large import Large, LargeAnswer, LargeObject, LargeText
from mesos_service.http.process_reads import PROCESS_PATHS, add_process_reads
from mesos_service.master.routes.legacy_writes import write
from mesos_service.master.routes.reads import MasterReads, Reads, reads_of
from mesos_service.master.routes.writes import teardown_framework
from mesos_service.openapi import answers_json, refusal
from mesos_service.telemetry.exposition import exposition_slices
from mesos_service.telemetry.system import system_metrics
from mesos_service.telemetry.verbosity import VERBOSITY
from mesos_service.wire.errors import WireError
from mesos_service.wire.render import legacy_master as render
from mesos_service.wire.render import legacy_shapes as shapes
from mesos_service.wire.render.legacy_summary import state_summary_answer
from mesos_service.wire.render.snapshot import snapshot
from mesos_service.wire.resources import Resource
from mesos_service.wire.sliced import SlicedObject

READ_PATHS: Final = (
    *COMMON_PATHS,
    *PROCESS_PATHS,
    "/state",
    "/state.json",
    "/state-summary",
    "/slaves",
    "/frameworks",
    "/roles",
    "/tasks",
    "/redirect",
)
STRUCTS: Final = (
    shapes.MasterStateAnswer,
    shapes.StateSummaryAnswer,
    shapes.AgentsAnswer,
    shapes.FrameworksAnswer,
    shapes.RolesAnswer,
    shapes.TasksAnswer,
    Resource,
)
"""What routes of this module refer to in the OpenAPI document."""

TASKS_LIMIT: Final = 100
FORM_BYTES_MAX: Final = 64 * 1024


def _flags(request: Request) -> Mapping[str, str]:
    return reads_of(request).flags


def _told(reads: MasterReads) -> Iterator[tuple[str, float] | None]:
    return reads.metrics.told(reads.state, reads.clock())


def _metrics_answer(request: Request) -> Response:
    reads = reads_of(request)
    told = partial(_told, reads)
    return LargeAnswer(request, reads.large_answers, LargeObject("metrics", lambda: SlicedObject(told)))


def _prometheus_answer(request: Request) -> Response:
    reads = reads_of(request)
    return LargeText(reads.large_answers, "prometheus", PROMETHEUS, lambda: exposition_slices(_told(reads)))


router = APIRouter(tags=["master"], dependencies=[Depends(jsonp_parameter)])
add_common_reads(router, _flags, _metrics_answer, _prometheus_answer)
add_process_reads(router, VERBOSITY, system_metrics)


@router.get("/state.json", include_in_schema=False, response_class=Response)
@router.get(
    "/state",
    operation_id="get_state",
    response_class=Response,
    responses=answers_json(shapes.MasterStateAnswer, "Agents, frameworks and their tasks."),
)
async def state(request: Request, reads: Reads) -> Response:
    """Everything this master knows. Old clients know it as `/state.json`."""
    return _large(
        request,
        reads,
        "state",
        lambda: render.state_answer(snapshot(reads.state), reads.description, build_info(), reads.flags),
    )


def _large(request: Request, reads: MasterReads, key: Hashable, make: Callable[[], msgspec.Struct]) -> Response:
    return LargeAnswer(request, reads.large_answers, Large(key, make))


@router.get(
    "/state-summary",
    operation_id="get_state_summary",
    response_class=Response,
    responses=answers_json(shapes.StateSummaryAnswer, "Agents and frameworks, with counts in place of tasks."),
)
async def state_summary(request: Request, reads: Reads) -> Response:
    """Agents and frameworks, and how many tasks each has in which state."""
    return _large(
        request,
        reads,
        "state-summary",
        lambda: state_summary_answer(snapshot(reads.state), reads.description, reads.flags),
    )


@router.get(
    "/slaves",
    operation_id="get_agents",
    response_class=Response,
    responses=answers_json(shapes.AgentsAnswer, "Registered agents."),
)
async def slaves(
    request: Request, reads: Reads, slave_id: Annotated[str | None, Query(description="This agent alone.")] = None
) -> Response:
    """Agents with all that is to be known of their resources."""
    chosen = None if slave_id is None else AgentId(slave_id)
    return _large(
        request,
        reads,
        ("slaves", chosen),
        lambda: render.agents_answer(snapshot(reads.state, frameworks=False, agent_id=chosen)),
    )


@router.get(
    "/frameworks",
    operation_id="get_frameworks",
    response_class=Response,
    responses=answers_json(shapes.FrameworksAnswer, "Frameworks, those that are over included."),
)
async def frameworks(
    request: Request,
    reads: Reads,
    framework_id: Annotated[str | None, Query(description="This framework alone.")] = None,
) -> Response:
    """Frameworks with their tasks, offers and executors."""
    chosen = None if framework_id is None else FrameworkId(framework_id)
    return _large(
        request,
        reads,
        ("frameworks", chosen),
        lambda: render.frameworks_answer(snapshot(reads.state, framework_id=chosen)),
    )


@router.get(
    "/roles",
    operation_id="get_roles",
    response_class=Response,
    responses=answers_json(shapes.RolesAnswer, "Roles in use."),
)
async def roles(request: Request, reads: Reads) -> Response:
    """Roles that have frameworks, weights, allocations or reservations, and the roles above them."""
    return _large(request, reads, "roles", lambda: render.roles_answer(reads.state))


@router.get(
    "/tasks",
    operation_id="get_tasks",
    response_class=Response,
    responses=answers_json(shapes.TasksAnswer, "One page of tasks.") | refusal(400, "A parameter makes no sense."),
)
async def tasks(
    request: Request,
    reads: Reads,
    limit: Annotated[int, Query(ge=-1, description="How many at most; -1 is all.")] = TASKS_LIMIT,
    offset: Annotated[int, Query(ge=0, description="How many to leave out first.")] = 0,
    order: Annotated[Literal["asc", "desc"], Query(description="By the time of a task's first status.")] = "desc",
    framework_id: Annotated[str | None, Query(description="Tasks of this framework alone.")] = None,
    task_id: Annotated[str | None, Query(description="Tasks of this id alone.")] = None,
) -> Response:
    """Tasks, live ones and those that are over, page by page."""
    chosen = None if framework_id is None else FrameworkId(framework_id)
    page = render.Page(
        task_id=None if task_id is None else TaskId(task_id),
        offset=offset,
        limit=None if limit == -1 else limit,
        newest_first=order == "desc",
    )
    return _large(
        request,
        reads,
        ("tasks", chosen, page),
        lambda: render.tasks_answer(snapshot(reads.state, agents=False, framework_id=chosen), page),
    )


@router.get(
    "/redirect",
    operation_id="redirect_to_leader",
    status_code=307,
    response_class=Response,
    responses={307: {"description": "`Location` is `//host:port` of the leading master."}},
)
async def redirect(reads: Reads) -> Response:
    """Where the leading master is."""
    master = reads.description
    assert master.hostname is not None, "a master that describes itself says it"
    location = f"//{join_host_port(master.hostname, master.port)}".encode("latin-1", "replace")
    return Answer(307, b"", [(HeaderName(b"Location"), location), (CONTENT_LENGTH, b"0")])


write_router = APIRouter(tags=["master"])


@write_router.post(
    "/teardown",
    operation_id="teardown",
    response_class=Response,
    responses=refusal(400, "There is no such framework.") | {200: {"description": "The framework is gone."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "properties": {"frameworkId": {"type": "string"}},
                        "required": ["frameworkId"],
                    }
                }
            },
        }
    },
)
async def teardown(request: Request, reads: Reads) -> Response:
    """End a framework with all its tasks and executors."""
    return await write(request, _framework_id, partial(teardown_framework, reads), limit=FORM_BYTES_MAX)


def _framework_id(form: bytes) -> FrameworkId:
    ids = parse_qs(form.decode("latin-1")).get("frameworkId")
    if not ids:
        raise WireError(400, "Missing 'frameworkId' query parameter in the request body")
    return FrameworkId(ids[-1])
