"""``POST /api/v1`` of the agent (M-OA-01, M-OA-02): the calls that this version has, and 501 for the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from mesos_service.agent.routes import attach_input, nested_calls
from mesos_service.agent.routes.containers import get_containers, measure
from mesos_service.agent.routes.media import NOT_ACCEPTABLE, refuse_media
from mesos_service.agent.routes.reads import AgentReads
from mesos_service.containers.files import FileEntry, FilesError, NoSuchFile, NotAllowed
from mesos_service.http.asgi import TEXT, CallHeaders, Receive, Scope, Send, respond
from mesos_service.http.build import build_info
from mesos_service.http.operator_calls import OperatorCalls, Refused, not_had, set_logging_level
from mesos_service.telemetry.verbosity import VERBOSITY
from mesos_service.wire import agent_operator as operator
from mesos_service.wire import common, operator_common
from mesos_service.wire.agent_operator import Response
from mesos_service.wire.convert.values import time_to_wire
from mesos_service.wire.decode import read_agent_call
from mesos_service.wire.render import agent_v1 as render
from mesos_service.wire.render.common_v1 import flags, metrics
from mesos_service.wire.streams import RECORDS, negotiate_answer, takes_records


def _health(service: AgentReads) -> Response:
    return Response(type="GET_HEALTH", get_health=operator_common.ResponseGetHealth(healthy=True))


def _flags(service: AgentReads) -> Response:
    return Response(type="GET_FLAGS", get_flags=operator_common.ResponseGetFlags(flags=flags(service.flags)))


def _version(service: AgentReads) -> Response:
    return Response(type="GET_VERSION", get_version=operator_common.ResponseGetVersion(version_info=build_info()))


def _metrics(service: AgentReads) -> Response:
    snapshot = service.metrics.snapshot(service.state, service.clock())
    return Response(type="GET_METRICS", get_metrics=operator_common.ResponseGetMetrics(metrics=metrics(snapshot)))


def _logging_level(service: AgentReads) -> Response:
    del service  # The log is the process's.
    found = operator_common.ResponseGetLoggingLevel(level=VERBOSITY.level)
    return Response(type="GET_LOGGING_LEVEL", get_logging_level=found)


def _state(service: AgentReads) -> Response:
    return Response(type="GET_STATE", get_state=render.get_state(service.state))


def _agent(service: AgentReads) -> Response:
    return Response(type="GET_AGENT", get_agent=render.get_agent(service.state))


def _frameworks(service: AgentReads) -> Response:
    return Response(type="GET_FRAMEWORKS", get_frameworks=render.get_frameworks(service.state))


def _executors(service: AgentReads) -> Response:
    return Response(type="GET_EXECUTORS", get_executors=render.get_executors(service.state))


def _tasks(service: AgentReads) -> Response:
    return Response(type="GET_TASKS", get_tasks=render.get_tasks(service.state))


def _operations(service: AgentReads) -> Response:
    known = render.operations(service.state)
    return Response(type="GET_OPERATIONS", get_operations=operator_common.ResponseGetOperations(operations=known))


def _resource_providers(service: AgentReads) -> Response:
    del service  # None can register with it.
    return Response(type="GET_RESOURCE_PROVIDERS", get_resource_providers=operator.ResponseGetResourceProviders())


_READS: Final[Mapping[str, Callable[[AgentReads], Response]]] = {
    "GET_HEALTH": _health,
    "GET_FLAGS": _flags,
    "GET_VERSION": _version,
    "GET_METRICS": _metrics,
    "GET_LOGGING_LEVEL": _logging_level,
    "GET_STATE": _state,
    "GET_AGENT": _agent,
    "GET_FRAMEWORKS": _frameworks,
    "GET_EXECUTORS": _executors,
    "GET_TASKS": _tasks,
    "GET_OPERATIONS": _operations,
    "GET_RESOURCE_PROVIDERS": _resource_providers,
}
CALLS: Final = (
    *_READS,
    "GET_CONTAINERS",
    "LIST_FILES",
    "READ_FILE",
    "PRUNE_IMAGES",
    "SET_LOGGING_LEVEL",
    *nested_calls.CALLS,
)
"""What this version has of Mesos' calls."""


class AgentOperatorCalls(OperatorCalls[operator.Call]):
    """The endpoint; ``service`` is what it tells of."""

    content_types = "application/json or application/x-protobuf or application/recordio"

    def __init__(self, service: AgentReads) -> None:
        self._service = service

    def read(self, body: bytes, content_type: str | None) -> operator.Call:
        return read_agent_call(body, content_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = CallHeaders.of(scope)
        refused = refuse_media(headers) if scope["method"] == "POST" else None
        if refused is not None:
            # Nobody reads what the client is still sending.
            closing = (TEXT, (b"connection", b"close"))
            await respond(send, refused.status, refused.text.encode(), closing)
        elif scope["method"] == "POST" and headers.content_type == RECORDS:
            await attach_input.attach_input(self._service, headers, receive, send)
        else:
            await super().__call__(scope, receive, send)

    def not_acceptable(self, call: operator.Call, headers: CallHeaders) -> Refused:
        if takes_records(headers.accept):
            return Refused(406, f"Streaming response is not supported for {call.type} call")
        return Refused(406, NOT_ACCEPTABLE)

    async def streamed(self, call: operator.Call, headers: CallHeaders, receive: Receive, send: Send) -> bool:
        if call.type == "ATTACH_CONTAINER_INPUT":
            raise Refused(415, f"Expecting 'Content-Type' to be {RECORDS} for {call.type} call")
        if call.type in nested_calls.STREAMS:
            await nested_calls.stream(self._service, call, headers, receive, send)
        elif call.type in nested_calls.WAITS:
            content_type = negotiate_answer(headers.accept)
            if content_type is None:
                raise self.not_acceptable(call, headers)
            await nested_calls.wait_or_leave(self._service, call, receive, send, content_type)
        else:
            return False
        return True

    async def answer(self, call: operator.Call, principal: str | None) -> Response | None:
        del principal  # Whoever may ask may see all.
        read = _READS.get(call.type or "")
        if read is not None:
            return read(self._service)
        if call.type == "SET_LOGGING_LEVEL":
            set_logging_level(call.set_logging_level, VERBOSITY)
            return None
        if call.type == "GET_CONTAINERS":
            nested = call.get_containers is not None and bool(call.get_containers.show_nested)
            standalone = call.get_containers is not None and bool(call.get_containers.show_standalone)
            measured = await measure(self._service, nested=nested, standalone=standalone)
            return Response(type="GET_CONTAINERS", get_containers=get_containers(measured))
        if call.type in ("LIST_FILES", "READ_FILE"):
            # Files are on a disk, which may be slow.
            return await asyncio.to_thread(self._files, call)
        if call.type == "PRUNE_IMAGES":
            excluded = () if call.prune_images is None else call.prune_images.excluded_images
            await self._service.images.prune([one.docker.name for one in excluded if one.docker is not None])
            return None
        if call.type in nested_calls.CALLS:
            return await nested_calls.answer(self._service, call)
        raise not_had(call.type)

    def _files(self, call: operator.Call) -> Response:
        files = self._service.files
        try:
            if call.list_files is not None and call.type == "LIST_FILES":
                found = tuple(map(_file, files.list_files(call.list_files.path)))
                return Response(type="LIST_FILES", list_files=operator_common.ResponseListFiles(file_infos=found))
            wanted = call.read_file
            assert wanted is not None, "validation saw to it"
            piece = files.read_file(wanted.path, wanted.offset, wanted.length)
            return Response(
                type="READ_FILE", read_file=operator_common.ResponseReadFile(size=piece.size, data=piece.data)
            )
        except NoSuchFile as error:
            raise Refused(404) from error
        except NotAllowed as error:
            raise Refused(403) from error
        except FilesError as error:
            raise Refused(400, f"{error}.\n") from error


def _file(entry: FileEntry) -> common.FileInfo:
    return common.FileInfo(
        path=entry.path,
        nlink=entry.nlink,
        size=entry.size,
        mtime=time_to_wire(entry.mtime),
        mode=entry.mode,
        uid=entry.uid,
        gid=entry.gid,
    )
