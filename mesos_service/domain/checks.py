"""Checks of tasks: what is to be tried, how often, and what it says (Mesos docs, "Health checks"; M-AG-19, M-AG-20).

All times are seconds. A check only reports; a health check judges too, and its task is killed when it has failed often
enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class CheckType(StrEnum):
    COMMAND = "COMMAND"
    """A command in the task's container; says its exit status."""
    HTTP = "HTTP"
    """A GET to a port of the task; says the answer's status."""
    TCP = "TCP"
    """A connection to a port of the task; says whether it came about."""


class Purpose(StrEnum):
    """What the result is for; a task may have one check of each."""

    CHECK = "CHECK"
    HEALTH = "HEALTH"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What is tried, and when: first ``delay_seconds`` after the task runs, then again ``interval_seconds`` after each
    end. A ``timeout_seconds`` of 0 is none."""

    type: CheckType
    delay_seconds: float = 15.0
    interval_seconds: float = 10.0
    timeout_seconds: float = 20.0
    command: object = field(default=None, repr=False)
    """The wire ``CommandInfo``, carried."""
    scheme: str = "http"
    ipv6: bool = False
    port: int = 0
    path: str = ""
    """Begins with ``/``, or is empty, which is the same as ``/``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """Failures count after ``grace_period_seconds`` or the first success; ``consecutive_failures`` kill the task."""

    check: Check
    grace_period_seconds: float = 10.0
    consecutive_failures: int = 3


@dataclass(frozen=True, slots=True)
class CheckStatus:
    """What a check last said: an exit status, an HTTP status, or whether there was a connection.

    ``None`` when it said nothing, because it has not been made yet or was not finished in time.
    """

    type: CheckType
    result: int | bool | None = None


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one try ended. ``result`` is as in :class:`CheckStatus`; without one ``error`` says why."""

    result: int | bool | None
    error: str = ""
    aborted: bool = False
    """The agent could not make the try, which says nothing about the task."""


def is_healthy(kind: CheckType, result: ProbeResult) -> bool:
    """Exit status 0; an HTTP status from 200 to 399; a connection (Mesos docs, "Health checks")."""
    if result.result is None:
        return False
    match kind:
        case CheckType.COMMAND:
            return result.result == 0
        case CheckType.HTTP:
            return 200 <= result.result < 400
        case CheckType.TCP:
            return bool(result.result)
