"""What a framework wants: offers, no offers, certain resources, to be another than it said (M-SC-05, 06, 12, 13)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mesos_service.core.master import books, frameworks, offers, standbys, validation
from mesos_service.core.master.state import Framework
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import UpdateWhitelist
from mesos_service.core.registry.operations import RecordFramework
from mesos_service.core.registry.registry import RegisteredFramework
from mesos_service.core.scheduler_messages import Request, Revive, Suppress, UpdateFramework
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import FrameworkId, Role


@dataclass(frozen=True, slots=True)
class Change:
    """Waits for ``RecordFramework`` to be stored, as a scheduler waits for the answer to ``request``."""

    framework_id: FrameworkId
    info: FrameworkInfo
    suppressed: frozenset[Role]
    request: int


def on_suppress(turn: Turn, framework: Framework, call: Suppress) -> None:
    """No offers for these roles, or for all; roles that are not the framework's are ignored (M-SC-06)."""
    turn.reply(call.request, 202)
    roles = _own_roles(framework, call.roles)
    if roles:
        framework.suppressed |= frozenset(roles)
        turn.state.allocator.suppress(framework.framework_id, roles)


def on_revive(turn: Turn, framework: Framework, call: Revive) -> None:
    """Offers for these roles, or for all, whatever was refused before (M-SC-05)."""
    turn.reply(call.request, 202)
    roles = _own_roles(framework, call.roles)
    if roles:
        framework.suppressed -= frozenset(roles)
        turn.state.allocator.revive(framework.framework_id, roles)
        books.want_full_pass(turn)


def on_request(turn: Turn, framework: Framework, call: Request) -> None:
    """Whatever comes of it is the allocator's affair (M-SC-12)."""
    turn.reply(call.request, 202)
    turn.state.allocator.request_resources(framework.framework_id, call.requests)


def on_whitelist(turn: Turn, message: UpdateWhitelist) -> None:
    """What the operator wants: these hosts and no others. Offers that are out there stay good (M-AL-15)."""
    turn.state.allocator.update_whitelist(message.hostnames)
    books.want_full_pass(turn)


def _own_roles(framework: Framework, named: tuple[Role, ...]) -> tuple[Role, ...]:
    own = framework.info.roles
    return tuple(role for role in own if role in named) if named else own


def on_update_framework(turn: Turn, framework: Framework, call: UpdateFramework) -> None:
    """Change what the framework says of itself: all of it, or nothing; answered when it is stored (M-SC-13, X18h)."""
    state = turn.state
    framework_id = framework.framework_id
    info = replace(call.framework, framework_id=framework_id)
    refusal = validation.refuse_framework(info, call.suppressed_roles, state.options)
    if refusal is not None:
        turn.reply(call.request, 400, f"FrameworkInfo is not valid: {refusal}")
        return
    newest = frameworks.newest_record(state, framework_id)
    assert newest is not None, "the framework that calls is known"
    refusal = validation.refuse_update(newest.info, info)
    refusal = refusal or validation.refuse_becoming_short(framework, info, state.options)
    if refusal is not None:
        turn.reply(call.request, 400, f"FrameworkInfo update is not valid: {refusal}")
        return
    wanted = Change(framework_id, info, frozenset(call.suppressed_roles), call.request)
    record = RegisteredFramework(info, newest.generation)
    if frameworks.is_stored(state, framework_id, record):
        _change(turn, framework, wanted)
    else:
        frameworks.store(turn, RecordFramework(framework_id, record.info, record.generation), wanted)


def on_change_stored(turn: Turn, number: int, stored: Change) -> None:
    frameworks.was_stored(turn.state, stored.framework_id, number)
    framework = turn.state.frameworks[stored.framework_id]
    _change(turn, framework, stored)
    standbys.see_to_succession(turn, framework)


def _change(turn: Turn, framework: Framework, wanted: Change) -> None:
    turn.reply(wanted.request, 200)
    dropped = set(framework.info.roles).difference(wanted.info.roles)
    offers.rescind_all(turn, [one for one in framework.offers.values() if one.role in dropped], "role dropped")
    # What was offered as to short tasks is not for others.
    changed = framework.info.short_tasks - wanted.info.short_tasks
    offers.rescind_all(turn, [one for one in framework.offers.values() if one.role in changed], "no more short tasks")
    frameworks.change(turn, framework, wanted.info, wanted.suppressed)
    turn.note("framework.updated", framework_id=framework.framework_id, name=wanted.info.name)
    books.want_full_pass(turn)
