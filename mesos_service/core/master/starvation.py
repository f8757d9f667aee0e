"""Frameworks that want offers and get none for long are told of, with the reason (N08).

The reason is that of the next full pass, which is listened to as for anybody who asks (``explaining``). A framework is
told of once for each time that it starves, which ends with an offer, or when it wants none any more.

With ``--starvation_boost`` it comes before all others until then, whatever they hold; guarantees and limits still come
first.
"""

from __future__ import annotations

from typing import Final

from mesos_service.core.master import books, frameworks
from mesos_service.core.master.deadlines import StarvationDue
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.domain.ids import FrameworkId

LOOKS: Final = 8
"""So often frameworks are looked at in the time after which they starve."""


def plan(state: MasterState, now: float) -> None:
    """Set the first look, where starving is to be told of at all."""
    seconds = state.options.starvation_seconds
    if seconds is not None:
        state.timers.set(StarvationDue(), now + seconds / LOOKS)


def on_due(turn: Turn) -> None:
    """Look who has been waiting for how long. Linear in frameworks."""
    state, now = turn.state, turn.now
    plan(state, now)
    limit = state.options.starvation_seconds
    assert limit is not None, "it was planned"
    waiting = {
        framework_id: max(state.waiting_since.get(framework_id, now), framework.offered_at or 0.0)
        for framework_id, framework in state.frameworks.items()
        if _wants(framework)
    }
    state.waiting_since = waiting
    for framework_id in [one for one in state.starving if one not in waiting or now - waiting[one] < limit]:
        del state.starving[framework_id]
        _come_first(state, framework_id, False)
    for framework_id, since in waiting.items():
        if now - since >= limit and framework_id not in state.starving:
            state.starving[framework_id] = since
            _come_first(state, framework_id, state.options.starvation_boost)
            state.questions.setdefault(framework_id, [])
            books.want_full_pass(turn)


def after_pass(turn: Turn) -> None:
    """Those who have now what they waited for come first no more."""
    state = turn.state
    for framework_id in state.starving:
        framework = state.frameworks.get(framework_id)
        if framework is not None and framework.offers:
            _come_first(state, framework_id, False)


def _come_first(state: MasterState, framework_id: FrameworkId, aged: bool) -> None:
    framework = state.frameworks.get(framework_id)
    if framework is not None and framework.aged is not aged:
        framework.aged = aged
        state.allocator.update_framework(frameworks.view(framework, state.options))


def _wants(framework: Framework) -> bool:
    """It is connected, in a role that it has not suppressed, and holds no offer that it could answer."""
    return framework.connected and not framework.offers and bool(set(framework.info.roles) - framework.suppressed)
