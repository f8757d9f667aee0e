"""Machines, and when they are not to be had (Mesos: ``MachineID``, ``Unavailability``, maintenance.proto)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from mesos_service.domain.agents import AgentInfo

MachineId = NewType("MachineId", str)
"""A machine as Mesos prints it: ``{"hostname":"h","ip":"10.0.0.1"}``, where one of the two may be missing."""


class MachineMode(StrEnum):
    """What becomes of a machine that a schedule names; one that none names is up."""

    DRAINING = "DRAINING"
    """Its agents go on; frameworks are asked to leave it."""
    DOWN = "DOWN"
    """It has no agents, and none may register."""


@dataclass(frozen=True, slots=True)
class Unavailability:
    """From when on, and for how long, a machine is not to be had; both in nanoseconds, as the wire has them."""

    start: int
    """Since 1970, UTC."""
    duration: int | None = None
    """``None`` is for ever."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine that the maintenance schedule names."""

    mode: MachineMode
    window: int
    """Which window of the schedule it is in; machines of one window go together."""
    unavailability: Unavailability


def machine_id(hostname: str | None, ip: str | None) -> MachineId:
    """Hostnames are compared without regard to case, as in Mesos."""
    parts = {"hostname": hostname.lower() if hostname else None, "ip": ip or None}
    told = {name: value for name, value in parts.items() if value is not None}
    return MachineId(json.dumps(told, separators=(",", ":"), ensure_ascii=False))


def parts_of(machine: MachineId) -> tuple[str | None, str | None]:
    """Hostname and address of a machine."""
    told: dict[str, str] = json.loads(machine)
    return told.get("hostname"), told.get("ip")


def machines_of(agent: AgentInfo) -> tuple[MachineId, MachineId, MachineId]:
    """The ways to name the machine that an agent is on, the most exact first."""
    return (
        machine_id(agent.hostname, agent.ip),
        machine_id(agent.hostname, None),
        machine_id(None, agent.ip),
    )
