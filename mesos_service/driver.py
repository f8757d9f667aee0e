"""What every body of a core does: step messages, plan the next tick, hand answers to who waits for them.

A message is stepped where it arrives, on the loop's one thread; a call's answer is known when :meth:`Driver.call`
returns. Ticks run at the core's own ``next_deadline`` and at most once a turn of the loop, so that everything that
arrived together is decided together (ADR 0002).
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

MessageT = TypeVar("MessageT")
EffectT = TypeVar("EffectT")
AnswerT = TypeVar("AnswerT")


class Clock:
    """Unix seconds that never go back: the wall clock at the start, moved on by the monotonic one."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self._offset


class Driver(ABC, Generic[MessageT, EffectT, AnswerT]):
    """The loop side of one core. Not thread-safe: everything happens on the loop's thread.

    ``tick`` is the message that lets the core run what is due.
    """

    def __init__(self, tick: MessageT, clock: Callable[[], float] | None = None) -> None:
        self.clock = clock or Clock()
        self._tick_message = tick
        self._answers: dict[int, AnswerT] = {}
        self._waiting: dict[int, asyncio.Future[AnswerT]] = {}
        self._request_counter = 0
        self._timer: asyncio.TimerHandle | asyncio.Handle | None = None
        self._timer_at = float("inf")

    @abstractmethod
    def _step(self, message: MessageT, now: float) -> Sequence[EffectT]:
        """The core's ``step`` on this driver's state."""

    @abstractmethod
    def _next_deadline(self) -> float | None:
        """The core's ``next_deadline`` on this driver's state."""

    @abstractmethod
    def _perform(self, effect: EffectT, stimulus: str) -> None:
        """Do what the core decided; must not raise for anything the world does.

        ``stimulus`` names the message that led to it, where that has a name.
        """

    def new_request(self) -> int:
        """A number by which a call's answer is known."""
        self._request_counter += 1
        return self._request_counter

    def submit(self, message: MessageT) -> None:
        """Step one message and perform its effects."""
        now = self.clock()
        stimulus: str = getattr(message, "stimulus", "")
        for effect in self._step(message, now):
            self._perform(effect, stimulus)
        deadline = self._next_deadline()
        if deadline is not None and deadline < self._timer_at:
            self._plan(deadline, now)

    def call(self, request: int, message: MessageT) -> AnswerT | None:
        """Step a call; its answer, or ``None`` when it has to wait (see :meth:`answer`)."""
        self.submit(message)
        return self._answers.pop(request, None)

    async def answer(self, request: int) -> AnswerT:
        """The answer to a call whose decision waits for something durable."""
        future: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting[request] = future
        try:
            return await future
        finally:
            self._waiting.pop(request, None)

    def stop(self) -> None:
        """No more ticks; what is still submitted is stepped, but nothing is planned."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = float("-inf")

    def _resolve(self, request: int, answer: AnswerT) -> None:
        waiting = self._waiting.get(request)
        if waiting is None:
            self._answers[request] = answer
        elif not waiting.done():
            waiting.set_result(answer)

    def _plan(self, deadline: float, now: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is not None:
            self._timer.cancel()
        if deadline <= now:
            self._timer = loop.call_soon(self._tick)
        else:
            self._timer = loop.call_later(deadline - now, self._tick)
        self._timer_at = deadline

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = float("inf")
        self.submit(self._tick_message)
