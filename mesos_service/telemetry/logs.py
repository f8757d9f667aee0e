"""The log: standard logging, one line for each fact that operators want, facts of the hot path only on ``DEBUG``.

A line reads ``agent.registered agent_id=... hostname=...``: the fact as the core named it, then what it told. The
words are made only when the line is written.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Final

from mesos_service.core.effects import Attributes, Note
from mesos_service.domain.errors import ConfigurationError

LEVELS: Final = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
}
"""``--logging_level``; Mesos has the last three, DEBUG also tells each offer and update."""

INFO: Final = frozenset(
    {
        "agent.disconnected",
        "agent.gone",
        "agent.machine_down",
        "agent.reachable",
        "agent.registered",
        "agent.removal_cancelled",
        "agent.replaced",
        "agent.reregistered",
        "agent.shutting_down",
        "agent.unregistered",
        "agent.updated",
        "framework.deposed",
        "framework.disconnected",
        "framework.failed_over",
        "framework.promoted",
        "framework.recovered",
        "framework.removed",
        "framework.resubscribed",
        "framework.shutting_down",
        "framework.subscribed",
        "framework.torn_down",
        "framework.updated",
        "standby.joined",
        "standby.left",
        "allocator.rebuilt",
        "module.replaced",
        "quota.updated",
        "executor.preempted",
        "executor.revoked",
        "revocation.over",
        "shadow.rebuilt",
        "task.revoked",
        "registry.pruned",
        "weight.updated",
    }
)
WARNING: Final = frozenset(
    {
        "agent.admission_abandoned",
        "agent.marked_disconnected",
        "agent.not_returned",
        "agent.refused",
        "agent.removal_scheduled",
        "agent.unreachable",
        "container.launch_failed",
        "container.limited",
        "framework.refused",
        "allocator.failed",
        "allocator.slow",
        "framework.starving",
        "module.kept",
        "oversubscription.refused",
        "revocation.refused",
        "shadow.failed",
        "shadow.slow",
        "grant.refused",
        "master.gave_up",
        "task.dropped",
    }
)

_FACT_LEVELS: Final = dict.fromkeys(INFO, logging.INFO) | dict.fromkeys(WARNING, logging.WARNING)


class _Told:
    """Attributes that become text only when a line is written."""

    __slots__ = ("_attributes",)

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes

    def __str__(self) -> str:
        return " ".join(f"{name}={_quoted(value)}" for name, value in self._attributes.items())


def _quoted(value: str | int | float | bool) -> str:
    """As it is, or in quotes where the value would run into the next one; never more than one line."""
    text = str(value)
    if text and text.isprintable() and not any(character in text for character in ' "='):
        return text
    return '"' + text.encode("unicode_escape").decode("ascii").replace('"', '\\"') + '"'


def level_of(fact: str) -> int:
    """The level on which a fact is logged."""
    return _FACT_LEVELS.get(fact, logging.DEBUG)


def log_note(logger: logging.Logger, note: Note, stimulus: str = "") -> None:
    """Log one fact, if anybody wants it, with the name of what set it off."""
    level = _FACT_LEVELS.get(note.fact, logging.DEBUG)
    if logger.isEnabledFor(level):
        logger.log(level, "%s %s%s", note.fact, _Told(note.attributes), f" stimulus={stimulus}" if stimulus else "")


def set_up_logging(level: str = "INFO") -> None:
    """Log to standard error from ``level`` on, times in UTC. For the start of a process; replaces earlier handlers.

    Raises:
        ConfigurationError: there is no such level.
    """
    if level.upper() not in LEVELS:
        raise ConfigurationError(f"--logging_level must be one of {', '.join(LEVELS)}, not '{level}'")
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.basicConfig(level=LEVELS[level.upper()], handlers=[handler], force=True)
    # One line for each request of these would drown the facts (httpx 0.28, httpcore 1.0).
    for noisy in ("httpx", "httpcore", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, LEVELS[level.upper()]))
