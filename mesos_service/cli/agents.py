"""``mesos-service drain``, ``deactivate`` and ``reactivate``: agents out of use and back (M-OM-12).

By operator calls of Mesos' own, so they work with Apache Mesos' masters too.
"""

from __future__ import annotations

import time
from typing import Any, Final

import msgspec

from mesos_service.cli.reads import ask
from mesos_service.configuration.units import Duration
from mesos_service.domain.errors import ConfigurationError, OperatingFault

_PAUSE_SECONDS: Final = 0.5


def drain(master: str, agent: str, grace: str | None, *, mark_gone: bool, wait: str | None) -> None:
    """Have the agent drained; with ``wait`` return when it is.

    Raises:
        ConfigurationError: a duration or ``master`` cannot be read.
        OperatingFault: the master does not answer, or refuses it, or the agent was not drained in time.
    """
    wanted: dict[str, object] = {"agent_id": {"value": agent}, "mark_gone": mark_gone}
    if grace is not None:
        seconds, nanoseconds = divmod(_duration("--grace", grace).nanoseconds, 10**9)
        wanted["max_grace_period"] = {"seconds": seconds, "nanos": nanoseconds}
    patience = None if wait is None else _duration("--wait", wait)
    ask(master, "DRAIN_AGENT", drain_agent=wanted)
    if patience is not None:
        _wait(master, agent, patience.seconds)


def deactivate(master: str, agent: str) -> None:
    """Have the agent offered to nobody. Raises as :func:`drain` does."""
    ask(master, "DEACTIVATE_AGENT", deactivate_agent={"agent_id": {"value": agent}})


def reactivate(master: str, agent: str) -> None:
    """Have the agent offered again. Raises as :func:`drain` does."""
    ask(master, "REACTIVATE_AGENT", reactivate_agent={"agent_id": {"value": agent}})


def _wait(master: str, agent: str, seconds_max: float) -> None:
    until = time.monotonic() + seconds_max
    while True:
        answer: Any = msgspec.json.decode(ask(master, "GET_AGENTS"))  # Any: a JSON document
        found = [one for one in answer["get_agents"].get("agents", ()) if one["agent_info"]["id"]["value"] == agent]
        # One that is not listed is gone, as it was asked to be, or away with what it still runs.
        if not found or found[0].get("drain_info", {}).get("state") == "DRAINED":
            return
        if time.monotonic() > until:
            raise OperatingFault(
                f"agent {agent} has not been drained within {seconds_max:g} seconds; it goes on draining"
            )
        time.sleep(_PAUSE_SECONDS)


def _duration(option: str, text: str) -> Duration:
    try:
        return Duration.parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{option}: {error}") from error
