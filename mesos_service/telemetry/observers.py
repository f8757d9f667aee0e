"""Who is told a core's facts and spans: the counters, the log, and the traces."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from mesos_service.core.effects import Note, Span
from mesos_service.telemetry.logs import log_note
from mesos_service.telemetry.traces import SpanSink


class Counters(Protocol):
    """The part of a service's metrics that counts facts."""

    def note(self, note: Note) -> None: ...


class Observers:
    """Counts each fact, logs those that operators want, and hands spans on while tracing is on.

    ``who`` tells apart the services that share a process and a log; ``told`` is told each fact, after the others.
    """

    def __init__(
        self,
        who: str,
        counters: Counters,
        spans: SpanSink | None,
        told: Callable[[Note], object] | None = None,
    ) -> None:
        self._logger = logging.getLogger(f"mesos_service.facts.{who}")
        self._counters = counters
        self._spans = spans
        self._told = told

    def note(self, note: Note, stimulus: str) -> None:
        """``stimulus`` names the message that set it off; every fact it caused repeats it in the log."""
        self._counters.note(note)
        log_note(self._logger, note, stimulus)
        if self._told is not None:
            self._told(note)

    def span(self, span: Span) -> None:
        if self._spans is not None:
            self._spans.emit(span)
