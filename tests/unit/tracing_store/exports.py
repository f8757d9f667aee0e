"""Exports of traces as programs send them, made by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECOND = 1_000_000_000
NOON = 1_795_262_400 * SECOND


def span(
    number: int,
    parent: int | None = None,
    *,
    name: str = "master.offer",
    trace: str = TRACE,
    start: int = NOON,
    took: int = SECOND,
    attributes: Mapping[str, str] | None = None,
    error: str | None = None,
) -> Span:
    """One span; ``number`` becomes its id, ``start`` and ``took`` are nanoseconds."""
    made = Span(
        trace_id=bytes.fromhex(trace),
        span_id=number.to_bytes(8, "big"),
        parent_span_id=b"" if parent is None else parent.to_bytes(8, "big"),
        name=name,
        start_time_unix_nano=start,
        end_time_unix_nano=start + took,
    )
    for key, value in (attributes or {}).items():
        made.attributes.add(key=key).value.string_value = value
    if error is not None:
        made.status.code, made.status.message = Status.STATUS_CODE_ERROR, error
    return made


def request(*of: tuple[str, str, Sequence[Span]]) -> ExportTraceServiceRequest:
    """Spans by the service and the host that they are of."""
    made = ExportTraceServiceRequest()
    for service, host, spans in of:
        one = made.resource_spans.add()
        for key, value in (("service.name", service), ("host.name", host), ("service.instance.id", f"{host}:1")):
            one.resource.attributes.add(key=key).value.string_value = value
        one.scope_spans.add().spans.extend(spans)
    return made


def body(*spans: Span, service: str = "mesos-master", host: str = "node1") -> bytes:
    """Spans of one service, as its exporter sends them."""
    sent: bytes = request((service, host, spans)).SerializeToString()
    return sent
