"""Interrupts a module that does not come back: the one thread decides for everybody, and must not be lost to one (N09).

A second thread looks at the clock. When foreign code has run for too long it raises :class:`OutOfTime` inside it, by
CPython's means for raising in another thread: between two instructions of Python code. Code of another language that
does not come back cannot be interrupted so; the service manager's watchdog then ends the process (``notify``).
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Final

from mesos_service.core.watch import OutOfTime

REPEAT_SECONDS: Final = 0.1
"""A module may catch what is raised in it; then it is raised again."""
ARRIVES_WITHIN: Final = 1000
"""Turns of a loop: what is raised in a thread arrives in the first of them."""
SLOW_PART: Final = 0.1
"""What takes this part of the limit is told as slow."""


class Stopwatch:
    """A :class:`~mesos_service.core.watch.Watch` that lets everything take as long as it likes."""

    limit_seconds = slow_seconds = float("inf")

    def __init__(self) -> None:
        self._begun = 0.0

    def begin(self) -> None:
        self._begun = time.monotonic()

    def end(self) -> float:
        return time.monotonic() - self._begun


class TimeLimit:
    """A :class:`~mesos_service.core.watch.Watch` with a ``clock``; ``seconds`` is the most that one call may take.

    Stretches are not nested, and one thread at a time has one.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.limit_seconds = seconds
        self.slow_seconds = seconds * SLOW_PART
        self._lock = threading.Lock()
        self._begun: float | None = None
        """When the stretch that is under way began; ``None`` between two."""
        self._raised = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched = 0

    def begin(self) -> None:
        self._watched = threading.get_ident()
        if self._thread is None:
            self._thread = threading.Thread(target=self._look, name="time-limit", daemon=True)
            self._thread.start()
        self._begun = self._clock()

    def end(self) -> float:
        begun = self._begun
        assert begun is not None, "a stretch ends once"
        while True:
            try:
                with self._lock:
                    self._begun = None
                    raised, self._raised = self._raised, False
                if not raised:
                    break
                # Should it not have arrived yet, it must not arrive in what follows. There is room for one, so raising
                # it again makes certain that one arrives here. (Taking it back, with NULL, leaves CPython 3.11 looking
                # for it at every call for ever after, and in an endless loop where a trace function is set.) A callback
                # of the garbage collector that it meets swallows it: what does not arrive is raised once more.
                while True:
                    _raise_in(self._watched)
                    for _ in range(ARRIVES_WITHIN):
                        pass
            except OutOfTime:
                continue
        return self._clock() - begun

    def close(self) -> None:
        """Look no more."""
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        pause = self.limit_seconds / 4
        while not self._wake.wait(pause):
            with self._lock:
                begun = self._begun
                late = begun is not None and self._clock() - begun >= self.limit_seconds
                if late:
                    self._raised = True
                    _raise_in(self._watched)
            pause = REPEAT_SECONDS if late else self.limit_seconds / 4


def _raise_in(thread: int) -> None:
    """Raise :class:`OutOfTime` in the thread of this identifier, at its next call or turn of a loop."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(OutOfTime))
