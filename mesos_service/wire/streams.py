"""The three encodings of one stream, chosen by the Accept header: RecordIO, JSON Lines, server-sent events (N05).

RecordIO goes by the name of ``application/json``, as in Mesos. The other two are ours: lines for command lines, and
server-sent events for browsers. The records are the same JSON in all three.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from mesos_service.wire.recordio import record

Framer = Callable[[bytes], bytes]
"""Turns the JSON of one event into the bytes of one record; one framer serves one stream."""


class Encoding(Enum):
    """An encoding of a stream; the value is its content type."""

    RECORDIO = "application/json"
    JSON_LINES = "application/jsonl"
    SERVER_SENT_EVENTS = "text/event-stream"

    @property
    def content_type(self) -> str:
        return self.value

    def framer(self) -> Framer:
        """A framer for a new stream. Payloads are JSON on one line, as ``encode`` writes it."""
        match self:
            case Encoding.RECORDIO:
                return record
            case Encoding.JSON_LINES:
                return _line
            case Encoding.SERVER_SENT_EVENTS:
                return _ServerSentEvents()


def _line(payload: bytes) -> bytes:
    return payload + b"\n"


class _ServerSentEvents:
    """Numbers the events of a stream from 1, so that a browser can say which one it saw last."""

    __slots__ = ("_id",)

    def __init__(self) -> None:
        self._id = 0

    def __call__(self, payload: bytes) -> bytes:
        self._id += 1
        return b"id: %d\ndata: %b\n\n" % (self._id, payload)


_ANYTHING: Final = ("application/*", "*/*")


def negotiate(accept: str | None) -> Encoding | None:
    """The encoding for an Accept header (``None`` where absent), or ``None`` where the answer is 406.

    As Mesos reads it: no header means JSON, wildcards that cover ``application/json`` mean JSON, a type whose ``q``
    is zero or malformed is not wanted, and a specific word outdoes a wildcard. An encoding of ours must be named;
    of several that are named the one with the greatest ``q`` is taken, and JSON among equals.
    """
    if accept is None:
        return Encoding.RECORDIO
    wanted: dict[str, float] = {}
    for name, quality in _ranges(accept):
        # Mesos looks at the first mention only.
        wanted.setdefault(name, quality)
    named = [one for one in Encoding if wanted.get(one.content_type, 0.0) > 0.0]
    if named:
        return max(named, key=lambda one: wanted[one.content_type])
    if Encoding.RECORDIO.content_type in wanted:
        return None
    for wildcard in _ANYTHING:
        if wildcard in wanted:
            return Encoding.RECORDIO if wanted[wildcard] > 0.0 else None
    return None


def accepts_json(accept: str | None) -> bool:
    """Whether a plain JSON answer is acceptable, which is all that calls without a stream have to offer."""
    encoding = negotiate(accept)
    if encoding is None or encoding is Encoding.RECORDIO:
        return encoding is Encoding.RECORDIO
    return any(name in (Encoding.RECORDIO.content_type, *_ANYTHING) and q > 0.0 for name, q in _ranges(accept or ""))


def _ranges(accept: str) -> Iterator[tuple[str, float]]:
    """The media ranges of an Accept header, in lower case, with their quality."""
    for one in accept.replace(" ", "").replace("\t", "").split(","):
        name, _, parameters = one.partition(";")
        if not name:
            continue
        qualities = [value for key, _, value in (part.partition("=") for part in parameters.split(";")) if key == "q"]
        yield name.lower(), _quality(qualities[0]) if len(qualities) == 1 else 1.0


def _quality(text: str) -> float:
    """Zero where it is no number: Mesos then does not take the type."""
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    # NaN is not greater than zero either.
    return quality if quality > 0.0 else 0.0
