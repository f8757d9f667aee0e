"""The agent's old paths (Mesos docs, HTTP endpoints; M-LE-03)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from mesos_service.agent.routes import containers
from mesos_service.agent.routes.reads import AgentReads, Reads, reads_of
from mesos_service.domain.ids import ContainerId, ExecutorId, FrameworkId
from mesos_service.http.answers import text_answer
from mesos_service.http.build import build_info
from mesos_service.http.common_reads import (
    COMMON_PATHS,
    add_common_reads,
    exposition_answer,
    json_answer,
    jsonp_parameter,
)
from mesos_service.http.process_reads import PROCESS_PATHS, add_process_reads
from mesos_service.openapi import answers_json, answers_list, refusal
from mesos_service.telemetry.exposition import exposition
from mesos_service.telemetry.system import system_metrics
from mesos_service.telemetry.verbosity import VERBOSITY
from mesos_service.wire.render import legacy_agent as render
from mesos_service.wire.resources import Resource

READ_PATHS: Final = (
    *COMMON_PATHS,
    *PROCESS_PATHS,
    "/state",
    "/state.json",
    "/containerizer/debug",
    "/containers",
    "/monitor/statistics",
    "/monitor/statistics.json",
    "/files/browse",
    "/files/read",
    "/files/download",
    "/files/debug",
)
STRUCTS: Final = (
    render.AgentStateAnswer,
    containers.ContainerAnswer,
    containers.PendingAnswer,
    containers.StatisticsAnswer,
    Resource,
)
"""What routes of this module refer to in the OpenAPI document."""


_CONTAINERS_ASKED: Final = (
    "Supported query parameters are container_id only, framework_id only, or executor_id and framework_id only"
)


def _flags(request: Request) -> Mapping[str, str]:
    return reads_of(request).flags


def _snapshot(request: Request) -> Mapping[str, float]:
    reads = reads_of(request)
    return reads.metrics.snapshot(reads.state, reads.clock())


def _metrics_answer(request: Request) -> Response:
    return json_answer(request, _snapshot(request))


def _prometheus_answer(request: Request) -> Response:
    return exposition_answer(request, exposition(_snapshot(request)))


def _directory(service: AgentReads) -> render.Directory:
    def directory(framework_id: FrameworkId, executor_id: ExecutorId, run_id: ContainerId) -> str:
        agent_id = service.state.agent_id
        assert agent_id is not None, "only a registered agent is given tasks"
        return str(service.sandboxes.run_path(agent_id, framework_id, executor_id, run_id))

    return directory


router = APIRouter(tags=["agent"], dependencies=[Depends(jsonp_parameter)])
add_common_reads(router, _flags, _metrics_answer, _prometheus_answer)
add_process_reads(router, VERBOSITY, system_metrics)


@router.get("/state.json", include_in_schema=False, response_class=Response)
@router.get(
    "/state",
    operation_id="get_state",
    response_class=Response,
    responses=answers_json(render.AgentStateAnswer, "Frameworks, executors and tasks on this agent."),
)
async def state(request: Request, reads: Reads) -> Response:
    """Everything this agent knows. Old clients know it as `/state.json`."""
    answer = render.state_answer(reads.state, build_info(), reads.flags, reads.master_hostname, _directory(reads))
    return json_answer(request, answer)


@router.get(
    "/containers",
    operation_id="get_containers",
    response_class=Response,
    responses=answers_list(containers.ContainerAnswer, "One for each executor.")
    | refusal(400, "Parameters that do not go together."),
)
async def executor_containers(
    request: Request,
    reads: Reads,
    container_id: Annotated[str | None, Query(description="Of this container only.")] = None,
    framework_id: Annotated[str | None, Query(description="Of this framework's executors only.")] = None,
    executor_id: Annotated[str | None, Query(description="Of this executor of `framework_id` only.")] = None,
) -> Response:
    """The containers of executors, and what each of them uses: all of them, or one's."""
    by_container = container_id is not None
    if (by_container and (framework_id, executor_id) != (None, None)) or (
        not by_container and executor_id is not None and framework_id is None
    ):
        return text_answer(400, _CONTAINERS_ASKED)
    wanted = containers.Wanted(container_id, framework_id, executor_id)
    return json_answer(request, containers.container_answers(await containers.measure(reads, wanted=wanted)))


@router.get(
    "/containerizer/debug",
    operation_id="get_containerizer_debug",
    response_class=Response,
    responses=answers_json(containers.PendingAnswer, "What is under way and not done yet."),
)
async def containerizer_debug(request: Request, reads: Reads) -> Response:
    """Containers that are being launched or destroyed, and what each of them is at. For when one is stuck."""
    return json_answer(request, containers.pending_answer(reads))


@router.get("/monitor/statistics.json", include_in_schema=False, response_class=Response)
@router.get(
    "/monitor/statistics",
    operation_id="get_monitor_statistics",
    response_class=Response,
    responses=answers_list(containers.StatisticsAnswer, "One for each executor."),
)
async def monitor_statistics(request: Request, reads: Reads) -> Response:
    """What each executor uses. Old monitors know it as `/monitor/statistics.json`."""
    return json_answer(request, containers.statistics_answers(await containers.measure(reads)))
