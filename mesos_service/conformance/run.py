"""Runs the checks of a module's kind, each in bounded time, and says in a sentence what is wrong (N09)."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, Final, TypeVar

from mesos_service.domain.errors import ConfigurationError

T = TypeVar("T")

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


def run_checks(
    kind: type[Any], checks: Sequence[Callable[[Any], None]], file: str, seconds: float | None = None
) -> list[Outcome]:
    """Every check, with what is wrong; ``file`` is the module's, whose lines are named. Main thread only.

    ``seconds`` is what each may take, :data:`CHECK_SECONDS` unless told otherwise.
    """
    limit = CHECK_SECONDS if seconds is None else seconds
    return [Outcome(check.__name__.replace("_", " "), _fault(kind, check, file, limit)) for check in checks]


def _fault(kind: type[Any], check: Callable[[Any], None], file: str, seconds: float) -> str | None:
    try:
        with _alarm(seconds):
            check(kind)
    except Nonconforming as fault:
        return str(fault)
    except OutOfTime as late:
        return f"{_where(late, file)} did not come back within {seconds:g} s: an endless loop, or far too slow."
    except ConfigurationError as refusal:
        # What an isolator lacks on this machine it says itself, in a sentence.
        return f"It cannot be tried here: {refusal}"
    except (Exception, SystemExit, GeneratorExit) as failure:  # noqa: BLE001 - a module's own code; whatever it raises is the finding
        return f"{_where(failure, file)} raised {type(failure).__name__}: {failure}."
    return None


def _where(failure: BaseException, file: str) -> str:
    """The innermost method of the module that was at work."""
    frames = [one for one in traceback.extract_tb(failure.__traceback__) if one.filename == file]
    return f"{frames[-1].name}(), line {frames[-1].lineno}," if frames else "It"


def within_time(load: Callable[[], T], file: str, seconds: float | None = None) -> T:
    """What ``load`` gives, which runs code of ``file``.

    Raises:
        ConfigurationError: it did not come back.
    """
    limit = CHECK_SECONDS if seconds is None else seconds
    try:
        with _alarm(limit):
            return load()
    except OutOfTime as late:
        raise ConfigurationError(f"{file} was not imported within {limit:g} s.") from late


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
