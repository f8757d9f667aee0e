"""Spans of a task's own, in the trace of the offer that it runs on (N03).

An agent that traces hands each task the variable ``TRACEPARENT`` (W3C Trace Context). Where the spans go is said by
OpenTelemetry's own variables, ``OTEL_EXPORTER_OTLP_ENDPOINT`` above all; while one of both is missing, nothing is
traced and nothing of OpenTelemetry's SDK is loaded.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Final

from opentelemetry import trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
IDENTIFIERS: Final = {
    "framework_id": "MESOS_FRAMEWORK_ID",
    "executor_id": "MESOS_EXECUTOR_ID",
    "agent_id": "MESOS_SLAVE_ID",
}
"""Attributes of the span, and the variables of the task that hold them."""
FLUSH_SECONDS: Final = 3.0


@contextlib.contextmanager
def task_span(
    name: str, attributes: Mapping[str, str | int | float | bool] | None = None, *, service: str = "task"
) -> Iterator[trace.Span]:
    """Let what is done within be a span: ``with task_span("render", {"frame": 7}): ...``.

    Spans that are begun inside by ``opentelemetry.trace`` with the tracer of the span that is yielded, or by another
    ``task_span``, hang from it. An exception makes it an error, and goes on. When the block ends the span is exported,
    for ``FLUSH_SECONDS`` at most; a collector that is away costs nothing else.
    """
    parent = os.environ.get("TRACEPARENT", "")
    inside = trace.get_current_span().get_span_context().is_valid
    if not (parent or inside) or not any(os.environ.get(one) for one in ENDPOINTS):
        yield trace.INVALID_SPAN
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=FLUSH_SECONDS)))
    carrier = {"traceparent": parent, "tracestate": os.environ.get("TRACESTATE", "")}
    context = None if inside else TraceContextTextMapPropagator().extract(carrier)
    told = {key: os.environ[variable] for key, variable in IDENTIFIERS.items() if variable in os.environ}
    try:
        tracer = provider.get_tracer("mesos_service.sdk")
        with tracer.start_as_current_span(name, context, attributes={**told, **(attributes or {})}) as span:
            yield span
    finally:
        provider.force_flush(round(FLUSH_SECONDS * 1000))
        provider.shutdown()
