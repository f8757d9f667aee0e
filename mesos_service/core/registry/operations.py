"""Registry operations: sentences, each saying what it changes (Mesos: ``registry_operations.hpp``).

A registrar applies them in order, stores the result, and answers ``Persisted``; only then does the core act on them
(X16: registry first, memory second).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from mesos_service.core.registry.registry import RegisteredFramework, RegisteredRevocation, Registry
from mesos_service.domain.agents import AgentInfo, Deactivation
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, RevocationId, Role
from mesos_service.domain.machines import Machine, MachineId
from mesos_service.plugins.allocator import Quota


@dataclass(frozen=True, slots=True)
class AdmitAgent:
    agent_id: AgentId
    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class MarkAgentUnreachable:
    agent_id: AgentId
    at: float


@dataclass(frozen=True, slots=True)
class MarkAgentReachable:
    """An unreachable, or a forgotten, agent came back (X17)."""

    agent_id: AgentId
    agent: AgentInfo


@dataclass(frozen=True, slots=True)
class RemoveAgent:
    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class MarkAgentGone:
    """The operator's word that it never comes back (M-OM-13)."""

    agent_id: AgentId
    at: float


@dataclass(frozen=True, slots=True)
class DeactivateAgent:
    """An operator takes an agent out of use, and may have it drained; one that nobody knows stays unknown (M-OM-12)."""

    agent_id: AgentId
    deactivation: Deactivation


@dataclass(frozen=True, slots=True)
class MarkAgentDrained:
    """All tasks of an agent that drains have ended."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class ReactivateAgent:
    """It is in use again."""

    agent_id: AgentId


@dataclass(frozen=True, slots=True)
class PruneAgents:
    """Forget agents that were unreachable or gone for so long that nobody asks for them any more (M-HA-09)."""

    unreachable: tuple[AgentId, ...] = ()
    gone: tuple[AgentId, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordFramework:
    """A framework subscribed, changed, or another of its schedulers was promoted (X18d, N11)."""

    framework_id: FrameworkId
    info: FrameworkInfo
    generation: int = 1


@dataclass(frozen=True, slots=True)
class RemoveFramework:
    """A framework was torn down, or its failover timeout has passed; its id is spent (X18f)."""

    framework_id: FrameworkId
    at: float


@dataclass(frozen=True, slots=True)
class PruneFrameworks:
    """Forget removed frameworks, so that their number stays bounded."""

    removed: tuple[FrameworkId, ...]


@dataclass(frozen=True, slots=True)
class UpdateQuotas:
    """Each role's quota is replaced by another; an empty one takes it away. All of them or none (M-OM-08, X38)."""

    quotas: tuple[tuple[Role, Quota], ...]


@dataclass(frozen=True, slots=True)
class UpdateWeights:
    """These roles have these weights from now on, others keep theirs (M-OM-07, X33)."""

    weights: tuple[tuple[Role, float], ...]


@dataclass(frozen=True, slots=True)
class RecordRevocations:
    """These tasks are going to be revoked; stored before the first of them is killed (B36d)."""

    revocations: tuple[RegisteredRevocation, ...]


@dataclass(frozen=True, slots=True)
class ForgetRevocations:
    """These tasks are no longer there."""

    revocation_ids: tuple[RevocationId, ...]


@dataclass(frozen=True, slots=True)
class UpdateMachines:
    """The maintenance schedule has become this one; ``struck`` are not in it any more (M-OM-11)."""

    machines: tuple[tuple[MachineId, Machine], ...]
    struck: tuple[MachineId, ...] = ()


Operation = (
    AdmitAgent
    | MarkAgentUnreachable
    | MarkAgentReachable
    | RemoveAgent
    | MarkAgentGone
    | DeactivateAgent
    | MarkAgentDrained
    | ReactivateAgent
    | PruneAgents
    | RecordFramework
    | RemoveFramework
    | PruneFrameworks
    | UpdateQuotas
    | UpdateWeights
    | RecordRevocations
    | ForgetRevocations
    | UpdateMachines
)


def apply(registry: Registry, operations: Iterable[Operation]) -> Registry:
    """The registry after ``operations``, in order; applying one twice changes nothing more.

    Copies once for all of them: admitting many agents one by one would be quadratic.
    """
    admitted, unreachable, gone = dict(registry.admitted), dict(registry.unreachable), dict(registry.gone)
    deactivated = dict(registry.deactivated)
    frameworks, removed = dict(registry.frameworks), dict(registry.removed_frameworks)
    quotas, weights = dict(registry.quotas), dict(registry.weights)
    revocations = dict(registry.revocations)
    machines = dict(registry.machines)
    for operation in operations:
        match operation:
            case AdmitAgent(agent_id, agent) | MarkAgentReachable(agent_id, agent):
                unreachable.pop(agent_id, None)
                gone.pop(agent_id, None)
                admitted[agent_id] = agent
            case MarkAgentUnreachable(agent_id, at):
                admitted.pop(agent_id, None)
                if agent_id not in gone:
                    unreachable.setdefault(agent_id, at)
            case RemoveAgent(agent_id):
                admitted.pop(agent_id, None)
                unreachable.pop(agent_id, None)
                deactivated.pop(agent_id, None)
            case DeactivateAgent(agent_id, deactivation):
                if agent_id in admitted or agent_id in unreachable:
                    deactivated[agent_id] = deactivation
            case MarkAgentDrained(agent_id):
                if agent_id in deactivated:
                    deactivated[agent_id] = replace(deactivated[agent_id], drained=True)
            case ReactivateAgent(agent_id):
                deactivated.pop(agent_id, None)
            case MarkAgentGone(agent_id, at):
                admitted.pop(agent_id, None)
                unreachable.pop(agent_id, None)
                deactivated.pop(agent_id, None)
                gone.setdefault(agent_id, at)
            case PruneAgents(from_unreachable, from_gone):
                for agent_id in from_unreachable:
                    unreachable.pop(agent_id, None)
                    deactivated.pop(agent_id, None)
                for agent_id in from_gone:
                    gone.pop(agent_id, None)
            case RecordFramework(framework_id, info, generation):
                removed.pop(framework_id, None)
                frameworks[framework_id] = RegisteredFramework(info, generation)
            case RemoveFramework(framework_id, at):
                frameworks.pop(framework_id, None)
                removed.setdefault(framework_id, at)
            case PruneFrameworks(framework_ids):
                for framework_id in framework_ids:
                    removed.pop(framework_id, None)
            case UpdateQuotas(changed):
                for role, quota in changed:
                    if quota:
                        quotas[role] = quota
                    else:
                        quotas.pop(role, None)
            case UpdateMachines(changed_machines, struck):
                machines.update(changed_machines)
                for machine in struck:
                    machines.pop(machine, None)
            case UpdateWeights(changed_weights):
                weights.update(changed_weights)
            case RecordRevocations(decided):
                revocations.update((one.revocation_id, one) for one in decided)
            case ForgetRevocations(revocation_ids):
                for revocation_id in revocation_ids:
                    revocations.pop(revocation_id, None)
            case _:
                assert_never(operation)
    return replace(
        registry,
        admitted=admitted,
        unreachable=unreachable,
        gone=gone,
        deactivated=deactivated,
        frameworks=frameworks,
        removed_frameworks=removed,
        quotas=quotas,
        weights=weights,
        revocations=revocations,
        machines=machines,
    )
