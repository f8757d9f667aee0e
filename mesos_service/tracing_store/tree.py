"""The spans of a trace as a tree, and what their times say of their hosts' clocks. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from mesos_service.tracing_store.answers import StoredSpan

STORE: Final = ""
"""In a ``Skew``: the clock of the store itself."""
TOLERANCE_NANOSECONDS: Final = 1_000_000
"""Clocks of one cluster that differ by less are as good as they get."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A span and how far from its root it hangs. ``orphan``: its parent is not among the spans."""

    span: StoredSpan
    depth: int
    orphan: bool = False


@dataclass(frozen=True, slots=True)
class Skew:
    """The clock of ``host`` is ahead of that of ``other`` by ``nanoseconds`` at least."""

    host: str
    other: str
    nanoseconds: int


def branches(spans: Sequence[StoredSpan]) -> list[Branch]:
    """Every span once, parents before their children, children in the order of their starts.

    A span whose parent is missing is a root; so is one of each circle, which only a broken program draws.
    """
    by_id = {span.span_id: span for span in spans}
    ordered = sorted(spans, key=_start)
    children: dict[str, list[StoredSpan]] = {}
    roots: list[StoredSpan] = []
    for span in ordered:
        if span.parent_span_id in by_id and span.parent_span_id != span.span_id:
            children.setdefault(span.parent_span_id or "", []).append(span)
        else:
            roots.append(span)
    seen: set[str] = set()
    found: list[Branch] = []
    for root in (*roots, *ordered):  # After the roots, who was not reached stands in a circle.
        if root.span_id not in seen:
            found.extend(_below(root, children, seen, by_id))
    return found


def _below(
    root: StoredSpan, children: Mapping[str, Sequence[StoredSpan]], seen: set[str], by_id: Mapping[str, StoredSpan]
) -> Iterator[Branch]:
    # Not by recursion: a trace may be deeper than Python's stack.
    waiting = [(root, 0)]
    while waiting:
        span, depth = waiting.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        yield Branch(span, depth, span.parent_span_id is not None and span.parent_span_id not in by_id)
        waiting.extend((child, depth + 1) for child in reversed(children.get(span.span_id, ())))


def skews(spans: Sequence[StoredSpan]) -> list[Skew]:
    """Clocks that cannot both be right, the worst first.

    What one host did upon another's word cannot have begun before it: a child that starts before its parent on another
    host shows that the parent's clock is ahead, by that much at least. Nor can a span end after it was received.
    """
    by_id = {span.span_id: span for span in spans}
    worst: dict[tuple[str, str], int] = {}
    for ahead, behind, nanoseconds in _contradictions(spans, by_id):
        if nanoseconds > max(TOLERANCE_NANOSECONDS, worst.get((ahead, behind), 0)):
            worst[ahead, behind] = nanoseconds
    return sorted((Skew(*hosts, by) for hosts, by in worst.items()), key=lambda skew: -skew.nanoseconds)


def _contradictions(spans: Iterable[StoredSpan], by_id: Mapping[str, StoredSpan]) -> Iterator[tuple[str, str, int]]:
    for span in spans:
        parent = by_id.get(span.parent_span_id or "")
        if parent is not None and parent.host != span.host and parent.host and span.host:
            yield parent.host, span.host, _start(parent) - _start(span)
        if span.host:
            yield span.host, STORE, int(span.end_unix_nano) - round(span.received_at * 1e9)


def _start(span: StoredSpan) -> int:
    return int(span.start_unix_nano)
