"""What operators ask of the master about agents and machines; a part of ``messages``, to be read by itself."""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.domain.agents import Drain
from mesos_service.domain.ids import AgentId
from mesos_service.domain.machines import MachineId, Unavailability


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorDeactivate:
    """DEACTIVATE_AGENT (M-OM-12): answered 200 when it is stored, 400 where nobody knows the agent."""

    request: int
    agent_id: AgentId
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorDrain:
    """DRAIN_AGENT."""

    request: int
    agent_id: AgentId
    drain: Drain
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorReactivate:
    """REACTIVATE_AGENT; 409 while the agent drains."""

    request: int
    agent_id: AgentId
    stimulus: str = ""


@dataclass(frozen=True, slots=True)
class MaintenanceWindow:
    """Machines that go at the same time."""

    machines: tuple[MachineId, ...]
    unavailability: Unavailability


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSchedule:
    """UPDATE_MAINTENANCE_SCHEDULE (M-OM-11): answered 200 when it is stored, 400 with a reason."""

    request: int
    windows: tuple[MaintenanceWindow, ...]
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorMachines:
    """START_MAINTENANCE, or with ``up`` STOP_MAINTENANCE; answered alike."""

    request: int
    machines: tuple[MachineId, ...]
    up: bool = False
    stimulus: str = ""


OperatorMaintenance = OperatorSchedule | OperatorMachines
OperatorAgents = OperatorDeactivate | OperatorDrain | OperatorReactivate
