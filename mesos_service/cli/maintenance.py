"""``mesos-service maintenance``: machines that go, and come back (M-OM-11).

By operator calls of Mesos' own, so they work with Apache Mesos' masters too.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from mesos_service.cli.reads import ask
from mesos_service.configuration.units import Duration
from mesos_service.domain.errors import ConfigurationError

Json = dict[str, Any]  # Any: JSON documents


def schedule(master: str) -> Json:
    """The schedule as the master has it; raises as ``reads.ask`` does."""
    answer: Json = msgspec.json.decode(ask(master, "GET_MAINTENANCE_SCHEDULE"))
    found: Json = answer["get_maintenance_schedule"]["schedule"]
    return found


def status(master: str) -> Json:
    """How far the maintenance is; raises as ``reads.ask`` does."""
    answer: Json = msgspec.json.decode(ask(master, "GET_MAINTENANCE_STATUS"))
    found: Json = answer["get_maintenance_status"]["status"]
    return found


def add_window(master: str, machines: Sequence[str], start: str | None, duration: str | None) -> None:
    """Add a window to the schedule; machines that it names leave the windows they were in.

    Raises:
        ConfigurationError: a machine or a time cannot be read.
        OperatingFault: the master does not answer, or refuses it.
    """
    named = [machine_id(one) for one in machines]
    unavailability: Json = {"start": {"nanoseconds": _start(start)}}
    if duration is not None:
        unavailability["duration"] = {"nanoseconds": _duration(duration)}
    kept = _without(schedule(master).get("windows", []), named)
    windows = [*kept, {"machine_ids": named, "unavailability": unavailability}]
    ask(master, "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule={"schedule": {"windows": windows}})


def cancel(master: str, machines: Sequence[str]) -> None:
    """Take machines out of the schedule. Raises as :func:`add_window` does."""
    windows = _without(schedule(master).get("windows", []), [machine_id(one) for one in machines])
    ask(master, "UPDATE_MAINTENANCE_SCHEDULE", update_maintenance_schedule={"schedule": {"windows": windows}})


def start(master: str, machines: Sequence[str]) -> None:
    """Bring machines of the schedule down. Raises as :func:`add_window` does."""
    ask(master, "START_MAINTENANCE", start_maintenance={"machines": [machine_id(one) for one in machines]})


def stop(master: str, machines: Sequence[str]) -> None:
    """Bring machines up again. Raises as :func:`add_window` does."""
    ask(master, "STOP_MAINTENANCE", stop_maintenance={"machines": [machine_id(one) for one in machines]})


def machine_id(text: str) -> dict[str, str]:
    """``hostname@address``, or one of them with the sign: ``hostname@``, ``@address``; a plain word is a hostname."""
    hostname, _, ip = text.partition("@")
    if not hostname and not ip:
        raise ConfigurationError(f"'{text}' names no machine; write HOSTNAME, HOSTNAME@ADDRESS or @ADDRESS")
    return {name: part for name, part in (("hostname", hostname), ("ip", ip)) if part}


def _without(windows: Sequence[Json], machines: Sequence[dict[str, str]]) -> list[Json]:
    left = [{**one, "machine_ids": [name for name in one["machine_ids"] if name not in machines]} for one in windows]
    return [one for one in left if one["machine_ids"]]


def _start(text: str | None) -> int:
    if text is None:
        return time.time_ns()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"--start: '{text}' is no time such as 2030-01-31T08:00+01:00") from None
    if at.tzinfo is None:
        raise ConfigurationError(f"--start: '{text}' does not say of which time zone it is, as +01:00 or Z would")
    return round(at.timestamp()) * 10**9


def _duration(text: str) -> int:
    try:
        return Duration.parse(text).nanoseconds
    except ValueError as error:
        raise ConfigurationError(f"--duration: {error}") from error
