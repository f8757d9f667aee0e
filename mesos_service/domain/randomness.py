"""The random source that is handed in; nothing inside the core makes its own."""

from __future__ import annotations

from collections.abc import MutableSequence
from typing import Any, Protocol


class RandomSource(Protocol):
    """The part of ``random.Random`` that decisions may use; seeded by whoever drives the core."""

    def random(self) -> float: ...
    def getrandbits(self, k: int, /) -> int: ...
    def randrange(self, stop: int, /) -> int: ...
    def shuffle(self, x: MutableSequence[Any], /) -> None: ...  # Any: a shuffle does not care what it shuffles


def random_uuid(source: RandomSource) -> bytes:
    """Sixteen bytes in the form of an RFC 4122 version 4 UUID, drawn from ``source``."""
    bits = source.getrandbits(128)
    bits = (bits & ~(0xF << 76) & ~(0x3 << 62)) | (0x4 << 76) | (0x2 << 62)
    return bits.to_bytes(16, "big")


def format_uuid(raw: bytes) -> str:
    """Sixteen bytes as ``8-4-4-4-12`` hexadecimal digits."""
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
