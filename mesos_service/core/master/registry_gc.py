"""The registry is kept small: agents that left long ago are forgotten (M-HA-09).

Questions about their tasks are answered UNKNOWN from then on, and one that comes back after all is admitted like one
that was never heard of (X15f, X17). Of those that were marked gone, too: the operator's word lasts for
``--registry_max_agent_age``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mesos_service.core.master.deadlines import RegistryGcDue
from mesos_service.core.master.state import MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.registry.operations import PruneAgents
from mesos_service.domain.ids import AgentId


@dataclass(frozen=True, slots=True)
class Pruned:
    """Waits for this ``PruneAgents`` to be stored."""

    operation: PruneAgents


def on_gc_due(turn: Turn) -> None:
    """Forget who left more than ``--registry_max_agent_age`` ago, and the oldest of more than
    ``--registry_max_agent_count``."""
    state = turn.state
    state.timers.set(RegistryGcDue(), turn.now + state.options.registry_gc_interval_seconds)
    operation = PruneAgents(
        _to_forget(state, state.unreachable, turn.now),
        _to_forget(state, state.gone, turn.now),
    )
    if operation.unreachable or operation.gone:
        turn.persist(operation, Pruned(operation))


def on_pruned(turn: Turn, stored: Pruned) -> None:
    state, operation = turn.state, stored.operation
    forgotten = dict.fromkeys(operation.unreachable)
    for agent_id in operation.unreachable:
        state.unreachable.pop(agent_id, None)
        state.deactivated.pop(agent_id, None)
    for agent_id in operation.gone:
        state.gone.pop(agent_id, None)
    for framework in state.frameworks.values():
        for task in [one for one in framework.unreachable_tasks.values() if one.agent_id in forgotten]:
            del framework.unreachable_tasks[task.info.task_id]
    turn.note("registry.pruned", unreachable=len(operation.unreachable), gone=len(operation.gone))


def _to_forget(state: MasterState, left: Mapping[AgentId, float], now: float) -> tuple[AgentId, ...]:
    """``left`` is in order of time. An agent about which something else is being stored is looked at next time."""
    options = state.options
    too_many = len(left) - options.registry_max_agent_count
    return tuple(
        agent_id
        for position, (agent_id, at) in enumerate(left.items())
        if (position < too_many or now - at > options.registry_max_agent_age_seconds)
        and agent_id not in state.leaving
        and agent_id not in state.registering
    )
