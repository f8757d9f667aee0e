"""Frameworks that want offers and get none for long are told of, with the reason (N08).

The reason is that of the next full pass, which is listened to as for anybody who asks (``explaining``). A framework is
told of once for each time that it starves, which ends with an offer, or when it wants none any more.
"""

from __future__ import annotations

from typing import Final

from mesos_service.core.master import books
from mesos_service.core.master.deadlines import StarvationDue
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.core.master.turn import Turn

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
    for framework_id, since in waiting.items():
        if now - since >= limit and framework_id not in state.starving:
            state.starving[framework_id] = since
            state.questions.setdefault(framework_id, [])
            books.want_full_pass(turn)


def _wants(framework: Framework) -> bool:
    """It is connected, in a role that it has not suppressed, and holds no offer that it could answer."""
    return framework.connected and not framework.offers and bool(set(framework.info.roles) - framework.suppressed)
