"""Who is told the agent's facts and spans: counters, the log, and the traces."""

from __future__ import annotations

from mesos_service.core.effects import Note, Span
from mesos_service.telemetry.logs import log_note
from mesos_service.telemetry.metrics import AgentMetrics
from mesos_service.telemetry.traces import SpanSink


class AgentObservers:
    """Counts each fact, logs those that operators want, and hands spans on while tracing is on."""

    def __init__(self, metrics: AgentMetrics, spans: SpanSink | None) -> None:
        self._metrics = metrics
        self._spans = spans

    def note(self, note: Note) -> None:
        self._metrics.note(note)
        log_note(note)

    def span(self, span: Span) -> None:
        if self._spans is not None:
            self._spans.emit(span)
