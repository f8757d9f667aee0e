"""Trace contexts as values: the W3C ``traceparent`` text, made from the random source that is handed in (N03).

The core draws the identifiers and names the spans; only an adapter knows OpenTelemetry. While tracing is off every
context is ``None`` and nothing is drawn.
"""

from __future__ import annotations

from typing import NewType

from mesos_service.domain.randomness import RandomSource

TraceParent = NewType("TraceParent", str)


def start_trace(random: RandomSource) -> TraceParent:
    """A new sampled trace and its root span."""
    return TraceParent(f"00-{random.getrandbits(128) | 1:032x}-{random.getrandbits(64) | 1:016x}-01")


def child_of(parent: TraceParent | None, random: RandomSource) -> TraceParent | None:
    """A new span in ``parent``'s trace; ``None`` stays ``None``."""
    if parent is None:
        return None
    version, trace_id, _, flags = parent.split("-")
    return TraceParent(f"{version}-{trace_id}-{random.getrandbits(64) | 1:016x}-{flags}")
