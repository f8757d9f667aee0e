"""What the store answers to reads, as JSON; the same shapes are read by ``mesos-service trace``.

Moments are nanoseconds since 1970 as text, as in OTLP's JSON: not every reader of JSON can hold them as numbers.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Status = Literal["unset", "ok", "error"]
STATUSES: tuple[Status, ...] = ("unset", "ok", "error")
Attributes = dict[str, Any]
"""Any: whatever a program said of its span."""


class StoredSpan(msgspec.Struct, frozen=True, kw_only=True):
    """One span. ``received_at`` is by the store's clock, in unix seconds; the other times by that of the host."""

    span_id: str
    parent_span_id: str | None = None
    name: str
    kind: int = 0
    service: str = ""
    host: str = ""
    instance: str = ""
    start_unix_nano: str
    end_unix_nano: str
    status: Status = "unset"
    status_message: str = ""
    attributes: Attributes = {}
    events: list[Attributes] = []
    links: list[Attributes] = []
    received_at: float = 0.0


class StoredTrace(msgspec.Struct, frozen=True, kw_only=True):
    """A whole trace, its spans in the order of their starts. ``truncated``: there are more than are shown."""

    trace_id: str
    spans: list[StoredSpan]
    truncated: bool = False


class TraceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A trace in one line. ``root`` is the name of the span that all others hang from, if it has come."""

    trace_id: str
    root: str = ""
    start_unix_nano: str
    duration_seconds: float
    """From the first start to the last end; or of the span that was asked for by name."""
    spans: int
    """How many came; the first of them may have been forgotten."""
    errors: int


class TraceList(msgspec.Struct, frozen=True, kw_only=True):
    """Traces that were looked for."""

    traces: list[TraceSummary]
