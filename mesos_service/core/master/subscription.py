"""A framework's connection: subscribing, being replaced, going away, changing what it said of itself.

A framework is known from its first SUBSCRIBE until it is torn down or its failover timeout has passed; in between it
may come and go. Each subscription has a stream with an id of its own, and only the newest one counts.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from mesos_service.core.effects import CloseStream, OpenStream, SendScheduler
from mesos_service.core.events import Error, Heartbeat, Subscribed
from mesos_service.core.link import FrameworkUpdated
from mesos_service.core.master import books, offers, passes, teardown, validation
from mesos_service.core.master.deadlines import FailoverOverdue, HeartbeatDue
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import (
    Request,
    Revive,
    SchedulerCall,
    SchedulerDisconnected,
    Subscribe,
    Suppress,
    UpdateFramework,
)
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import FrameworkId, Role, StreamId
from mesos_service.plugins.allocator import FrameworkView

# -- who may call --------------------------------------------------------------------------------------------


def admit(turn: Turn, call: SchedulerCall) -> Framework | None:
    """The framework that calls, or ``None`` when the call has been refused; the order of checks is Mesos' (X18a)."""
    framework = turn.state.frameworks.get(call.framework_id)
    if framework is not None and framework.stream_id is not None and framework.stream_id == call.stream_id:
        return framework
    if framework is None:
        turn.reply(call.request, 400, "Framework cannot be found")
    elif framework.stream_id is None:
        turn.reply(call.request, 403, "Framework is not subscribed")
    elif call.stream_id is None:
        turn.reply(call.request, 400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
    else:
        turn.reply(
            call.request,
            400,
            f"The stream ID '{call.stream_id}' included in this request didn't match the stream ID currently"
            f" associated with framework ID {call.framework_id}",
        )
    return None


# -- coming --------------------------------------------------------------------------------------------------


def on_subscribe(turn: Turn, call: Subscribe) -> None:
    """Open a stream for the framework, or for the one event that says why not (M-SC-01, M-SE-06)."""
    state = turn.state
    stream_id = StreamId(turn.new_uuid_text())
    refusal = _refuse(state, call)
    if refusal is not None:
        turn.do(OpenStream(call.request, None, stream_id))
        turn.do(SendScheduler(stream_id, Error(refusal)))
        turn.do(CloseStream(stream_id))
        turn.note("framework.refused", name=call.framework.name, reason=refusal)
        return
    framework_id = call.framework.framework_id
    framework = state.frameworks.get(framework_id) if framework_id is not None else None
    if framework is None:
        framework = _add(turn, call)
    else:
        _take_up(turn, framework, call)
    framework.stream_id = stream_id
    framework.principal = call.principal or framework.info.principal
    state.streams[stream_id] = framework.framework_id
    interval = state.options.heartbeat_interval_seconds
    turn.do(OpenStream(call.request, framework.framework_id, stream_id))
    turn.do(SendScheduler(stream_id, Subscribed(framework.framework_id, interval)))
    turn.do(SendScheduler(stream_id, Heartbeat()))
    state.timers.set(HeartbeatDue(stream_id), turn.now + interval)
    passes.plan(state, turn.now)
    books.want_full_pass(turn)


def _refuse(state: MasterState, call: Subscribe) -> str | None:
    info = call.framework
    refusal = validation.refuse_framework(info, call.suppressed_roles, state.options)
    if refusal is not None or info.framework_id is None:
        return refusal
    if info.framework_id in state.completed_frameworks:
        return "Framework has been removed"
    known = state.frameworks.get(info.framework_id)
    return validation.refuse_resubscription(known.info, info) if known is not None else None


def _add(turn: Turn, call: Subscribe) -> Framework:
    """A framework that was never seen; an id it brings along is accepted as it is."""
    state = turn.state
    framework_id = call.framework.framework_id or _next_id(state)
    framework = make(state, replace(call.framework, framework_id=framework_id), turn.now)
    framework.suppressed = frozenset(call.suppressed_roles)
    state.frameworks[framework_id] = framework
    state.allocator.add_framework(view(framework), {}, True)
    turn.note("framework.subscribed", framework_id=framework_id, name=framework.info.name)
    return framework


def _take_up(turn: Turn, framework: Framework, call: Subscribe) -> None:
    """A framework comes back, or another instance of it takes its place (X18b, X18e, X18g)."""
    state = turn.state
    framework_id = framework.framework_id
    replaced = framework.stream_id
    if replaced is not None:
        turn.do(SendScheduler(replaced, Error("Framework failed over")))
        turn.do(CloseStream(replaced))
        teardown.detach(turn, framework)
    state.timers.cancel(FailoverOverdue(framework_id))
    framework.reregistered_at = turn.now
    framework.recovered = False
    info = replace(
        call.framework,
        framework_id=framework_id,
        user=framework.info.user,
        checkpoint=framework.info.checkpoint,
    )
    _change(turn, framework, info, frozenset(call.suppressed_roles))
    state.allocator.set_framework_active(framework_id, True)
    fact = "framework.failed_over" if replaced is not None else "framework.resubscribed"
    turn.note(fact, framework_id=framework_id, name=info.name)


def _next_id(state: MasterState) -> FrameworkId:
    while True:
        framework_id = FrameworkId(f"{state.master_id}-{state.framework_counter:04d}")
        state.framework_counter += 1
        # A framework may have brought this very id along.
        if framework_id not in state.frameworks and framework_id not in state.completed_frameworks:
            return framework_id


def make(state: MasterState, info: FrameworkInfo, now: float) -> Framework:
    """A framework's record; ``info`` has its id."""
    assert info.framework_id is not None, "whoever makes a record has given an id"
    return Framework(
        framework_id=info.framework_id,
        info=info,
        stream_id=None,
        registered_at=now,
        principal=info.principal,
        completed_tasks=deque(maxlen=state.options.max_completed_tasks_per_framework),
    )


def view(framework: Framework) -> FrameworkView:
    """What the allocator may know of it."""
    info = framework.info
    return FrameworkView(
        framework_id=framework.framework_id,
        roles=frozenset(info.roles),
        suppressed=framework.suppressed,
        capabilities=info.capabilities,
        min_allocatable=info.min_allocatable,
    )


def on_heartbeat_due(turn: Turn, deadline: HeartbeatDue) -> None:
    turn.do(SendScheduler(deadline.stream_id, Heartbeat()))
    turn.state.timers.set(deadline, turn.now + turn.state.options.heartbeat_interval_seconds)


# -- going ---------------------------------------------------------------------------------------------------


def on_disconnected(turn: Turn, message: SchedulerDisconnected) -> None:
    """The stream is gone: no offers, and ``failover_timeout`` to come back; by default none at all (X18c)."""
    framework = turn.state.frameworks.get(message.framework_id)
    if framework is None or framework.stream_id != message.stream_id:
        return
    teardown.detach(turn, framework)
    turn.note(
        "framework.disconnected",
        framework_id=framework.framework_id,
        name=framework.info.name,
        reason=message.reason,
    )
    timeout = framework.info.failover_timeout_seconds
    if timeout > 0:
        turn.state.timers.set(FailoverOverdue(framework.framework_id), turn.now + timeout)
    else:
        teardown.remove(turn, framework)


def on_failover_overdue(turn: Turn, deadline: FailoverOverdue) -> None:
    framework = turn.state.frameworks.get(deadline.framework_id)
    if framework is not None and not framework.connected:
        teardown.remove(turn, framework)


# -- what it wants -------------------------------------------------------------------------------------------


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


def _own_roles(framework: Framework, named: tuple[Role, ...]) -> tuple[Role, ...]:
    own = framework.info.roles
    return tuple(role for role in own if role in named) if named else own


def on_update_framework(turn: Turn, framework: Framework, call: UpdateFramework) -> None:
    """Change what the framework says of itself: all of it, or nothing (M-SC-13, X18h)."""
    info = replace(call.framework, framework_id=framework.framework_id)
    refusal = validation.refuse_framework(info, call.suppressed_roles, turn.state.options)
    if refusal is not None:
        turn.reply(call.request, 400, f"FrameworkInfo is not valid: {refusal}")
        return
    refusal = validation.refuse_update(framework.info, info)
    if refusal is not None:
        turn.reply(call.request, 400, f"FrameworkInfo update is not valid: {refusal}")
        return
    turn.reply(call.request, 200)
    dropped = set(framework.info.roles).difference(info.roles)
    offers.rescind_all(turn, [one for one in framework.offers.values() if one.role in dropped], "role dropped")
    _change(turn, framework, info, frozenset(call.suppressed_roles))
    turn.note("framework.updated", framework_id=framework.framework_id, name=info.name)
    books.want_full_pass(turn)


def _change(turn: Turn, framework: Framework, info: FrameworkInfo, suppressed: frozenset[Role]) -> None:
    """Take over new information, and tell the agents that run something of the framework.

    They are told even of nothing new: an agent takes it as a sign that somebody listens again, and repeats at once
    what is not acknowledged, instead of when its back-off has run out (X02).
    """
    state = turn.state
    framework.info = info
    framework.suppressed = suppressed
    state.allocator.update_framework(view(framework))
    for agent_id in teardown.agents_of(framework):
        turn.tell_agent(state.agents[agent_id], FrameworkUpdated(info))
