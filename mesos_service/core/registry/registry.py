"""The registry as a value (Mesos: ``registry.proto``). Storing it is an adapter's work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesos_service.domain.agents import AgentInfo, Deactivation
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, RevocationId, Role, TaskId
from mesos_service.domain.machines import Machine, MachineId
from mesos_service.plugins.allocator import Quota


@dataclass(frozen=True, slots=True)
class RegisteredFramework:
    """A framework that has subscribed and was not removed since.

    Mesos keeps none, so that one which never returns after a failover of the master leaves orphans for ever
    (MESOS-4659); with its record its failover timeout outlives the master (X18d).
    """

    info: FrameworkInfo
    generation: int = 1
    """Which of its schedulers may act: one more with each promotion (N11). A call of an older one is refused."""


@dataclass(frozen=True, slots=True)
class RegisteredRevocation:
    """A task that is to end so that ``beneficiary`` comes to its guarantee; decided at ``at``, unix seconds (B36d)."""

    framework_id: FrameworkId
    task_id: TaskId
    agent_id: AgentId
    beneficiary: Role
    at: float

    @property
    def revocation_id(self) -> RevocationId:
        """No id holds a slash (X14i)."""
        return RevocationId(f"{self.framework_id}/{self.task_id}")


@dataclass(frozen=True, slots=True)
class Registry:
    """An agent is in at most one of its three collections, a framework in at most one of its two; times are unix
    seconds."""

    admitted: Mapping[AgentId, AgentInfo] = field(default_factory=dict)
    unreachable: Mapping[AgentId, float] = field(default_factory=dict)
    gone: Mapping[AgentId, float] = field(default_factory=dict)
    deactivated: Mapping[AgentId, Deactivation] = field(default_factory=dict)
    """Those of ``admitted`` and ``unreachable`` that operators have taken out of use (M-OM-12)."""
    frameworks: Mapping[FrameworkId, RegisteredFramework] = field(default_factory=dict)
    removed_frameworks: Mapping[FrameworkId, float] = field(default_factory=dict)
    """Torn down, or out of time: none of them may subscribe again (X18f). Oldest first."""
    machines: Mapping[MachineId, Machine] = field(default_factory=dict)
    """Those that the maintenance schedule names (M-OM-11)."""
    quotas: Mapping[Role, Quota] = field(default_factory=dict)
    """Of top-level roles; never an empty one (M-OM-08)."""
    revocations: Mapping[RevocationId, RegisteredRevocation] = field(default_factory=dict)
    """Under way: the next master goes on with them."""
    weights: Mapping[Role, float] = field(default_factory=dict)
    """As an operator's call has set them; empty until there was one, and the flag holds (M-OM-07)."""
