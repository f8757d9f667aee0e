"""An allocator that failed is made anew from the master's own books (N09).

What a failed module had booked is forgotten with it, so that afterwards what is booked as offered is what is offered.
Where the module can be told of offers they stay good; otherwise they are rescinded first. Refusals are forgotten: who
refused before is asked again.
"""

from __future__ import annotations

from typing import Final

from mesos_service.core.master import books, frameworks, offers
from mesos_service.core.master.deadlines import AllocatorDue, ShadowDue
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.shadow import shadow_of
from mesos_service.core.master.state import MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.domain.ids import FrameworkId
from mesos_service.domain.resources import Resources

PAUSE_SECONDS_MAX: Final = 60.0
"""Between two attempts; the first follows at once, the second after one second, then twice as long each time."""
CALM_SECONDS: Final = 120.0
"""After so long without a failure attempts are counted from the start."""


def report(turn: Turn) -> None:
    """Say what modules did wrong in this step, and plan the next attempt."""
    state = turn.state
    if state.allocator.failures:
        _report(turn, state.allocator, "allocator.failed", "allocator.slow", AllocatorDue())
    shadow = shadow_of(state)
    if shadow is not None and shadow.guard.failures:
        shadow.failures += sum(failure.broken for failure in shadow.guard.failures)
        _report(turn, shadow.guard, "shadow.failed", "shadow.slow", ShadowDue())


def _report(turn: Turn, guard: Guard, failed: str, slow: str, due: AllocatorDue | ShadowDue) -> None:
    failures, guard.failures = guard.failures, []
    for failure in failures:
        turn.note(failed if failure.broken else slow, allocator=guard.name, method=failure.method, error=failure.error)
    if guard.broken and turn.state.timers.deadline(due) is None:
        turn.state.timers.set(due, turn.now + next_pause(guard, turn.now))


def next_pause(guard: Guard, now: float) -> float:
    """Seconds until a guard that has just failed is tried again; counts the attempt."""
    if guard.failed_at is not None and now - guard.failed_at > CALM_SECONDS:
        guard.attempts = 0
    guard.failed_at = now
    pause = 0.0 if guard.attempts == 0 else min(PAUSE_SECONDS_MAX, 2.0 ** (guard.attempts - 1))
    guard.attempts += 1
    return pause


def on_due(turn: Turn) -> None:
    """Try a new instance; when it fails, too, the next attempt is planned as after any failure."""
    state = turn.state
    guard = state.allocator
    if not guard.broken:
        return
    if not guard.takes_offers():
        offers.rescind_all(turn, state.offers.values(), "the allocator failed")
    if tell(state, guard):
        turn.note("allocator.rebuilt", allocator=guard.name, attempts=guard.attempts)
        books.want_full_pass(turn)


def on_shadow_due(turn: Turn) -> None:
    """Try a new instance of the one in shadow."""
    shadow = shadow_of(turn.state)
    if shadow is not None and shadow.guard.broken and tell(turn.state, shadow.guard):
        turn.note("shadow.rebuilt", allocator=shadow.guard.name, attempts=shadow.guard.attempts)


def tell(state: MasterState, guard: Guard) -> bool:
    """Make a new instance, and tell it all that is so; whether it took it."""
    guard.alone = True
    taken = _tell(state, guard)
    guard.alone = False
    return taken


def _tell(state: MasterState, guard: Guard) -> bool:
    if not guard.replace():
        return False
    # A flag may name roles that weigh 1 again since operators have called.
    weights = dict.fromkeys(guard.options.weights, 1.0) | state.weights
    if weights:
        guard.update_weights(weights)
    if guard.knows_quota():
        for role, quota in state.quotas.items():
            guard.update_quota(role, quota)
    for framework in state.frameworks.values():
        guard.add_framework(frameworks.view(framework, state.options), {}, framework.connected)
    for agent in state.agents.values():
        guard.add_agent(books.view(agent), agent.used)
        offered: dict[FrameworkId, Resources] = {}
        for offer in agent.offers.values():
            held = offered.get(offer.framework_id, Resources.EMPTY)
            offered[offer.framework_id] = held + offer.resources
        for framework_id, resources in offered.items():
            guard.add_offer(framework_id, agent.agent_id, resources)
        if not agent.active:
            guard.set_agent_active(agent.agent_id, False)
    guard.repeat_requests()
    return not guard.broken
