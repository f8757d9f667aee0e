"""Turns of the loop, shared: what comes in floods is done in pieces, and between them everybody else has a turn.

When a master begins to lead, all agents of the cluster come at the same moment, and each costs as much as many calls of
a scheduler. All of them in one turn of the loop would keep a framework's SUBSCRIBE, an operator, and the contender's
own session waiting for as long as the cluster is large.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

PIECES_A_TURN_MAX: Final = 128
"""Re-registrations with a task take some 80 us each, other messages of agents less."""


class Turns:
    """Of one kind of work, which is done in the order in which it comes. A work is an iterator, a piece one step."""

    def __init__(self, pieces_max: int = PIECES_A_TURN_MAX) -> None:
        self.pieces_max: Final = pieces_max
        self._done = 0
        """Pieces in this turn."""
        self._waiting: deque[tuple[Iterator[None], asyncio.Future[None]]] = deque()
        self._planned = False

    @property
    def is_spent(self) -> bool:
        """Whether what comes now has to wait for another turn."""
        return self._done >= self.pieces_max or bool(self._waiting)

    def count(self, pieces: int) -> None:
        """So many were done in this turn, all at once."""
        self._done += pieces
        self._plan()

    async def do(self, work: Iterator[None]) -> None:
        """Do all of ``work`` in its turn; raises what that raises. It is done even if nobody waits for it any more."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, done))
        self._plan()
        await done

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._planned = False
        self._done = 0
        while self._waiting and self._done < self.pieces_max:
            work, done = self._waiting[0]
            try:
                for _ in work:
                    self._done += 1
                    if self._done >= self.pieces_max:
                        break
                else:
                    self._end(done, None)
            except Exception as error:  # noqa: BLE001 - it is raised where somebody waits for it.
                self._end(done, error)
        if self._waiting or self._done:
            self._plan()

    def _end(self, done: asyncio.Future[None], error: Exception | None) -> None:
        self._waiting.popleft()
        self._done += 1  # Works without a piece in them cost something too.
        if done.done():  # Whoever waited was cancelled.
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
