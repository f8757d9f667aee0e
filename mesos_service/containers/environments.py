"""Reads the environments of processes, which are memory of theirs, without waiting for whoever holds it back.

A process may map a file in the place of its environment, of a file system that it serves itself. Who reads it then
waits for as long as that process likes. So a thread reads, and is given up after a while: what cannot be read tells
nothing until it has been read after all. Who is slow is asked once in his life, and all who are slow together may hold
up the agent for a small part of its time only.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

_SECONDS_MAX: Final = 0.5
_QUICK_SECONDS: Final = 0.02
"""Whoever takes longer is slow. It is microseconds, where nobody is in the way."""
_PARTS: Final = 10
"""Waits are made of so many: when the machine stands still one of them is over, and whoever was not held up by anybody
has the others to answer in."""
_CREDIT_SECONDS: Final = 5.0
"""How long slow ones may be waited for, altogether; that much is regained in a minute."""
_REGAINED: Final = _CREDIT_SECONDS / 60
_GIVEN_UP_MAX: Final = 8
"""So many threads may be held up at a time; beyond, nobody's environment is read until one of them comes back."""
_SLOW_MAX: Final = 1024
_VALUES_MAX: Final = 8

Process = tuple[int, int]
"""Its number, and when it began."""


def environment_of(pid: int) -> bytes:
    """As the kernel gives it; empty where there is none to be had."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""  # It is gone, or another user's, whom we could not signal either.


class _Reader:
    """A thread that reads what it is asked for until it is given up."""

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._asked: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._told: queue.SimpleQueue[bytes | OSError] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="environments", daemon=True)
        self._thread.start()

    @property
    def is_there(self) -> bool:
        return self._thread.is_alive()

    def ask(self, pid: int, seconds_max: float) -> bytes:
        """Raises ``queue.Empty`` when there is no answer in time; it is not to be asked again then."""
        self._asked.put(pid)
        for _ in range(_PARTS):
            with contextlib.suppress(queue.Empty):
                return _environment(self._told.get(timeout=seconds_max / _PARTS))
        self._asked.put(None)
        raise queue.Empty

    def late(self) -> bytes:
        """What it was given up on, once it is not there any more."""
        return _environment(self._told.get_nowait())

    def _serve(self) -> None:
        while (pid := self._asked.get()) is not None:
            try:
                self._told.put(self._read(pid))
            except OSError as error:
                self._told.put(error)


def _environment(told: bytes | OSError) -> bytes:
    if isinstance(told, OSError):
        raise told
    return told


class Environments:
    """Asks who carries a mark: a variable of one name, whatever its value. Belongs in one thread."""

    def __init__(
        self,
        read: Callable[[int], bytes] = environment_of,
        seconds_max: float = _SECONDS_MAX,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._seconds_max = seconds_max
        self._clock = clock
        self._credit, self._credit_at = _CREDIT_SECONDS, clock()
        self._reader: _Reader | None = None
        self._given_up: dict[Process, _Reader] = {}
        """By process, who is held up by it."""
        self._slow: dict[Process, Collection[bytes]] = {}
        """The marks of those that were slow, oldest first."""

    def carries(self, pid: int, start_ticks: int, mark: bytes) -> bool:
        """Whether ``mark``, between zero bytes, is in it; false where that cannot be known."""
        who = pid, start_ticks
        self._hear_late(mark)
        if who in self._slow:
            return mark.strip(b"\0") in self._slow[who]
        if who in self._given_up:
            return False
        if self._reader is None:
            if len(self._given_up) >= _GIVEN_UP_MAX:
                return False
            self._reader = _Reader(self._read)
        begun, patience = self._clock(), self._patience()
        try:
            environment = self._reader.ask(pid, patience)
        except queue.Empty:
            log.warning("Process %d keeps its environment from being read: what it belongs to is not known by it", pid)
            self._given_up[who], self._reader = self._reader, None
            self._credit -= self._clock() - begun
            return False
        except OSError as error:
            log.warning("The environment of process %d cannot be read: %s", pid, error)
            environment = b""
        took = self._clock() - begun
        if took > _QUICK_SECONDS:
            self._credit -= took
            self._remember(who, environment, mark)
        return mark in b"\0" + environment

    def _patience(self) -> float:
        now = self._clock()
        self._credit = min(_CREDIT_SECONDS, self._credit + (now - self._credit_at) * _REGAINED)
        self._credit_at = now
        return self._seconds_max if self._credit > 0 else min(self._seconds_max, _QUICK_SECONDS)

    def _hear_late(self, mark: bytes) -> None:
        """What comes of those that were given up: they are not asked again."""
        for who, reader in [one for one in self._given_up.items() if not one[1].is_there]:
            del self._given_up[who]
            try:
                environment = reader.late()
            except OSError as error:
                log.warning("The environment of process %d cannot be read: %s", who[0], error)
                environment = b""
            self._remember(who, environment, mark)

    def _remember(self, who: Process, environment: bytes, mark: bytes) -> None:
        name = mark.strip(b"\0").partition(b"=")[0] + b"="
        values = (one for one in environment.split(b"\0") if one.startswith(name))
        while len(self._slow) >= _SLOW_MAX:
            del self._slow[next(iter(self._slow))]
        self._slow[who] = frozenset(itertools.islice(values, _VALUES_MAX))


ENVIRONMENTS: Final = Environments()
"""This process' own; threads that are held up count once, whoever asked."""
