"""Runs the checks of a module's kind, each in bounded time, and says in a sentence what is wrong (N09)."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final

from mesos_service.domain.errors import ConfigurationError

CHECK_SECONDS: Final = 10.0
"""After so long a check is broken off: the module loops."""


class Nonconforming(Exception):
    """The module does not do what its kind must; the text is a sentence that names the method."""


class OutOfTime(BaseException):
    """Raised inside the module by the alarm; no ``except Exception`` of its own holds it."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One check; ``fault`` is ``None`` where it held."""

    check: str
    fault: str | None


def require(holds: bool, fault: str) -> None:
    """Raises :class:`Nonconforming` with ``fault`` unless ``holds``."""
    if not holds:
        raise Nonconforming(fault)


def run_checks(kind: type[Any], checks: Sequence[Callable[[Any], None]], file: str) -> list[Outcome]:
    """Every check, with what is wrong; ``file`` is the module's, whose lines are named. Main thread only."""
    return [Outcome(check.__name__.replace("_", " "), _fault(kind, check, file)) for check in checks]


def _fault(kind: type[Any], check: Callable[[Any], None], file: str) -> str | None:
    try:
        with _alarm(CHECK_SECONDS):
            check(kind)
    except Nonconforming as fault:
        return str(fault)
    except OutOfTime as late:
        return f"{_where(late, file)} did not come back within {CHECK_SECONDS:g} s: an endless loop, or far too slow."
    except ConfigurationError as refusal:
        # What an isolator lacks on this machine it says itself, in a sentence.
        return f"It cannot be tried here: {refusal}"
    except Exception as failure:  # noqa: BLE001 - a module's own code; whatever it raises is the finding
        return f"{_where(failure, file)} raised {type(failure).__name__}: {failure}."
    return None


def _where(failure: BaseException, file: str) -> str:
    """The innermost method of the module that was at work."""
    frames = [one for one in traceback.extract_tb(failure.__traceback__) if one.filename == file]
    return f"{frames[-1].name}(), line {frames[-1].lineno}," if frames else "It"


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
