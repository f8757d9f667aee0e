"""Whether spans are wanted, and the contexts they hang from (N03; OpenTelemetry variables; W3C Trace Context).

This module costs nothing while tracing is off: nothing of OpenTelemetry is imported before :func:`open_exporter` finds
that somebody asked for it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Protocol

from mesos_service.core.effects import Span
from mesos_service.core.trace import TraceParent

SAMPLED = 0x01
"""The one flag that Trace Context level 1 defines; the other bits are kept for those who know them."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")


class SpanSink(Protocol):
    """Where spans go."""

    def emit(self, span: Span) -> None:
        """Take one finished span; never waits and never raises for anything a collector does."""

    def shutdown(self, timeout_seconds: float = ...) -> None:
        """Hand over what is still queued, but wait no longer than ``timeout_seconds``."""

    def counts(self) -> Mapping[str, int]:
        """Spans by what became of them, by metric name."""


def tracing_enabled(environment: Mapping[str, str] | None = None) -> bool:
    """Whether the environment asks for spans; to be read once, at the start of a service.

    ``OTEL_TRACES_EXPORTER`` names an exporter, or one of ``OTEL_EXPORTER_OTLP_ENDPOINT`` and
    ``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` says where a collector is. ``OTEL_TRACES_EXPORTER=none`` and
    ``OTEL_SDK_DISABLED=true`` win over an endpoint. Unlike in the specification, nothing set means off.
    """
    env = os.environ if environment is None else environment
    if env.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    exporters = env.get("OTEL_TRACES_EXPORTER", "").strip()
    if exporters:
        return exporters != "none"
    return bool(env.get("OTEL_EXPORTER_OTLP_ENDPOINT") or env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))


def open_exporter(service: str, host: str, port: int) -> SpanSink | None:
    """An exporter for one service's spans as the environment asks for it, or ``None`` while tracing is off.

    ``service`` becomes ``service.name`` unless ``OTEL_SERVICE_NAME`` says otherwise, ``host`` becomes ``host.name`` and
    with ``port`` ``service.instance.id``, unless ``OTEL_RESOURCE_ATTRIBUTES`` does.

    Raises:
        ConfigurationError: the environment names an exporter that there is not.
    """
    if not tracing_enabled():
        return None
    # Imported here so that a service without tracing never loads the SDK (some 60 modules).
    from mesos_service.telemetry.span_exporter import SpanExporter

    return SpanExporter(service, {"host.name": host, "service.instance.id": f"{host}:{port}"})


def parse_traceparent(header: str | None) -> TraceParent | None:
    """The context in a ``traceparent`` header; ``None`` where there is none or it is malformed (W3C Trace Context 3.2).

    A version later than ours is read by its first four fields. All-zero ids and version ``ff`` are invalid. A context
    whose sampled bit is off is a context still: it is passed on and its spans are not exported.
    """
    if not header:
        return None
    found = _TRACEPARENT.fullmatch(header.strip())
    if found is None:
        return None
    version, trace_id, span_id, flags, rest = found.groups()
    if version == "ff" or (version == "00" and rest) or not int(trace_id, 16) or not int(span_id, 16):
        return None
    return TraceParent(f"00-{trace_id}-{span_id}-{flags}")


def is_sampled(trace: TraceParent) -> bool:
    """Whether the sampled bit is set, whatever the other flags are."""
    return bool(int(trace[53:55], 16) & SAMPLED)
