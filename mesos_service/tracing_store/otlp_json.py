"""The shape of an export of traces in OTLP's JSON (``trace.proto``, with names in camel case). What is unknown is left
out, as the specification wants it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

UnsignedNumber = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
SmallNumber = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class Value(msgspec.Struct, frozen=True, gc=False):
    """``AnyValue``: the one field that is set."""

    string_value: str | None = msgspec.field(name="stringValue", default=None)
    bool_value: bool | None = msgspec.field(name="boolValue", default=None)
    int_value: int | None = msgspec.field(name="intValue", default=None)
    double_value: float | Literal["NaN", "Infinity", "-Infinity"] | None = msgspec.field(
        name="doubleValue", default=None
    )
    array_value: Values | None = msgspec.field(name="arrayValue", default=None)
    map_value: Variables | None = msgspec.field(name="kvlistValue", default=None)
    bytes_value: str | None = msgspec.field(name="bytesValue", default=None)
    """In Base64, which is how it is kept."""


class Values(msgspec.Struct, frozen=True):
    values: tuple[Value, ...] = ()


class Variable(msgspec.Struct, frozen=True):
    key: str = ""
    value: Value = Value()


class Variables(msgspec.Struct, frozen=True):
    values: tuple[Variable, ...] = ()


class Status(msgspec.Struct, frozen=True):
    code: SmallNumber = 0
    message: str = ""


class Event(msgspec.Struct, frozen=True):
    name: str = ""
    time: UnsignedNumber = msgspec.field(name="timeUnixNano", default=0)
    attributes: tuple[Variable, ...] = ()


class Link(msgspec.Struct, frozen=True):
    trace_id: str = msgspec.field(name="traceId", default="")
    span_id: str = msgspec.field(name="spanId", default="")
    attributes: tuple[Variable, ...] = ()


class Span(msgspec.Struct, frozen=True):
    trace_id: str = msgspec.field(name="traceId", default="")
    span_id: str = msgspec.field(name="spanId", default="")
    parent_span_id: str = msgspec.field(name="parentSpanId", default="")
    name: str = ""
    kind: SmallNumber = 0
    start: UnsignedNumber = msgspec.field(name="startTimeUnixNano", default=0)
    end: UnsignedNumber = msgspec.field(name="endTimeUnixNano", default=0)
    attributes: tuple[Variable, ...] = ()
    events: tuple[Event, ...] = ()
    links: tuple[Link, ...] = ()
    status: Status = Status()


class ScopeSpans(msgspec.Struct, frozen=True):
    spans: tuple[Span, ...] = ()


class Resource(msgspec.Struct, frozen=True):
    attributes: tuple[Variable, ...] = ()


class ResourceSpans(msgspec.Struct, frozen=True):
    resource: Resource = Resource()
    scope_spans: tuple[ScopeSpans, ...] = msgspec.field(name="scopeSpans", default=())


class Export(msgspec.Struct, frozen=True):
    """``ExportTraceServiceRequest``."""

    resource_spans: tuple[ResourceSpans, ...] = msgspec.field(name="resourceSpans", default=())
