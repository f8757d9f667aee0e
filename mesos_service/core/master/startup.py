"""A master begins to lead: what the registry says becomes its memory, and all else comes back by itself (A42, X24).

The registry says which agents there are, not what runs on them. Until an agent is back, its tasks may be in any state,
so that questions about them are met with silence (X15b). Agents have ``--agent_reregister_timeout`` for coming back;
those that do not are marked unreachable then, unless so many are missing that the master itself must be what is cut
off: it gives up, and another may see them (M-HA-07).
"""

from __future__ import annotations

from mesos_service.core.effects import Exit
from mesos_service.core.master import addresses, frameworks, policy, removals, revoking, starvation
from mesos_service.core.master.deadlines import RecoveryOverdue, RegistryGcDue
from mesos_service.core.master.state import MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.registry.registry import Registry


def start(state: MasterState, registry: Registry, now: float) -> None:
    """Fill the memory of a master that has just been elected; ``state`` is new and has stepped nothing.

    ``now`` is unix seconds, the first of those that ``step`` is given. Nothing is to be done at once: what follows
    comes with ticks, so whoever calls plans the first by ``next_deadline``.
    """
    assert not state.agents and not state.operation_counter, "a master starts once"
    state.registry = registry
    state.recovered = dict(registry.admitted)
    for agent_id, info in state.recovered.items():
        addresses.enter(state, agent_id, info)
    state.unreachable = dict(sorted(registry.unreachable.items(), key=lambda entry: entry[1]))
    state.gone = dict(sorted(registry.gone.items(), key=lambda entry: entry[1]))
    state.deactivated = dict(registry.deactivated)
    state.machines = dict(registry.machines)
    policy.recover(state, registry)
    revoking.recover(state, registry, now)
    starvation.plan(state, now)
    frameworks.recover_registered(state, registry, now)
    state.allocator.expect_agents(len(state.recovered), now)
    if state.recovered:
        state.timers.set(RecoveryOverdue(), now + state.options.agent_reregister_timeout_seconds)
    state.timers.set(RegistryGcDue(), now + state.options.registry_gc_interval_seconds)


def on_recovery_overdue(turn: Turn) -> None:
    """Who is not back by now is marked unreachable, as fast as the rate limit allows, or the master gives up."""
    state = turn.state
    missing = [agent_id for agent_id in state.recovered if agent_id not in state.registering]
    known, limit = len(state.registry.admitted), state.options.recovery_agent_removal_limit
    if len(missing) / known > limit:
        turn.note("master.gave_up", missing=len(missing), known=known)
        turn.do(
            Exit(
                1,
                f"{len(missing)} of the {known} agents in the registry ({len(missing) / known:.0%}) did not come back"
                " to this master within --agent_reregister_timeout; --recovery_agent_removal_limit lets it mark at most"
                f" {limit:.0%} unreachable. See whether agents can reach this master, then start it again",
            )
        )
        state.ended = True
        return
    for agent_id in missing:
        removals.schedule(turn, agent_id, "agent did not come back to a new master in time")
