"""Spans as the store takes them, and its refusals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

UNSET: Final = 0
ERROR: Final = 2
"""OTLP's ``Status.code``; 1 is "ok"."""

NANOSECONDS_MAX: Final = 2**63 - 1
"""What a column holds: the year 2262."""

SUBJECTS: Final = ("offer_id", "task_id")
"""Attributes by whose values a trace can be found again."""


class MalformedTraces(ValueError):
    """A body that is no export of traces; the text says where it is wrong."""


class Source(NamedTuple):
    """Who spans are of (OpenTelemetry: a resource)."""

    service: str
    host: str
    instance: str
    attributes: str
    """All of them, as JSON."""


class ReceivedSpan(NamedTuple):
    """One span. Times are nanoseconds since 1970 by the clock of its host."""

    source: int
    """Its place in ``ReceivedSpans.sources``."""
    trace_id: bytes
    span_id: bytes
    parent_id: bytes | None
    name: str
    kind: int
    start: int
    end: int
    status: int
    message: str
    attributes: str
    """As JSON, like the next two."""
    events: str
    links: str
    subjects: Sequence[tuple[str, str]]
    """Those of ``SUBJECTS`` that it names."""


@dataclass(frozen=True, slots=True)
class ReceivedSpans:
    """What one request brought. ``rejected`` spans were no good, and ``reason`` says why the first of them was."""

    sources: Sequence[Source]
    spans: Sequence[ReceivedSpan]
    rejected: int = 0
    reason: str = ""
