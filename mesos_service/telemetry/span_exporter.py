"""Exports spans with exactly the identifiers the core drew, through the OpenTelemetry SDK (OTLP over HTTP).

A tracer would draw identifiers of its own, so finished spans are made here and given to the SDK's batch processor
directly. The queue in front of the exporter is bounded: when a collector is slow or away, spans are lost and counted,
and the service is not held up. Budget: 40 us of one core for each span, all in.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace import export as sdk
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from mesos_service.core.effects import Span
from mesos_service.core.trace import TraceParent
from mesos_service.domain.errors import ConfigurationError

QUEUE_SPANS_MAX = 65_536
"""The SDK's default is 2,048, which a single pass over a large cluster fills; ``OTEL_BSP_MAX_QUEUE_SIZE`` overrides."""

BATCH_SPANS_MAX = 2_048

SHUTDOWN_SECONDS = 3.0

_OK = Status(StatusCode.UNSET)


class _Counting(sdk.SpanExporter):
    """Knows how many spans have left the queue, and how many of them a collector took."""

    def __init__(self, exporters: Sequence[sdk.SpanExporter]) -> None:
        self._exporters = exporters
        self.taken = 0
        self.exported = 0
        self.failed = 0

    def export(self, spans: Sequence[ReadableSpan]) -> sdk.SpanExportResult:
        self.taken += len(spans)
        results = [exporter.export(spans) for exporter in self._exporters]
        if all(result is sdk.SpanExportResult.SUCCESS for result in results):
            self.exported += len(spans)
            return sdk.SpanExportResult.SUCCESS
        self.failed += len(spans)
        return sdk.SpanExportResult.FAILURE

    def shutdown(self) -> None:
        for exporter in self._exporters:
            exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return all(exporter.force_flush(timeout_millis) for exporter in self._exporters)


class SpanExporter:
    """The spans of one service. ``emit`` belongs to the loop's thread; exporting happens on a thread of its own.

    ``exporters`` replaces what the environment names, for tests.
    """

    def __init__(
        self,
        service: str,
        attributes: Mapping[str, str] | None = None,
        exporters: Sequence[sdk.SpanExporter] | None = None,
    ) -> None:
        own = {"service.name": service, **(attributes or {})}
        # The provider is never asked for a tracer: it is the SDK's public way to read its own environment variables.
        provider = TracerProvider(resource=Resource.create(_unsaid(own)), shutdown_on_exit=False)
        self._resource = provider.resource
        self._sampler: Sampler | None = None if provider.sampler is ALWAYS_ON else provider.sampler
        self._scope = InstrumentationScope("mesos_service")
        self._queue_spans_max = _number("OTEL_BSP_MAX_QUEUE_SIZE", QUEUE_SPANS_MAX)
        batch = min(_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", BATCH_SPANS_MAX), self._queue_spans_max)
        self._exporter = _Counting(_from_environment() if exporters is None else exporters)
        self._processor = sdk.BatchSpanProcessor(
            self._exporter, max_queue_size=self._queue_spans_max, max_export_batch_size=batch
        )
        self._emitted = 0
        self._dropped = 0
        self._closed = False

    def emit(self, span: Span) -> None:
        """Queue one span unless its trace is not sampled (``OTEL_TRACES_SAMPLER``) or the queue is full."""
        trace_id, span_id, flags = _parts(span.trace)
        if not flags & TraceFlags.SAMPLED:
            return
        if self._sampler is not None and not self._sampled(trace_id, span.name):
            return
        # What the exporter has not taken is in the SDK's queue, which would throw out the oldest without telling us.
        if self._closed or self._emitted - self._exporter.taken >= self._queue_spans_max:
            self._dropped += 1
            return
        self._emitted += 1
        self._processor.on_end(
            ReadableSpan(
                name=span.name,
                context=SpanContext(trace_id, span_id, is_remote=False, trace_flags=TraceFlags(flags)),
                parent=_context(span.parent),
                resource=self._resource,
                attributes=dict(span.attributes),
                links=() if (link := _context(span.link)) is None else (Link(link),),
                kind=SpanKind.INTERNAL,
                status=_OK if span.error is None else Status(StatusCode.ERROR, span.error),
                start_time=_nanoseconds(span.start),
                end_time=_nanoseconds(span.end),
                instrumentation_scope=self._scope,
            )
        )

    def _sampled(self, trace_id: int, name: str) -> bool:
        # Without a parent a sampler decides by the trace id: all spans of a trace, in every process, alike.
        assert self._sampler is not None
        return self._sampler.should_sample(None, trace_id, name).decision is Decision.RECORD_AND_SAMPLE

    def flush(self) -> bool:
        """Export what is queued; blocks, hence for tests and for the end."""
        return self._processor.force_flush()

    def shutdown(self, timeout_seconds: float = SHUTDOWN_SECONDS) -> None:
        """Export what is queued and end; blocks for ``timeout_seconds`` at most, as far as the exporter lets it.

        The SDK would wait half a minute for a collector that is away. Shutting its exporter down from the side ends
        the retries.
        """
        if self._closed:
            return
        self._closed = True
        impatience = threading.Timer(timeout_seconds, self._exporter.shutdown)
        impatience.daemon = True
        impatience.start()
        try:
            self._processor.shutdown()  # type: ignore[no-untyped-call]  # The SDK (1.45) left it unannotated.
        finally:
            impatience.cancel()

    def counts(self) -> Mapping[str, int]:
        """Spans exported, refused by a collector, and dropped for want of room; all since the start."""
        return {
            "telemetry/spans_exported": self._exporter.exported,
            "telemetry/spans_failed": self._exporter.failed,
            "telemetry/spans_dropped": self._dropped,
        }


def _parts(trace: TraceParent) -> tuple[int, int, int]:
    return int(trace[3:35], 16), int(trace[36:52], 16), int(trace[53:55], 16)


def _context(trace: TraceParent | None) -> SpanContext | None:
    if trace is None:
        return None
    trace_id, span_id, flags = _parts(trace)
    return SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))


def _unsaid(attributes: Mapping[str, str]) -> dict[str, str]:
    """Those that the environment says nothing of: what it says wins."""
    said = {pair.partition("=")[0].strip() for pair in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")}
    if os.environ.get("OTEL_SERVICE_NAME"):
        said.add("service.name")
    return {name: value for name, value in attributes.items() if name not in said}


def _nanoseconds(seconds: float) -> int:
    # A double holds today's unix time to a quarter of a microsecond; what is finer would be noise.
    return round(seconds * 1e6) * 1000


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    if not text.isdecimal() or int(text) == 0:
        raise ConfigurationError(f"{variable} must be a positive whole number, not '{text}'")
    return int(text)


def _from_environment() -> list[sdk.SpanExporter]:
    names = [name.strip() for name in os.environ.get("OTEL_TRACES_EXPORTER", "").split(",") if name.strip()] or ["otlp"]
    return [_exporter(name) for name in names]


def _exporter(name: str) -> sdk.SpanExporter:
    if name == "otlp":
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        if protocol not in (None, "", "http/protobuf"):
            raise ConfigurationError(f"spans are exported by http/protobuf only; unset the OTLP protocol '{protocol}'")
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    if name == "console":
        return sdk.ConsoleSpanExporter()
    raise ConfigurationError(f"OTEL_TRACES_EXPORTER: there is no exporter '{name}'; use otlp, console or none")
