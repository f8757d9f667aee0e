"""What every body of a core does: step messages, plan the next tick, hand answers to who waits for them.

A message is stepped where it arrives, on the loop's one thread; a call's answer is known when :meth:`Driver.call`
returns. Ticks run at the core's own ``next_deadline`` and at most once a turn of the loop, so that everything that
arrived together is decided together (ADR 0002).

A driver may be held: a master that does not lead, or is not certain that it does, decides nothing. This is the one
place where that is looked at. What is held up has happened and is stepped later, calls are refused, and the time of the
core stands still, so that no deadline passes only because nobody was there to see it met (X22). Afterwards it runs a
little faster than ours until it has caught up: what the core dates, such as since when an agent is unreachable, is
unix time to everybody else.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

from mesos_service.domain.errors import OperatingFault

MessageT = TypeVar("MessageT")
EffectT = TypeVar("EffectT")
AnswerT = TypeVar("AnswerT")


CATCHING_UP: Final = 0.05
"""By how much the core's time is faster after a hold: ten seconds are caught up within 200, and no deadline is met more
than a twentieth early."""


class Clock:
    """Unix seconds that never go back: the wall clock at the start, moved on by the monotonic one."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self._offset


class Held(OperatingFault):
    """The driver is held, and the call was not made."""


def _always() -> bool:
    return True


class Driver(ABC, Generic[MessageT, EffectT, AnswerT]):
    """The loop side of one core. Not thread-safe: everything happens on the loop's thread.

    ``tick`` is the message that lets the core run what is due. ``failed`` is told what was raised in a tick, which is a
    defect of ours: no tick follows, so that the service has to end. ``permits`` says whether anything may be decided
    now; where it does not, the driver is held until :meth:`go_on`. With ``held`` it begins so.
    """

    def __init__(
        self,
        tick: MessageT,
        failed: Callable[[BaseException], object],
        clock: Callable[[], float] | None = None,
        permits: Callable[[], bool] = _always,
        held: bool = False,
    ) -> None:
        self.clock = clock or Clock()
        self.held = held
        self._permits = permits
        self._kept: list[MessageT] = []
        """What has happened while held, in order."""
        self._stepped_at: float | None = None
        """By the core's clock."""
        self._behind = (0.0, 0.0)
        """By how many seconds the core's clock was behind ours when a hold ended, and when that was by ours."""
        self._failed = failed
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

    @property
    def queued(self) -> int:
        """How many messages wait for the end of a hold."""
        return len(self._kept)

    @property
    def unanswered(self) -> int:
        """How many calls wait for an answer, as something has to be stored first."""
        return len(self._waiting)

    def now(self) -> float:
        """The core's time, in unix seconds: behind ours after a hold, and then catching up."""
        now = self.clock()
        return now - self._seconds_behind(now)

    def _seconds_behind(self, now: float) -> float:
        """At ``now`` by our clock."""
        seconds, since = self._behind
        return max(0.0, seconds - (now - since) * CATCHING_UP) if seconds else 0.0

    def may_act(self) -> bool:
        """Whether messages are stepped now; where that is not permitted any more, the hold begins here."""
        if self.held:
            return False
        if self._permits():
            return True
        self.hold()
        return False

    def hold(self) -> None:
        """Step nothing until :meth:`go_on`."""
        self.held = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = float("inf")

    def go_on(self) -> None:
        """End a hold: step what has happened meanwhile, as if no time had passed since the last step."""
        if not self.held:
            return
        self.held = False
        if not self.may_act():
            return
        if self._stepped_at is not None:
            now = self.clock()
            self._behind = (now - self._stepped_at, now)
        kept, self._kept = self._kept, []
        for message in kept:
            self.submit(message)
        self._plan_next(self.now())

    def submit(self, message: MessageT) -> None:
        """Step one message and perform its effects; while held, later."""
        if self.may_act():
            self._submit(message)
        else:
            self._kept.append(message)

    def _submit(self, message: MessageT) -> None:
        now = self._stepped_at = self.now()
        stimulus: str = getattr(message, "stimulus", "")
        try:
            for effect in self._step(message, now):
                self._perform(effect, stimulus)
        finally:
            # Whoever is told of a defect may go on; then deadlines still have to be met.
            self._plan_next(now)

    def _plan_next(self, now: float) -> None:
        deadline = self._next_deadline()
        if deadline is not None and deadline < self._timer_at and not self.held:
            self._plan(deadline, now)

    def call(self, request: int, message: MessageT) -> AnswerT | None:
        """Step a call; its answer, or ``None`` when it has to wait (see :meth:`answer`).

        Raises:
            Held: nothing is stepped now, and this call was not.
        """
        if not self.may_act():
            raise Held("nothing is decided here just now")
        self._submit(message)
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
            self._timer = loop.call_later(self._seconds_until(deadline, now), self._tick)
        self._timer_at = deadline

    def _seconds_until(self, deadline: float, now: float) -> float:
        """By our clock, from the core's ``now`` to its ``deadline``."""
        seconds = deadline - now
        behind = self._seconds_behind(self.clock())
        return max(seconds / (1 + CATCHING_UP), seconds - behind) if behind else seconds

    def _tick(self) -> None:
        self._timer = None
        self._timer_at = float("inf")
        if not self.may_act():
            return
        try:
            self._submit(self._tick_message)
        except Exception as defect:  # noqa: BLE001 - asyncio would log it, and nothing due would ever be done.
            self.stop()
            self._failed(defect)
