"""RecordIO: each record is its length in bytes as decimal digits, a newline, and that many bytes (Mesos: HTTP API).

A writer puts each record into one HTTP chunk of its own, as strict readers want; a reader assumes nothing about
how bytes are cut (X60).
"""

from __future__ import annotations

from typing import Final

from mesos_service.wire.errors import WireError

RECORD_BYTES_MAX: Final = 256 * 1024 * 1024
"""No lawful record comes near it; a length beyond is taken for garbage before memory is given to it."""

_LENGTH_DIGITS_MAX: Final = 20
"""As many as 64 bits have: some writers fill up with zeros."""


def record(payload: bytes) -> bytes:
    """Frame one payload; an empty one is a mistake of the caller's, as no JSON is empty (X60)."""
    if not payload:
        raise ValueError("A record is never empty")
    return b"%d\n%b" % (len(payload), payload)


class RecordReader:
    """Cuts a stream of bytes into records, however it arrives.

    After a ``WireError`` the stream is lost for good, as nobody knows where the next record would begin.
    """

    __slots__ = ("_buffer", "_failed", "_wanted")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted: int | None = None
        """Bytes of the record whose length has been read; ``None`` between records."""
        self._failed = False

    @property
    def in_record(self) -> bool:
        """Whether the stream would be cut short if it ended here."""
        return self._wanted is not None or bool(self._buffer)

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has arrived and give the records it completes.

        Raises:
            WireError: 502, when a length is no number, zero, or beyond ``RECORD_BYTES_MAX``; records that were
                whole before the damage in the same ``data`` are dropped with it.
        """
        if self._failed:
            raise WireError(502, "The record stream is damaged")
        buffer = self._buffer
        buffer += data
        records: list[bytes] = []
        start = 0
        while True:
            if self._wanted is None:
                end = buffer.find(b"\n", start, start + _LENGTH_DIGITS_MAX + 1)
                if end < 0:
                    begun = bytes(buffer[start : start + _LENGTH_DIGITS_MAX + 1])
                    if begun and (len(begun) > _LENGTH_DIGITS_MAX or not begun.isdigit()):
                        self._fail(begun)
                    break
                self._wanted = self._length(bytes(buffer[start:end]))
                start = end + 1
            if len(buffer) - start < self._wanted:
                break
            records.append(bytes(buffer[start : start + self._wanted]))
            start += self._wanted
            self._wanted = None
        if start:
            del buffer[:start]
        return records

    def _length(self, digits: bytes) -> int:
        # bytes.isdigit() is about ASCII digits only, unlike int(), which takes signs, spaces and underscores too.
        if not digits.isdigit() or not 0 < int(digits) <= RECORD_BYTES_MAX:
            self._fail(digits)
        return int(digits)

    def _fail(self, instead: bytes) -> None:
        self._failed = True
        self._buffer.clear()
        raise WireError(502, f"Expecting the length of a record, but received {instead!r}")
