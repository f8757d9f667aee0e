"""Shapes and clients that have met: what is known of such pairs stays from pass to pass.

Nearly all that a pass over changed agents meets it met in the last one, too. What a client would be offered of a shape
depends on the two alone (:mod:`~mesos_service.core.allocation.shapes`), so that it is looked up once for as long as
the same clients stand, unchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from mesos_service.core.allocation.clients import Client
from mesos_service.core.allocation.shapes import GrantParts, Shape

UNKNOWN: Final = 0
WHOLE: Final = 1
OTHER: Final = 2
"""Of a shape and a client: whether all of the shape would be offered to the client."""

KEPT_MAX: Final = 64
"""So many shapes are kept: where there are more, agents are too different for much to be met again."""


class Row:
    """Of one shape, by the number of the client: what is known, and the parts of a grant where all may be offered."""

    __slots__ = ("codes", "parts")

    def __init__(self, clients: int) -> None:
        self.codes = bytearray(clients)
        self.parts: list[GrantParts | None] = [None] * clients


class Pairs:
    """Rows of shapes, for the same clients in the same order."""

    def __init__(self) -> None:
        self._stamps: list[int] = []
        self._rows: dict[Shape, Row] = {}

    def rows(self, shapes: Sequence[Shape], clients: Sequence[Client]) -> list[Row]:
        """The rows of these shapes, to be written on by whoever finds out more."""
        # A stamp is never given twice, and a client has another after each change of what gates ask for.
        stamps = [client.stamp for client in clients]
        if stamps != self._stamps or len(self._rows) > KEPT_MAX:
            self._stamps = stamps
            self._rows.clear()
        rows: list[Row] = []
        for shape in shapes:
            row = self._rows.get(shape)
            if row is None:
                row = Row(len(stamps))
                if len(shapes) <= KEPT_MAX:
                    self._rows[shape] = row
            rows.append(row)
        return rows
