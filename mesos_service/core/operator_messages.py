"""What operators ask of the master; a part of ``messages``, to be read by itself."""

from __future__ import annotations

from dataclasses import dataclass

from mesos_service.domain.agents import Drain
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import (
    AgentId,
    FrameworkId,
    Role,
)
from mesos_service.domain.machines import MachineId, Unavailability
from mesos_service.plugins.allocator import Quota


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


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTeardown:
    request: int
    framework_id: FrameworkId
    principal: str | None = None
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainFramework:
    """Why is this framework offered nothing (N01)? Answered after the next full pass, or with 404."""

    request: int
    framework_id: FrameworkId
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainAgent:
    """Why is nobody, or not this one or that one, offered this agent (N01)? Answered as :class:`ExplainFramework`."""

    request: int
    agent_id: AgentId
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorMarkGone:
    """MARK_AGENT_GONE (M-OM-13): answered 200 when it is stored, 404 where nobody knows the agent."""

    request: int
    agent_id: AgentId
    principal: str | None = None
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorUpdateQuota:
    """UPDATE_QUOTA (M-OM-08): all of it or nothing; answered 200 when it is stored, 400 with a reason."""

    request: int
    quotas: tuple[tuple[Role, Quota], ...]
    force: bool = False
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorSetQuota:
    """SET_QUOTA, the older form: a guarantee that is also the limit, for a role that has no quota yet."""

    request: int
    role: Role
    guarantee: Quantities
    force: bool = False
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRemoveQuota:
    """REMOVE_QUOTA, the older form. ``path`` is what the refusal names, as in Mesos."""

    request: int
    role: Role
    path: str
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorUpdateWeights:
    """UPDATE_WEIGHTS (M-OM-07): all of it or nothing; answered 200 when it is stored, 400 with a reason."""

    request: int
    weights: tuple[tuple[Role, float], ...]
    stimulus: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRevocation:
    """What would be revoked now, and why (N15)? Answered at once; changes nothing."""

    request: int
    stimulus: str = ""


OperatorPolicy = OperatorUpdateQuota | OperatorSetQuota | OperatorRemoveQuota | OperatorUpdateWeights
