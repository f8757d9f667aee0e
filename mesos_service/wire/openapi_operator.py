"""``POST /api/v1`` in OpenAPI: the operator calls that a service has, and their answers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from mesos_service.wire import agent_operator, operator, operator_common
from mesos_service.wire.openapi import Document, Json, components, refusal, split_by_type
from mesos_service.wire.validate import AGENT_SUB_MESSAGES, OPERATOR_SUB_MESSAGES

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
            [module.Call, module.Response], {module.__name__: _PREFIX, operator_common.__name__: _PREFIX}
        )
        demanded = {call: [part] for call, part in self.required.items()}
        split_by_type(schemas, module.Call, module.CallType, demanded, _PREFIX, self.calls)
        split_by_type(schemas, module.Response, module.ResponseType, {}, _PREFIX, self.calls)
        return _reachable(schemas, (f"{_PREFIX}Call", f"{_PREFIX}Response"))

    def operation(self) -> Document:
        """What is taken and given."""
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
                    "content": {"application/json": {"schema": {"$ref": f"{_REF}{_PREFIX}Response"}}},
                },
                "400": refusal("The call cannot be understood, or cannot be done."),
                "404": refusal("There is no such file."),
                "406": refusal("The answer is JSON or protobuf, and neither is acceptable."),
                "415": refusal("The body is of another content type."),
                "501": refusal("A call of Mesos' that this version does not have."),
            },
        }


def master_operator(calls: Collection[str]) -> OperatorEndpoint:
    """The master's endpoint, with these calls."""
    return OperatorEndpoint(operator, calls, OPERATOR_SUB_MESSAGES, "master")


def agent_operator_endpoint(calls: Collection[str]) -> OperatorEndpoint:
    """The agent's endpoint, with these calls."""
    return OperatorEndpoint(agent_operator, calls, AGENT_SUB_MESSAGES, "agent")


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
