"""Reading OTLP/HTTP bodies: protobuf, and JSON as OTLP has it (identifiers in hexadecimal, whole numbers as text).

Source: the OpenTelemetry protocol specification, "OTLP/HTTP", and its ``trace.proto``. A body that cannot be read is
refused as a whole; a single span that cannot be kept is counted, and the others are taken ("partial success").
"""

from __future__ import annotations

import math
import zlib
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from mesos_service.tracing_store.otlp_json import Export, Value, Variable
from mesos_service.tracing_store.records import (
    NANOSECONDS_MAX,
    SUBJECTS,
    MalformedTraces,
    ReceivedSpan,
    ReceivedSpans,
    Source,
)

DEPTH_MAX: Final = 16
"""Of lists and maps within an attribute."""
SUBJECT_CHARACTERS_MAX: Final = 512
_GZIP: Final = 16 + zlib.MAX_WBITS
_NOBODY: Final = bytes(16)

_encode: Final = msgspec.json.Encoder().encode

Attributes = dict[str, Any]
"""Any: whatever a program said of its span, as JSON has it."""


def decompress(body: bytes, limit: int) -> bytes:
    """A gzip body, whole.

    Raises:
        MalformedTraces: it is none, or is cut off.
        OverflowError: it is larger than ``limit`` bytes, however small it was when it came.
    """
    decompressor = zlib.decompressobj(_GZIP)
    try:
        plain = decompressor.decompress(body, limit + 1)
    except zlib.error as error:
        raise MalformedTraces(f"the body is not gzip: {error}") from error
    if len(plain) > limit:
        raise OverflowError
    if not decompressor.eof:
        raise MalformedTraces("the gzip body is cut off")
    return plain


def read_protobuf(body: bytes) -> ReceivedSpans:
    """An ``ExportTraceServiceRequest``. Raises ``MalformedTraces``."""
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError as error:
        raise MalformedTraces("the body is no ExportTraceServiceRequest in protobuf") from error
    collected = _Collected()
    for one in request.resource_spans:
        source = collected.source(_attributes(one.resource.attributes))
        for scope in one.scope_spans:
            for span in scope.spans:
                attributes = _attributes(span.attributes)
                collected.add(
                    source,
                    span.trace_id,
                    span.span_id,
                    span.parent_span_id,
                    span.name,
                    span.kind,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code,
                    span.status.message,
                    attributes,
                    [_event(event.name, event.time_unix_nano, _attributes(event.attributes)) for event in span.events],
                    [_link(link.trace_id, link.span_id, _attributes(link.attributes)) for link in span.links],
                )
    return collected.result()


def read_json(body: bytes) -> ReceivedSpans:
    """The same in JSON. Raises ``MalformedTraces``."""
    try:
        # OTLP writes 64-bit numbers as text, some programs as numbers; strict=False takes both.
        request = msgspec.json.decode(body, type=Export, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:  # ValidationError is one of the first.
        raise MalformedTraces(f"the body is no export of traces in JSON: {error}") from error
    except RecursionError as error:
        raise MalformedTraces("the body is nested too deeply") from error
    collected = _Collected()
    for one in request.resource_spans:
        source = collected.source(_json_attributes(one.resource.attributes))
        for scope in one.scope_spans:
            for span in scope.spans:
                collected.add(
                    source,
                    _identifier(span.trace_id, "traceId"),
                    _identifier(span.span_id, "spanId"),
                    _identifier(span.parent_span_id, "parentSpanId"),
                    span.name,
                    span.kind,
                    span.start,
                    span.end,
                    span.status.code,
                    span.status.message,
                    _json_attributes(span.attributes),
                    [_event(event.name, event.time, _json_attributes(event.attributes)) for event in span.events],
                    [
                        _link(
                            _identifier(link.trace_id, "traceId"),
                            _identifier(link.span_id, "spanId"),
                            _json_attributes(link.attributes),
                        )
                        for link in span.links
                    ],
                )
    return collected.result()


class _Collected:
    """Spans that were found good, and how many were not."""

    def __init__(self) -> None:
        self._sources: list[Source] = []
        self._spans: list[ReceivedSpan] = []
        self._rejected = 0
        self._reason = ""

    def source(self, attributes: Attributes) -> int:
        """Remember who the next spans are of."""
        service, host = str(attributes.get("service.name", "")), str(attributes.get("host.name", ""))
        instance = str(attributes.get("service.instance.id", ""))
        self._sources.append(Source(service, host, instance, _text(attributes)))
        return len(self._sources) - 1

    def add(
        self,
        source: int,
        trace_id: bytes,
        span_id: bytes,
        parent_id: bytes,
        name: str,
        kind: int,
        start: int,
        end: int,
        status: int,
        message: str,
        attributes: Attributes,
        events: list[Attributes],
        links: list[Attributes],
    ) -> None:
        """Keep a span, or count it as rejected."""
        refusal = _refuse(trace_id, span_id, parent_id, start, end)
        if refusal:
            self._rejected += 1
            self._reason = self._reason or f"span '{name[:100]}': {refusal}"
            return
        subjects = [
            (kind_of, value)
            for kind_of in SUBJECTS
            if isinstance(value := attributes.get(kind_of), str) and 0 < len(value) <= SUBJECT_CHARACTERS_MAX
        ]
        self._spans.append(
            ReceivedSpan(
                source,
                trace_id,
                span_id,
                parent_id if any(parent_id) else None,
                name,
                kind,
                start,
                end,
                status,
                message,
                _text(attributes),
                _text(events) if events else "",
                _text(links) if links else "",
                subjects,
            )
        )

    def result(self) -> ReceivedSpans:
        return ReceivedSpans(self._sources, self._spans, self._rejected, self._reason)


def _refuse(trace_id: bytes, span_id: bytes, parent_id: bytes, start: int, end: int) -> str:
    if len(trace_id) != 16 or trace_id == _NOBODY:
        return "its trace id is not 16 bytes that are not all zero"
    if len(span_id) != 8 or not any(span_id):
        return "its span id is not 8 bytes that are not all zero"
    if len(parent_id) not in (0, 8):
        return "its parent's id is not 8 bytes"
    if not (0 < start <= NANOSECONDS_MAX and 0 < end <= NANOSECONDS_MAX):
        return "its start or its end is no time"
    # One that ends before it starts is kept: a clock was set back in between, and the waterfall says so.
    return ""


def _text(value: object) -> str:
    return _encode(value).decode()


def _event(name: str, time: int, attributes: Attributes) -> Attributes:
    return {"name": name, "time_unix_nano": str(time), "attributes": attributes}


def _link(trace_id: bytes, span_id: bytes, attributes: Attributes) -> Attributes:
    return {"trace_id": trace_id.hex(), "span_id": span_id.hex(), "attributes": attributes}


def _attributes(pairs: Iterable[KeyValue]) -> Attributes:
    return {pair.key: _value(pair.value, 0) for pair in pairs}


def _value(value: AnyValue, depth: int) -> object:
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "bytes_value":
            return b64encode(value.bytes_value).decode()
        case "double_value":
            return _finite(value.double_value)
        case "array_value":
            _refuse_depth(depth)
            return [_value(one, depth + 1) for one in value.array_value.values]
        case "kvlist_value":
            _refuse_depth(depth)
            return {pair.key: _value(pair.value, depth + 1) for pair in value.kvlist_value.values}
        case _:
            plain: object = getattr(value, kind)
            return plain


def _json_attributes(pairs: Iterable[Variable]) -> Attributes:
    return {pair.key: _json_value(pair.value, 0) for pair in pairs}


def _json_value(value: Value, depth: int) -> object:
    if value.array_value is not None:
        _refuse_depth(depth)
        return [_json_value(one, depth + 1) for one in value.array_value.values]
    if value.map_value is not None:
        _refuse_depth(depth)
        return {pair.key: _json_value(pair.value, depth + 1) for pair in value.map_value.values}
    if value.double_value is not None:
        return _finite(float(value.double_value))
    for plain in (value.string_value, value.bool_value, value.int_value, value.bytes_value):
        if plain is not None:
            return plain
    return None


def _finite(number: float) -> object:
    # JSON has no word for the others.
    return number if math.isfinite(number) else str(number)


def _refuse_depth(depth: int) -> None:
    if depth >= DEPTH_MAX:
        raise MalformedTraces(f"an attribute holds lists or maps nested more than {DEPTH_MAX} deep")


def _identifier(text: str, field: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise MalformedTraces(f"{field} is not hexadecimal: '{text[:40]}'") from error
