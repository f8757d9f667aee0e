"""Values that are made of equal wire messages are made once.

A cluster has thousands of agents and few kinds of them: after a change of the leading master each says again what it
has, and what its frameworks are. Equal messages are known by their bytes, so that nothing printed is ever lost by it.
Who gets one object for all of them also compares them at once, by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, TypeVar

import msgspec

SentT = TypeVar("SentT")
MadeT = TypeVar("MadeT")

BYTES_MAX: Final = 4096
"""Larger messages are made anew each time: what is kept must be bounded, whoever sends it."""
KEPT_MAX: Final = 4096
"""Past this the oldest half goes."""

_ENCODER: Final = msgspec.json.Encoder()


class Alike(Generic[SentT, MadeT]):
    """``make``, asked once for messages that are equal. What it makes is immutable and must depend on nothing else.

    It may be asked from several threads: the worst that happens is that something is made twice.
    """

    __slots__ = ("_known", "_make")

    def __init__(self, make: Callable[[SentT], MadeT]) -> None:
        self._make = make
        self._known: dict[bytes, MadeT] = {}

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._known)

    def __call__(self, sent: SentT) -> MadeT:
        key = _ENCODER.encode(sent)
        made = self._known.get(key)
        if made is None:
            made = self._make(sent)
            if len(key) <= BYTES_MAX:
                if len(self._known) >= KEPT_MAX:
                    for old in tuple(self._known)[: KEPT_MAX // 2]:
                        self._known.pop(old, None)
                self._known[key] = made
        return made
