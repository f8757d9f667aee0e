"""Registry operations: sentences, each saying what it changes (Mesos: ``registry_operations.hpp``).

A registrar applies them in order, stores the result, and answers ``Persisted``; only then does the core act on them
(X16: registry first, memory second).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import assert_never

from mesos_service.core.registry.registry import Registry
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import AgentId


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


Operation = AdmitAgent | MarkAgentUnreachable | MarkAgentReachable | RemoveAgent


def apply(registry: Registry, operations: Iterable[Operation]) -> Registry:
    """The registry after ``operations``, in order; applying one twice changes nothing more.

    Copies once for all of them: admitting many agents one by one would be quadratic.
    """
    admitted, unreachable = dict(registry.admitted), dict(registry.unreachable)
    for operation in operations:
        match operation:
            case AdmitAgent(agent_id, agent) | MarkAgentReachable(agent_id, agent):
                unreachable.pop(agent_id, None)
                admitted[agent_id] = agent
            case MarkAgentUnreachable(agent_id, at):
                admitted.pop(agent_id, None)
                unreachable.setdefault(agent_id, at)
            case RemoveAgent(agent_id):
                admitted.pop(agent_id, None)
                unreachable.pop(agent_id, None)
            case _:
                assert_never(operation)
    return replace(registry, admitted=admitted, unreachable=unreachable)
