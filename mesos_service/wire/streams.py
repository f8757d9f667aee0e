"""The encodings of one stream, chosen by the Accept header: RecordIO of JSON or of protobuf, JSON Lines, and
server-sent events (N05, M-PK-03).

RecordIO goes by the name of what its records are, as in Mesos. The last two are ours: lines for command lines, and
server-sent events for browsers. Their records are the same JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final

from mesos_service.wire.recordio import record

JSON: Final = "application/json"
PROTOBUF: Final = "application/x-protobuf"
RECORDS: Final = "application/recordio"
"""What an agent's streams may be called as well, the kind of their records then being said in a header of its own."""

Framer = Callable[[bytes], bytes]
"""Turns one encoded event into the bytes of one record; one framer serves one stream."""


class Encoding(Enum):
    """An encoding of a stream; the value is its content type."""

    RECORDIO = JSON
    RECORDIO_PROTOBUF = PROTOBUF
    JSON_LINES = "application/jsonl"
    SERVER_SENT_EVENTS = "text/event-stream"

    @property
    def content_type(self) -> str:
        return self.value

    @property
    def is_protobuf(self) -> bool:
        """Whether payloads are protobuf; they are JSON otherwise."""
        return self is Encoding.RECORDIO_PROTOBUF

    def framer(self) -> Framer:
        """A framer for a new stream. Payloads are JSON on one line, or protobuf, as ``encode`` writes them."""
        match self:
            case Encoding.RECORDIO | Encoding.RECORDIO_PROTOBUF:
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
_JSON_STREAMS: Final = tuple(one for one in Encoding if one is not Encoding.RECORDIO_PROTOBUF)


def negotiate(accept: str | None) -> Encoding | None:
    """The encoding for an Accept header (``None`` where absent), or ``None`` where the answer is 406.

    As Mesos reads it: no header means JSON, wildcards that cover ``application/json`` mean JSON, a type whose ``q``
    is zero or malformed is not wanted, a specific word outdoes a wildcard, and protobuf is taken where JSON cannot be.
    An encoding of ours must be named; of several that are named the one with the greatest ``q`` is taken, and JSON
    among equals.
    """
    if accept is None:
        return Encoding.RECORDIO
    wanted = _wanted(accept)
    named = [one for one in _JSON_STREAMS if wanted.get(one.content_type, 0.0) > 0.0]
    if named:
        return max(named, key=lambda one: wanted[one.content_type])
    for encoding in (Encoding.RECORDIO, Encoding.RECORDIO_PROTOBUF):
        if _accepts(wanted, encoding.content_type):
            return encoding
    return None


def negotiate_answer(accept: str | None) -> str | None:
    """The content type of an answer that is no stream, or ``None`` where it is 406: JSON, else protobuf."""
    if accept is None:
        return JSON
    wanted = _wanted(accept)
    return next((one for one in (JSON, PROTOBUF) if _accepts(wanted, one)), None)


def takes_records(accept: str | None) -> bool:
    """Whether an agent's stream goes out under the name of ``RECORDS``: where that is wanted, and no other is."""
    return accept is not None and negotiate(accept) is None and _accepts(_wanted(accept), RECORDS)


def _accepts(wanted: dict[str, float], content_type: str) -> bool:
    """Whether the type, or else the first wildcard that covers it, is wanted."""
    return next((wanted[name] for name in (content_type, *_ANYTHING) if name in wanted), 0.0) > 0.0


def _wanted(accept: str) -> dict[str, float]:
    wanted: dict[str, float] = {}
    for name, quality in _ranges(accept):
        # Mesos looks at the first mention only.
        wanted.setdefault(name, quality)
    return wanted


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
