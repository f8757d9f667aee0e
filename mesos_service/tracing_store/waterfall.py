"""A trace as lines of text: one for each span, with a bar where its time was. Pure; the width is the terminal's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from mesos_service.tracing_store.answers import StoredSpan, StoredTrace
from mesos_service.tracing_store.tree import STORE, Branch, Skew, branches, skews

BAR_MIN: Final = 12
"""Narrower bars say nothing, and are left out."""
BAR_MAX: Final = 60
NAME_MIN: Final = 16
HOST_MAX: Final = 24
GAP: Final = "  "
INDENT: Final = "  "
DEPTH_MAX: Final = 12
"""Deeper spans are indented no further."""
_EIGHTHS: Final = "▏▎▍▌▋▊▉█"


class _Cells(NamedTuple):
    host: str
    service: str
    name: str
    offset: str
    duration: str
    status: str


_HEAD: Final = _Cells("HOST", "SERVICE", "SPAN", "OFFSET", "DURATION", "STATUS")
_RIGHT: Final = frozenset({"offset", "duration"})


def waterfall(trace: StoredTrace, width: int, *, blocks: bool = True) -> Iterator[str]:
    """The lines, none of them wider than ``width`` characters unless that is too narrow for names and figures.

    Times are shown as the hosts' clocks had them: where two of them contradict each other, lines below say so.
    ``blocks`` draws bars with block characters, which not every terminal has.
    """
    ordered = branches(trace.spans)
    first = min(int(span.start_unix_nano) for span in trace.spans)
    last = max(int(span.end_unix_nano) for span in trace.spans)
    yield from _summary(trace, first, last)
    yield ""
    rows = [_cells(branch, first) for branch in ordered]
    widths = _widths(rows, width)
    # Room for bars is what is left; 3 for the gap and the frame.
    room = min(BAR_MAX, width - _taken(widths) - 3)
    yield _line(_HEAD, widths).rstrip()
    for branch, cells in zip(ordered, rows, strict=True):
        line = _line(cells, widths)
        if room >= BAR_MIN:
            line += " |" + _bar(branch.span, first, last, room, blocks=blocks) + "|"
        yield line.rstrip()
    yield from _remarks(trace, ordered)


def seconds_text(nanoseconds: int) -> str:
    """``850 us``, ``12.3 ms``, ``4.56 s``, ``7 min 5 s``, ``3 h 12 min``, with a sign where it is negative."""
    sign, amount = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    microseconds = round(amount / 1e3)
    if microseconds < 1_000:
        return f"{sign}{microseconds} us"
    if microseconds < 1_000_000:
        return f"{sign}{microseconds / 1e3:.1f} ms"
    if microseconds < 60_000_000:
        return f"{sign}{microseconds / 1e6:.2f} s"
    minutes, seconds = divmod(round(amount / 1e9), 60)
    if minutes < 60:
        return f"{sign}{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours} h {minutes} min"


def plain(text: str) -> str:
    """What a program calls itself must not be able to write to the terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _summary(trace: StoredTrace, first: int, last: int) -> Iterator[str]:
    hosts = sorted({span.host for span in trace.spans if span.host})
    errors = sum(span.status == "error" for span in trace.spans)
    began = datetime.fromtimestamp(first // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    counted = [_count(len(trace.spans), "span"), _count(len(hosts), "host"), _count(errors, "error")]
    yield f"trace {trace.trace_id}: {', '.join(counted)}, {seconds_text(last - first)} from {began} UTC"
    for name in ("offer_id", "framework_id", "task_id"):
        values = dict.fromkeys(plain(str(span.attributes[name])) for span in trace.spans if span.attributes.get(name))
        if values:
            yield f"{name}: {', '.join(list(values)[:5])}{' ...' if len(values) > 5 else ''}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _cells(branch: Branch, first: int) -> _Cells:
    span = branch.span
    start, end = int(span.start_unix_nano), int(span.end_unix_nano)
    status = span.status if span.status == "error" else _outcome(span)
    return _Cells(
        _cut(plain(span.host) or "-", HOST_MAX),
        _cut(plain(span.service) or "-", HOST_MAX),
        INDENT * min(branch.depth, DEPTH_MAX) + plain(span.name),
        "+" + seconds_text(start - first),
        seconds_text(end - start),
        _cut(plain(status), HOST_MAX),
    )


def _outcome(span: StoredSpan) -> str:
    """What came of it, in the words of its own attributes where it has them."""
    for name in ("outcome", "state"):
        value = span.attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return "ok"


def _widths(rows: Sequence[_Cells], width: int) -> list[int]:
    """Of each column; 0 for one that is left out. Names are cut before figures are."""
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    name, service = _HEAD.index("SPAN"), _HEAD.index("SERVICE")
    if _taken(widths) - widths[name] + min(NAME_MIN, widths[name]) > width:
        # Names of spans begin with what the service is.
        widths[service] = 0
    widths[name] = max(min(NAME_MIN, widths[name]), widths[name] - max(0, _taken(widths) - width))
    return widths


def _taken(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (sum(width > 0 for width in widths) - 1)


def _line(cells: _Cells, widths: Sequence[int]) -> str:
    return GAP.join(
        _cut(cell, width).rjust(width) if field in _RIGHT else _cut(cell, width).ljust(width)
        for field, cell, width in zip(_Cells._fields, cells, widths, strict=True)
        if width
    )


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "~"


def _bar(span: StoredSpan, first: int, last: int, room: int, *, blocks: bool) -> str:
    whole = max(1, last - first)
    start, end = int(span.start_unix_nano) - first, int(span.end_unix_nano) - first
    left = min(room - 1, start * room // whole)
    eighths = max(1, round(max(0, end - start) * room * 8 / whole))
    full, part = divmod(min(eighths, (room - left) * 8), 8)
    if not blocks:
        return (" " * left + "=" * max(1, full)).ljust(room)
    return (" " * left + _EIGHTHS[-1] * full + (_EIGHTHS[part - 1] if part else "")).ljust(room)


def _remarks(trace: StoredTrace, ordered: Sequence[Branch]) -> Iterator[str]:
    remarks = []
    for branch in ordered:
        if branch.span.status == "error":
            remarks.append(f"error in {branch.span.name} on {branch.span.host or '-'}: {branch.span.status_message}")
        if int(branch.span.end_unix_nano) < int(branch.span.start_unix_nano):
            remarks.append(
                f"{branch.span.name} on {branch.span.host or '-'} ended before it started: its clock was set"
            )
    orphans = sum(branch.orphan for branch in ordered)
    if orphans:
        remarks.append(f"the parents of {_count(orphans, 'span')} are not here: not sent yet, lost, or forgotten")
    if trace.truncated:
        remarks.append(f"there are more spans than these {len(trace.spans)}")
    remarks += map(_tell, skews(trace.spans))
    if remarks:
        yield ""
    yield from map(plain, remarks)


def _tell(skew: Skew) -> str:
    other = "the trace store" if skew.other == STORE else skew.other
    return (
        f"clocks differ: {skew.host} is ahead of {other} by {seconds_text(skew.nanoseconds)} or more;"
        " offsets are shown as the clocks had them"
    )
