"""Operators' operations on resources, as ``/api/v1`` and as the old paths spell them (M-OM-09, M-OM-10, M-LE-02)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qs

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from mesos_service.core.effects import Reply
from mesos_service.domain.ids import AgentId
from mesos_service.domain.operations import Operation
from mesos_service.http.asgi import PRINCIPAL
from mesos_service.master.routes.legacy_writes import write
from mesos_service.master.routes.reads import Reads
from mesos_service.master.routes.writes import change_resources
from mesos_service.openapi import refusal
from mesos_service.wire import operator, resources
from mesos_service.wire.base import Message
from mesos_service.wire.convert import operations
from mesos_service.wire.decode import decode_leniently
from mesos_service.wire.errors import WireError

FORM_BYTES_MAX: Final = 1024 * 1024

Asked = tuple[AgentId, Operation, str | None]
"""Where to do what, and why it cannot be read."""


def asked_by(call: operator.Call) -> Asked | None:
    """What a v1 call asks for; ``None`` where it is another kind of call."""
    match call:
        case operator.Call(type="RESERVE_RESOURCES", reserve_resources=operator.CallReserveResources() as body):
            return _at(body.agent_id.value, operations.reserve(body.resources, body.source))
        case operator.Call(type="UNRESERVE_RESOURCES", unreserve_resources=operator.CallUnreserveResources() as freed):
            return _at(freed.agent_id.value, operations.unreserve(freed.resources))
        case operator.Call(type="CREATE_VOLUMES", create_volumes=operator.CallCreateVolumes() as made):
            return _at(made.agent_id.value, operations.create(made.volumes))
        case operator.Call(type="DESTROY_VOLUMES", destroy_volumes=operator.CallDestroyVolumes() as ended):
            return _at(ended.agent_id.value, operations.destroy(ended.volumes))
        case operator.Call(type="GROW_VOLUME", grow_volume=operator.CallGrowVolume() as grown):
            assert grown.agent_id is not None, "validation saw to it"
            return _at(grown.agent_id.value, operations.grow(grown.volume, grown.addition))
        case operator.Call(type="SHRINK_VOLUME", shrink_volume=operator.CallShrinkVolume() as shrunk):
            assert shrunk.agent_id is not None, "validation saw to it"
            return _at(shrunk.agent_id.value, operations.shrink(shrunk.volume, shrunk.subtract))
        case _:
            return None


def _at(agent_id: str, read: tuple[Operation, str | None]) -> Asked:
    return AgentId(agent_id), *read


# -- the old paths -------------------------------------------------------------------------------------------

router = APIRouter(tags=["master"])


class Listed(Message, kw_only=True):
    """A form's array of resources as a message, which is what the lenient decoder reads."""

    items: tuple[resources.Resource, ...] = ()


def _listed(text: str) -> Sequence[resources.Resource]:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WireError(400, str(error)) from None
    if not isinstance(value, list):
        raise WireError(400, "Expecting a JSON array")
    return decode_leniently(Listed, msgspec.json.encode({"items": value}), "").items


def _endpoint(path: str, field: str, summary: str, make: Callable[..., tuple[Operation, str | None]]) -> None:
    def read(body: bytes) -> tuple[AgentId, Sequence[resources.Resource]]:
        form = parse_qs(body.decode("utf-8", "replace"))
        for name in ("slaveId", field):
            if name not in form:
                raise WireError(400, f"Missing '{name}' query parameter in the request body")
        try:
            return AgentId(form["slaveId"][-1]), _listed(form[field][-1])
        except WireError as error:
            reason = f"Error in parsing '{field}' query parameter in the request body: {error.text}"
            raise WireError(400, reason) from None

    async def endpoint(request: Request, reads: Reads) -> Response:
        async def act(asked: tuple[AgentId, Sequence[resources.Resource]]) -> Reply | None:
            agent_id, sent = asked
            return await change_resources(reads, agent_id, *make(sent), request.scope.get(PRINCIPAL))

        return await write(request, read, act, done=202, limit=FORM_BYTES_MAX)

    endpoint.__doc__ = summary
    router.add_api_route(
        path,
        endpoint,
        methods=["POST"],
        operation_id=path.strip("/").replace("-", "_"),
        status_code=202,
        response_class=Response,
        responses=refusal(400, "The request makes no sense.")
        | refusal(409, "Too little is free.")
        | {202: {"description": "The agent has been told."}},
        openapi_extra=_form(field),
    )


def _form(field: str) -> dict[str, object]:
    properties: Mapping[str, object] = {
        "slaveId": {"type": "string"},
        field: {"type": "string", "description": "A JSON array of resources."},
    }
    schema = {"type": "object", "properties": properties, "required": ["slaveId", field]}
    return {"requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}}}


_endpoint("/reserve", "resources", "Reserve resources of an agent dynamically.", operations.reserve)
_endpoint("/unreserve", "resources", "Take dynamic reservations back.", operations.unreserve)
_endpoint("/create-volumes", "volumes", "Make persistent volumes of reserved disk.", operations.create)
_endpoint("/destroy-volumes", "volumes", "Destroy persistent volumes with what is on them.", operations.destroy)
