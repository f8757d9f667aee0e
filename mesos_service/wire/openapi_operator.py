"""``POST /api/v1`` in OpenAPI: the operator calls that a service has, and their answers.

Calls that change something are answered without a body, and clients that were generated read one wherever the document
has one. As the endpoint answers on every path below its own, these calls are described a second time, at
``/api/v1/operator``, with answers that have none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final, get_args

from mesos_service.wire import agent_operator, operator, operator_common
from mesos_service.wire.openapi import (
    Described,
    Document,
    Json,
    components,
    event_parts,
    refusal,
    split_by_type,
    stream_of,
    union,
)
from mesos_service.wire.validate import OPERATOR_SUB_MESSAGES
from mesos_service.wire.validate_agent import SUB_MESSAGES as AGENT_SUB_MESSAGES

_REF: Final = "#/components/schemas/"
_PREFIX: Final = "Operator"


@dataclass(frozen=True, slots=True)
class OperatorEndpoint:
    """The endpoint of one service; an ``openapi.Described``."""

    module: ModuleType
    """``operator`` or ``agent_operator``."""
    calls: Collection[str]
    """Those that the service has."""
    required: Mapping[str, str]
    """The sub-message that a call must have, by type of call."""
    tag: str
    path: str = "/api/v1"

    def components(self) -> Document:
        """Calls and answers by type, and what they are made of."""
        module = self.module
        schemas = components(
            [module.Call, module.Response, *([module.Event] if self.subscribable else [])],
            {module.__name__: _PREFIX, operator_common.__name__: _PREFIX},
        )
        demanded = {call: [part] for call, part in self.required.items()}
        split_by_type(schemas, module.Call, module.CallType, demanded, _PREFIX, self.calls)
        split_by_type(schemas, module.Response, module.ResponseType, {}, _PREFIX, self.calls)
        roots = [f"{_PREFIX}Call", f"{_PREFIX}Response"]
        if self.subscribable:
            events = event_parts(module.Event, module.EventType)
            split_by_type(schemas, module.Event, module.EventType, events, _PREFIX)
            roots.append(f"{_PREFIX}Event")
        return _reachable(schemas, roots)

    @property
    def subscribable(self) -> bool:
        """Whether there is a stream of events; only a master has one."""
        return "SUBSCRIBE" in self.calls

    def operation(self) -> Document:
        """What is taken and given."""
        answers = {"application/json": {"schema": {"$ref": f"{_REF}{_PREFIX}Response"}}}
        if self.subscribable:
            # As RecordIO a stream has the content type of an answer, and one content type has one schema.
            streams = stream_of(f"{_PREFIX}Event")
            answers |= {kind: described for kind, described in streams.items() if kind not in answers}
        return {
            "operationId": "operator_call",
            "summary": "Calls of operators",
            "description": f"This version has {', '.join(f'`{call}`' for call in sorted(self.calls))}. Mesos' other"
            " calls are answered with 501. A call without an answer of its own gets 200 and no body. Calls and"
            " answers may be protobuf too (`application/x-protobuf`), with the numbers of Mesos' .proto files.",
            "tags": [self.tag],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": f"{_REF}{_PREFIX}Call"}}},
            },
            "responses": {
                "200": {
                    "description": "The answer, of the type of the call.",
                    "content": answers,
                },
                "406": refusal("The answer is JSON or protobuf, and neither is acceptable."),
                **_REFUSALS,
            },
        }


@dataclass(frozen=True, slots=True)
class OperatorCommands:
    """The same endpoint by another of its paths, with those calls alone that are answered without a body."""

    of: OperatorEndpoint
    path: str = "/api/v1/operator"

    def components(self) -> Document:
        """Their union; what they are made of is the endpoint's."""
        answered = {*get_args(self.of.module.ResponseType), *_STREAMED}
        mapping = {
            call: f"{_REF}{_PREFIX}{''.join(word.capitalize() for word in call.split('_'))}Call"
            for call in get_args(self.of.module.CallType)
            if call in self.of.calls and call not in answered
        }
        name = f"{_PREFIX}Command"
        return {name: union(name, "What an operator has done, and gets no answer to but a status.", mapping)}

    def operation(self) -> Document:
        """What is taken."""
        return {
            "operationId": "operator_command",
            "summary": "Calls of operators that are answered without a body",
            "description": f"The same as `{self.of.path}`, for clients that read a body wherever there may be one.",
            "tags": [self.of.tag],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"$ref": f"{_REF}{_PREFIX}Command"}}},
            },
            "responses": {
                "200": {"description": "Done."},
                "202": {"description": "Taken: the agent is told."},
                **_REFUSALS,
            },
        }


_STREAMED: Final = frozenset(
    {"SUBSCRIBE", "LAUNCH_NESTED_CONTAINER_SESSION", "ATTACH_CONTAINER_OUTPUT", "ATTACH_CONTAINER_INPUT"}
)
"""Calls whose answer, or whose own body, stays open."""
_REFUSALS: Final[Mapping[str, Json]] = {
    "400": refusal("The call cannot be understood, or cannot be done."),
    "404": refusal("There is no such file or container."),
    "409": refusal("It is not possible now."),
    "415": refusal("The body is of another content type."),
    "501": refusal("A call of Mesos' that this version does not have."),
}


def master_operator(calls: Collection[str]) -> tuple[Described, ...]:
    """The master's endpoint, with these calls, as it stands in the document."""
    endpoint = OperatorEndpoint(operator, calls, OPERATOR_SUB_MESSAGES, "master")
    return endpoint, OperatorCommands(endpoint)


def agent_operator_endpoint(calls: Collection[str]) -> tuple[Described, ...]:
    """The agent's endpoint, with these calls, as it stands in the document."""
    endpoint = OperatorEndpoint(agent_operator, calls, AGENT_SUB_MESSAGES, "agent")
    return endpoint, OperatorCommands(endpoint)


def _reachable(schemas: Document, roots: Collection[str]) -> Document:
    """What the roots refer to, directly or not: calls that a service does not have leave nothing behind."""
    found: dict[str, None] = {}
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = None
            waiting += _names(schemas[name])
    return {name: schema for name, schema in schemas.items() if name in found}


def _names(value: Json) -> list[str]:
    if isinstance(value, list):
        return [name for one in value for name in _names(one)]
    if not isinstance(value, dict):
        return []
    names = [value["$ref"].removeprefix(_REF)] if isinstance(value.get("$ref"), str) else []
    return names + [name for one in value.values() for name in _names(one)]
