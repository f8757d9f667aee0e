"""The hot endpoints in OpenAPI, made from the wire structs (N04).

FastAPI never sees the scheduler, executor and agent link calls, so their part of the document is written here and
laid over FastAPI's. A call is one struct in memory, as in Mesos; in the document it is one model per type, told
apart by ``type``, because that is what makes generated clients pleasant. ``null`` is not mentioned: it means unset,
and so does leaving the field out.

Two documents come out, as no generator likes both: OpenAPI 3.1 without ``itemSchema``, where streams name the schema
of their items instead; and 3.2 with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol, get_args

import msgspec
from msgspec import inspect

from mesos_service.wire import agent_link, executor, scheduler
from mesos_service.wire.streams import Encoding
from mesos_service.wire.validate import EXECUTOR_SUB_MESSAGES, SCHEDULER_SUB_MESSAGES, sub_messages

# A JSON document: what is in it is JSON Schema's and OpenAPI's business.
Json = Any
Document = dict[str, Json]

_REF: Final = "#/components/schemas/"
_IDS_OF_EXECUTOR: Final = ("executor_id", "framework_id")


class Documents(NamedTuple):
    """The same description twice."""

    plain: Document
    """OpenAPI 3.1."""
    streaming: Document
    """OpenAPI 3.2."""


class Described(Protocol):
    """An endpoint that FastAPI does not see; what stands of it in the document."""

    @property
    def path(self) -> str: ...

    def components(self) -> Document:
        """Component schemas by name."""

    def operation(self) -> Document:
        """Its ``post``."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One hot endpoint: its schemas and its path."""

    path: str
    operation_id: str
    tag: str
    summary: str
    description: str
    schemas: Callable[[], Document]
    call: str
    """Component name of the request body."""
    event: str
    """Component name of a record of the stream."""
    stream_id: bool = False
    """Whether the endpoint knows ``Mesos-Stream-Id``."""

    def components(self) -> Document:
        return self.schemas()

    def operation(self) -> Document:
        return _operation(self)


def add_wire_schemas(document: Document, endpoints: Iterable[Described] | None = None) -> Documents:
    """Lay the endpoints' schemas and paths over a copy of ``document`` (as FastAPI makes it), all of them by default.

    Raises:
        ValueError: when the document has a component of the same name that says something else.
    """
    merged = deepcopy(document)
    components = merged.setdefault("components", {}).setdefault("schemas", {})
    paths = merged.setdefault("paths", {})
    for endpoint in ENDPOINTS if endpoints is None else endpoints:
        for name, schema in endpoint.components().items():
            if components.setdefault(name, schema) != schema:
                raise ValueError(f"Two different schemas are called '{name}'.")
        paths.setdefault(endpoint.path, {})["post"] = endpoint.operation()
    _name_maps(components)
    streaming = {**deepcopy(merged), "openapi": "3.2.0"}
    plain = {**_without_item_schema(merged), "openapi": "3.1.0"}
    return Documents(plain, streaming)


def _name_maps(schemas: Document) -> None:
    """Give maps a title where they need one.

    Generators make a model of every map, called after where it stands. `OfferConstraints.role_constraints` would have
    the name of what is in it, and either be left out with all that holds one, or take the other's place.
    """
    for name, schema in schemas.items():
        for key, one in schema.get("properties", {}).items():
            if "additionalProperties" in one and name + "".join(map(str.capitalize, key.split("_"))) in schemas:
                one["title"] = f"{name}Map"


# -- schemas -------------------------------------------------------------------------------------------------


def _scheduler_schemas() -> Document:
    schemas = components([scheduler.Call, scheduler.Event])
    required = {one: [sub] for one, sub in SCHEDULER_SUB_MESSAGES.items()}
    for one in get_args(scheduler.CallType):
        if one != "SUBSCRIBE":
            required.setdefault(one, []).insert(0, "framework_id")
    split_by_type(schemas, scheduler.Call, scheduler.CallType, required)
    split_by_type(schemas, scheduler.Event, scheduler.EventType, event_parts(scheduler.Event, scheduler.EventType))
    return schemas


def _executor_schemas() -> Document:
    schemas = components([executor.Call, executor.Event], {executor.__name__: "Executor"})
    required = {
        one: [*_IDS_OF_EXECUTOR, *([EXECUTOR_SUB_MESSAGES[one]] if one in EXECUTOR_SUB_MESSAGES else [])]
        for one in get_args(executor.CallType)
    }
    split_by_type(schemas, executor.Call, executor.CallType, required, "Executor")
    parts = event_parts(executor.Event, executor.EventType)
    split_by_type(schemas, executor.Event, executor.EventType, parts, "Executor")
    return schemas


def _link_schemas() -> Document:
    schemas = components([agent_link.LinkCall, agent_link.DownlinkBatch], {agent_link.__name__: "Link"})
    calls = {
        one.__struct_config__.tag: _REF + _name(one, {agent_link.__name__: "Link"})
        for one in get_args(agent_link.LinkCall)
    }
    schemas["LinkCall"] = union("LinkCall", "What an agent, or a relay for several, sends to the master.", calls)
    return schemas


def event_parts(cls: type[msgspec.Struct], types: object) -> dict[str, list[str]]:
    """The sub-message that each type of event has."""
    return {one: [sub] for one, sub in sub_messages(cls, get_args(types), optional=()).items()}


def components(types: list[Any], prefixes: Mapping[str, str] | None = None) -> Document:
    """The component schemas of everything ``types`` are made of; classes of a module in ``prefixes`` get its prefix."""
    _, found = msgspec.json.schema_components(types, ref_template=_REF + "{name}")
    classes = _classes(types)
    names = {cls.__name__: _name(cls, prefixes or {}) for cls in classes}
    if len(set(names.values())) != len(classes):
        raise ValueError("Two classes of one endpoint would have the same component name.")
    # The title is the name: generators call a model by its title, and two of one title would be one too many.
    return {
        names[cls.__name__]: {**tidied(_with_defaults(cls, found[cls.__name__]), names), "title": names[cls.__name__]}
        for cls in sorted(classes, key=lambda one: names[one.__name__])
    }


def _name(cls: type[msgspec.Struct], prefixes: Mapping[str, str]) -> str:
    prefix = prefixes.get(cls.__module__, "")
    return cls.__name__ if cls.__name__.startswith(prefix) else prefix + cls.__name__


def _classes(types: Iterable[Any]) -> set[type[msgspec.Struct]]:
    """Every struct that can be reached."""
    found: set[type[msgspec.Struct]] = set()
    waiting = list(inspect.multi_type_info(types))
    while waiting:
        match waiting.pop():
            case inspect.StructType() as struct if struct.cls not in found:
                found.add(struct.cls)
                waiting += [field.type for field in struct.fields]
            case inspect.UnionType(types=choices):
                waiting += choices
            case inspect.VarTupleType(item_type=item):
                waiting.append(item)
            case inspect.DictType(value_type=value):
                waiting.append(value)
    return found


def _with_defaults(cls: type[msgspec.Struct], schema: Document) -> Document:
    """msgspec does not tell defaults that come from a factory; those are the ones Mesos prints."""
    for field in msgspec.structs.fields(cls):
        if field.default_factory is not msgspec.NODEFAULT and field.default_factory not in (dict, list):
            default = msgspec.to_builtins(field.default_factory())
            schema["properties"][field.encode_name]["default"] = default
    return schema


def tidied(value: Json, names: Mapping[str, str]) -> Json:
    """The schema with final component names, without ``null``, and with Markdown for reStructuredText."""
    if isinstance(value, list):
        return [tidied(one, names) for one in value]
    if not isinstance(value, dict):
        return value
    result: Document = {}
    for key, one in value.items():
        if key == "$ref":
            result[key] = _REF + names[one.removeprefix(_REF)]
        elif key == "mapping":
            result[key] = {tag: _REF + names[ref.removeprefix(_REF)] for tag, ref in one.items()}
        elif key == "description":
            result[key] = one.replace("``", "`")
        elif key == "properties":
            result[key] = {name: tidied(schema, names) for name, schema in one.items()}
        elif key in ("default", "required") and one in (None, [], (), {}):
            # What is unset is left out, and needs no saying.
            continue
        else:
            result[key] = tidied(one, names)
    choices = [one for one in result.get("anyOf", ()) if one != {"type": "null"}]
    if len(choices) == 1:
        del result["anyOf"]
        result = {**choices[0], **result}
    elif choices:
        result["anyOf"] = choices
    return result


def split_by_type(
    schemas: Document,
    cls: type[msgspec.Struct],
    types: object,
    required: Mapping[str, list[str]],
    prefix: str = "",
    had: Collection[str] | None = None,
) -> None:
    """Replace the one model of calls (or events) by one for each type, and a union that tells them apart.

    ``had`` are the types that there are to be models of; all by default.
    """
    name = prefix + cls.__name__
    whole = schemas.pop(name)
    parts = {one.lower() for one in get_args(types)}
    mapping: dict[str, str] = {}
    for one in get_args(types):
        if one == "UNKNOWN" or (had is not None and one not in had):
            continue
        single = prefix + "".join(word.capitalize() for word in one.split("_")) + cls.__name__
        if single in schemas:
            raise ValueError(f"Two different schemas are called '{single}'.")
        properties = {
            key: schema
            for key, schema in whole["properties"].items()
            if key != "type" and (key not in parts or key == one.lower())
        }
        schemas[single] = {
            "title": single,
            "type": "object",
            "properties": {"type": {"type": "string", "const": one}, **properties},
            "required": ["type", *required.get(one, [])],
        }
        mapping[one] = _REF + single
    schemas[name] = union(name, whole["description"], mapping)


def union(name: str, description: str, mapping: Mapping[str, str]) -> Document:
    """A component that is one of several, told apart by ``type``; ``mapping`` has a reference for each type."""
    return {
        "title": name,
        "description": description,
        "oneOf": [{"$ref": ref} for ref in mapping.values()],
        "discriminator": {"propertyName": "type", "mapping": dict(mapping)},
    }


# -- paths ---------------------------------------------------------------------------------------------------


def _operation(endpoint: Endpoint) -> Document:
    parameters = [_header("traceparent", "W3C trace context of the caller; the call's spans become its children.")]
    stream: Document = {
        "description": "SUBSCRIBE: the stream of events, held open.",
        "content": stream_of(endpoint.event),
    }
    if endpoint.stream_id:
        wanted = "The stream this call belongs to; on every call but SUBSCRIBE, which must not carry it."
        parameters.insert(0, _header("Mesos-Stream-Id", wanted))
        stream["headers"] = {
            "Mesos-Stream-Id": {"description": "Names this stream in later calls.", "schema": {"type": "string"}}
        }
    return {
        "operationId": endpoint.operation_id,
        "summary": endpoint.summary,
        "description": endpoint.description,
        "tags": [endpoint.tag],
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": _REF + endpoint.call}}},
        },
        "responses": {
            "200": stream,
            "202": {"description": "The call was taken; what comes of it arrives on the stream."},
            "400": refusal("The call cannot be understood or may not be made."),
            "403": refusal("The caller has no open stream."),
            "406": refusal("None of the encodings of the stream is acceptable."),
            "415": refusal("The body is of another content type."),
        },
    }


def _header(name: str, description: str) -> Document:
    return {"name": name, "in": "header", "required": False, "description": description, "schema": {"type": "string"}}


def refusal(description: str) -> Document:
    return {"description": description, "content": {"text/plain": {"schema": {"type": "string"}}}}


def stream_of(event: str) -> Document:
    """``content`` of an answer that is a stream of the component ``event``, in each encoding, by content type."""
    item = {"$ref": _REF + event}
    sent_event = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "data": {"type": "string", "contentMediaType": "application/json", "contentSchema": item},
        },
        "required": ["data"],
    }
    return {
        Encoding.RECORDIO.content_type: {"schema": item},
        Encoding.JSON_LINES.content_type: {"schema": item, "itemSchema": item},
        Encoding.SERVER_SENT_EVENTS.content_type: {"schema": item, "itemSchema": sent_event},
    }


def _without_item_schema(value: Json) -> Json:
    """The document without ``itemSchema``; where it was all a stream had, it becomes the ``schema``."""
    if isinstance(value, list):
        return [_without_item_schema(one) for one in value]
    if not isinstance(value, dict):
        return value
    result = {key: _without_item_schema(one) for key, one in value.items() if key != "itemSchema"}
    if "itemSchema" in value:
        result.setdefault("schema", _without_item_schema(value["itemSchema"]))
    return result


_FRAMING: Final = (
    " By `Accept` the stream is RecordIO (`application/json`: each record is its length in bytes, a newline, and the"
    " JSON), JSON Lines or server-sent events. Schedulers and executors may speak protobuf too, in calls and on the"
    " stream (`application/x-protobuf`), with the numbers of Mesos' .proto files."
)

SCHEDULER: Final = Endpoint(
    path="/api/v1/scheduler",
    operation_id="scheduler_call",
    tag="scheduler",
    summary="Calls of a framework's scheduler",
    description="SUBSCRIBE opens the stream of events; every other call is answered at once." + _FRAMING,
    schemas=_scheduler_schemas,
    call="Call",
    event="Event",
    stream_id=True,
)
EXECUTOR: Final = Endpoint(
    path="/api/v1/executor",
    operation_id="executor_call",
    tag="executor",
    summary="Calls of an executor to its agent",
    description="SUBSCRIBE opens the stream of events; every other call is answered at once." + _FRAMING,
    schemas=_executor_schemas,
    call="ExecutorCall",
    event="ExecutorEvent",
)
AGENT_LINK: Final = Endpoint(
    path="/api/v1/agent",
    operation_id="agent_link_call",
    tag="agent",
    summary="The link between agents and their master",
    description="SUBSCRIBE opens the downlink; MESSAGES carry what agents have to say, several agents to a link."
    + _FRAMING,
    schemas=_link_schemas,
    call="LinkCall",
    event="LinkDownlinkBatch",
)
ENDPOINTS: Final = (SCHEDULER, EXECUTOR, AGENT_LINK)
