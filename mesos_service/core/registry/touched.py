"""Which entries of the registry operations may have changed, so that a store writes those and no others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

from mesos_service.core.registry.operations import (
    AdmitAgent,
    DeactivateAgent,
    ForgetRevocations,
    MarkAgentDrained,
    MarkAgentGone,
    MarkAgentReachable,
    MarkAgentUnreachable,
    Operation,
    PruneAgents,
    PruneFrameworks,
    ReactivateAgent,
    RecordFramework,
    RecordRevocations,
    RemoveAgent,
    RemoveFramework,
    UpdateMachines,
    UpdateQuotas,
    UpdateWeights,
)
from mesos_service.domain.ids import AgentId, FrameworkId, RevocationId, Role
from mesos_service.domain.machines import MachineId


@dataclass(frozen=True, slots=True)
class Touched:
    """Keys whose entries may differ afterwards, in whichever collection; all others are as before."""

    agents: frozenset[AgentId]
    frameworks: frozenset[FrameworkId]
    roles: frozenset[Role]
    revocations: frozenset[RevocationId]
    machines: frozenset[MachineId]


def touched(operations: Iterable[Operation]) -> Touched:
    """What :func:`~mesos_service.core.registry.operations.apply` may change when it is given ``operations``."""
    agents: set[AgentId] = set()
    frameworks: set[FrameworkId] = set()
    roles: set[Role] = set()
    revocations: set[RevocationId] = set()
    machines: set[MachineId] = set()
    for operation in operations:
        match operation:
            case AdmitAgent() | MarkAgentReachable() | MarkAgentUnreachable() | RemoveAgent() | MarkAgentGone():
                agents.add(operation.agent_id)
            case DeactivateAgent() | MarkAgentDrained() | ReactivateAgent():
                agents.add(operation.agent_id)
            case PruneAgents(unreachable, gone):
                agents.update(unreachable, gone)
            case RecordFramework() | RemoveFramework():
                frameworks.add(operation.framework_id)
            case PruneFrameworks(removed):
                frameworks.update(removed)
            case UpdateQuotas(quotas):
                roles.update(role for role, _ in quotas)
            case UpdateMachines(changed, struck):
                machines.update(struck, (machine for machine, _ in changed))
            case UpdateWeights(weights):
                roles.update(role for role, _ in weights)
            case RecordRevocations(decided):
                revocations.update(one.revocation_id for one in decided)
            case ForgetRevocations(revocation_ids):
                revocations.update(revocation_ids)
            case _:
                assert_never(operation)
    return Touched(
        agents=frozenset(agents),
        frameworks=frozenset(frameworks),
        roles=frozenset(roles),
        revocations=frozenset(revocations),
        machines=frozenset(machines),
    )
