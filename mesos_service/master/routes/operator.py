"""``POST /api/v1`` of the master (M-OM-01..03, 07, 08, 13, 14): what this version has, and 501 for other calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

from mesos_service.core.effects import Reply
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.http.asgi import CallHeaders, Receive, Send
from mesos_service.http.build import build_info
from mesos_service.http.large import Large, LargeAnswers
from mesos_service.http.operator_calls import (
    ACCEPTED,
    NOT_ACCEPTABLE,
    OperatorCalls,
    Refused,
    Said,
    not_had,
    set_logging_level,
)
from mesos_service.master.routes.reads import MasterReads
from mesos_service.master.routes.resource_calls import asked_by
from mesos_service.master.routes.writes import (
    change_machines,
    change_resources,
    deactivate_agent,
    drain_agent,
    mark_agent_gone,
    reactivate_agent,
    remove_quota,
    set_quota,
    teardown_framework,
    update_quota,
    update_schedule,
    update_weights,
)
from mesos_service.telemetry.verbosity import VERBOSITY
from mesos_service.wire import operator, operator_common
from mesos_service.wire.decode import read_operator_call
from mesos_service.wire.operator import Response
from mesos_service.wire.render import maintenance
from mesos_service.wire.render import master_v1 as render
from mesos_service.wire.render.common_v1 import flags, told_metrics
from mesos_service.wire.render.snapshot import snapshot
from mesos_service.wire.streams import negotiate


def _health(service: MasterReads) -> Response:
    return Response(type="GET_HEALTH", get_health=operator_common.ResponseGetHealth(healthy=True))


def _flags(service: MasterReads) -> Response:
    return Response(type="GET_FLAGS", get_flags=operator_common.ResponseGetFlags(flags=flags(service.flags)))


def _version(service: MasterReads) -> Response:
    return Response(type="GET_VERSION", get_version=operator_common.ResponseGetVersion(version_info=build_info()))


def _master(service: MasterReads) -> Response:
    return Response(type="GET_MASTER", get_master=render.get_master(service.state, service.description))


def _logging_level(service: MasterReads) -> Response:
    del service  # The log is the process's.
    found = operator_common.ResponseGetLoggingLevel(level=VERBOSITY.level)
    return Response(type="GET_LOGGING_LEVEL", get_logging_level=found)


def _operations(service: MasterReads) -> Response:
    known = render.operations(service.state)
    return Response(type="GET_OPERATIONS", get_operations=operator_common.ResponseGetOperations(operations=known))


def _schedule(service: MasterReads) -> Response:
    found = operator.ResponseGetMaintenanceSchedule(schedule=maintenance.schedule(service.state))
    return Response(type="GET_MAINTENANCE_SCHEDULE", get_maintenance_schedule=found)


def _maintenance_status(service: MasterReads) -> Response:
    found = operator.ResponseGetMaintenanceStatus(status=maintenance.status(service.state))
    return Response(type="GET_MAINTENANCE_STATUS", get_maintenance_status=found)


def _quota(service: MasterReads) -> Response:
    return Response(type="GET_QUOTA", get_quota=render.get_quota(service.state))


def _weights(service: MasterReads) -> Response:
    # Without any there is no list either (recorded).
    found = render.get_weights(service.state) if service.state.weights else None
    return Response(type="GET_WEIGHTS", get_weights=found)


_READS: Final[Mapping[str, Callable[[MasterReads], Response]]] = {
    "GET_HEALTH": _health,
    "GET_FLAGS": _flags,
    "GET_VERSION": _version,
    "GET_LOGGING_LEVEL": _logging_level,
    "GET_MASTER": _master,
    "GET_OPERATIONS": _operations,
    "GET_MAINTENANCE_SCHEDULE": _schedule,
    "GET_MAINTENANCE_STATUS": _maintenance_status,
    "GET_QUOTA": _quota,
    "GET_WEIGHTS": _weights,
}


def _state(service: MasterReads) -> Response:
    return Response(type="GET_STATE", get_state=render.get_state(snapshot(service.state)))


def _agents(service: MasterReads) -> Response:
    return Response(type="GET_AGENTS", get_agents=render.get_agents(snapshot(service.state, frameworks=False)))


def _frameworks(service: MasterReads) -> Response:
    return Response(type="GET_FRAMEWORKS", get_frameworks=render.get_frameworks(snapshot(service.state)))


def _executors(service: MasterReads) -> Response:
    return Response(type="GET_EXECUTORS", get_executors=render.get_executors(snapshot(service.state, agents=False)))


def _tasks(service: MasterReads) -> Response:
    return Response(type="GET_TASKS", get_tasks=render.get_tasks(snapshot(service.state, agents=False)))


def _roles(service: MasterReads) -> Response:
    return Response(type="GET_ROLES", get_roles=render.get_roles(service.state))


def _metrics(service: MasterReads) -> Response:
    told = partial(service.metrics.told, service.state, service.clock())
    return Response(type="GET_METRICS", get_metrics=operator_common.ResponseGetMetrics(metrics=told_metrics(told)))


_LARGE_READS: Final[Mapping[str, Callable[[MasterReads], Response]]] = {
    "GET_STATE": _state,
    "GET_AGENTS": _agents,
    "GET_FRAMEWORKS": _frameworks,
    "GET_EXECUTORS": _executors,
    "GET_TASKS": _tasks,
    "GET_ROLES": _roles,
    "GET_METRICS": _metrics,
}
"""The longer the larger the cluster is (``http.large``)."""


async def _teardown(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.teardown is not None, "validation saw to it"
    return await teardown_framework(service, FrameworkId(call.teardown.framework_id.value))


async def _mark_agent_gone(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.mark_agent_gone is not None, "validation saw to it"
    return await mark_agent_gone(service, AgentId(call.mark_agent_gone.agent_id.value))


async def _deactivate_agent(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.deactivate_agent is not None, "validation saw to it"
    return await deactivate_agent(service, AgentId(call.deactivate_agent.agent_id.value))


async def _drain_agent(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.drain_agent is not None, "validation saw to it"
    return await drain_agent(service, call.drain_agent)


async def _reactivate_agent(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.reactivate_agent is not None, "validation saw to it"
    return await reactivate_agent(service, AgentId(call.reactivate_agent.agent_id.value))


async def _update_schedule(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.update_maintenance_schedule is not None, "validation saw to it"
    return await update_schedule(service, call.update_maintenance_schedule.schedule)


async def _start_maintenance(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.start_maintenance is not None, "validation saw to it"
    return await change_machines(service, call.start_maintenance.machines, up=False)


async def _stop_maintenance(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.stop_maintenance is not None, "validation saw to it"
    return await change_machines(service, call.stop_maintenance.machines, up=True)


async def _update_quota(service: MasterReads, call: operator.Call) -> Reply | None:
    wanted = call.update_quota
    assert wanted is not None, "validation saw to it"
    return await update_quota(service, wanted.quota_configs, bool(wanted.force))


async def _set_quota(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.set_quota is not None, "validation saw to it"
    return await set_quota(service, call.set_quota.quota_request)


async def _remove_quota(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.remove_quota is not None, "validation saw to it"
    role = call.remove_quota.role
    return await remove_quota(service, role, f"/master/quota/{role}")


async def _update_weights(service: MasterReads, call: operator.Call) -> Reply | None:
    assert call.update_weights is not None, "validation saw to it"
    return await update_weights(service, call.update_weights.weight_infos)


_WRITES: Final[Mapping[str, Callable[[MasterReads, operator.Call], Awaitable[Reply | None]]]] = {
    "DEACTIVATE_AGENT": _deactivate_agent,
    "DRAIN_AGENT": _drain_agent,
    "MARK_AGENT_GONE": _mark_agent_gone,
    "REACTIVATE_AGENT": _reactivate_agent,
    "REMOVE_QUOTA": _remove_quota,
    "SET_QUOTA": _set_quota,
    "START_MAINTENANCE": _start_maintenance,
    "STOP_MAINTENANCE": _stop_maintenance,
    "TEARDOWN": _teardown,
    "UPDATE_MAINTENANCE_SCHEDULE": _update_schedule,
    "UPDATE_QUOTA": _update_quota,
    "UPDATE_WEIGHTS": _update_weights,
}
_OPERATIONS: Final = (
    "RESERVE_RESOURCES",
    "UNRESERVE_RESOURCES",
    "CREATE_VOLUMES",
    "DESTROY_VOLUMES",
    "GROW_VOLUME",
    "SHRINK_VOLUME",
)
CALLS: Final = (
    *_READS,
    *_LARGE_READS,
    *_WRITES,
    *_OPERATIONS,
    "LIST_FILES",
    "READ_FILE",
    "SET_LOGGING_LEVEL",
    "SUBSCRIBE",
)
"""What this version has of Mesos' calls."""


class MasterOperatorCalls(OperatorCalls[operator.Call]):
    """The endpoint; ``service`` is what it tells of."""

    def __init__(self, service: MasterReads) -> None:
        self._service = service

    def read(self, body: bytes, content_type: str | None) -> operator.Call:
        return read_operator_call(body, content_type)

    async def streamed(self, call: operator.Call, headers: CallHeaders, receive: Receive, send: Send) -> bool:
        if call.type != "SUBSCRIBE":
            return False
        encoding = negotiate(headers.accept)
        if encoding is None:
            raise Refused(406, NOT_ACCEPTABLE)
        await self._service.operator_events.serve(encoding, receive, send)
        return True

    def large(self, call: operator.Call) -> tuple[LargeAnswers, Large] | None:
        read = _LARGE_READS.get(call.type or "")
        if read is None:
            return None
        return self._service.large_answers, Large(call.type, partial(read, self._service))

    async def answer(self, call: operator.Call, principal: str | None) -> Response | Said | None:
        read = _READS.get(call.type or "")
        if read is not None:
            return read(self._service)
        if call.type == "SET_LOGGING_LEVEL":
            set_logging_level(call.set_logging_level, VERBOSITY)
            return None
        write = _WRITES.get(call.type or "")
        if write is not None:
            refused = await write(self._service, call)
            if refused is not None:
                raise Refused(refused.status, refused.text)
            return None
        asked = asked_by(call)
        if asked is not None:
            refused = await change_resources(self._service, *asked, principal)
            if refused is not None:
                raise Refused(refused.status, refused.text)
            return ACCEPTED
        if call.type in ("LIST_FILES", "READ_FILE"):
            # A master shows its log file and nothing else; ours logs to standard error and has none.
            raise Refused(404)
        raise not_had(call.type)
