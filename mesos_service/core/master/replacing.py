"""Modules whose files have changed take the place of those that run (N09): nothing that runs or is offered is lost.

An allocator that will not take what is so, or fails while it is told, leaves its place to the one that was there
before, which is made anew and told the same. Standing filters are made anew of the parameters that frameworks gave;
where the new module refuses those, the filter that stood goes on standing.
"""

from __future__ import annotations

from mesos_service.core.master import books, filtering, frameworks, offers, rebuilding
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.shadow import shadow_of
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import NewAllocator, ReplaceModules
from mesos_service.plugins.allocator import Allocator


def on_replace(turn: Turn, message: ReplaceModules) -> None:
    state = turn.state
    # Filters first: what an allocator is told of frameworks has them in it.
    _replace_filters(turn, message)
    if message.allocator is not None:
        # Of one that cannot be told of offers there must be none, whichever of the two it is in the end.
        if not all(
            type(one).add_offer is not Allocator.add_offer for one in (message.allocator.module, state.allocator.module)
        ):
            offers.rescind_all(turn, state.offers.values(), "the allocator is replaced")
        _replace(turn, state.allocator, message.allocator, "allocator")
        books.want_full_pass(turn)
    shadow = shadow_of(state)
    if message.shadow is not None and shadow is not None:
        _replace(turn, shadow.guard, message.shadow, "shadow")


def _replace(turn: Turn, guard: Guard, new: NewAllocator, kind: str) -> None:
    before = NewAllocator(guard.module, guard.config)
    guard.adopt(new.module, new.config)
    if rebuilding.tell(turn.state, guard):
        guard.attempts = 0
        turn.note("module.replaced", kind=kind, name=guard.name)
        return
    failures, guard.failures = guard.failures, []
    for failure in failures:
        turn.note("module.kept", kind=kind, name=guard.name, method=failure.method, error=failure.error)
    guard.adopt(before.module, before.config)
    # Should it fail as well, that is a failure as any other, and it is tried again.
    rebuilding.tell(turn.state, guard)


def _replace_filters(turn: Turn, message: ReplaceModules) -> None:
    state = turn.state
    before = state.options.offer_filters
    changed = {name for name, kind in message.offer_filters.items() if before.get(name) is not kind}
    if not changed:
        return
    state.options = filtering.with_kinds(state.options, message.offer_filters)
    for name in sorted(changed):
        turn.note("module.replaced", kind="offer_filter", name=name)
    for framework in [one for one in state.frameworks.values() if changed & filtering.named(one.info)]:
        refused = filtering.renew(framework, state.options)
        if refused is not None:
            turn.note("module.kept", kind="offer_filter", framework_id=framework.framework_id, error=refused)
            continue
        state.allocator.update_framework(frameworks.view(framework, state.options))
        books.want_full_pass(turn)
