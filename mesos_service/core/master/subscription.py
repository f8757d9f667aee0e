"""A framework's connection: subscribing, being replaced, going away.

A framework is known from its first SUBSCRIBE until it is torn down or its failover timeout has passed; in between it
may come and go. Each subscription has a stream with an id of its own, and only the newest one counts. A new framework,
or one that says something new of itself, is stored before it is told that it is subscribed (X16); one that merely comes
back waits for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mesos_service.core.effects import CloseStream, OpenStream, SendScheduler
from mesos_service.core.events import Error, Heartbeat
from mesos_service.core.master import frameworks, operations, standbys, teardown, validation
from mesos_service.core.master.deadlines import FailoverOverdue, HeartbeatDue
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.registry.operations import RecordFramework
from mesos_service.core.registry.registry import RegisteredFramework
from mesos_service.core.scheduler_messages import SchedulerCall, SchedulerDisconnected, Subscribe
from mesos_service.domain.ids import FrameworkId, StreamId


@dataclass(frozen=True, slots=True)
class Subscription:
    """Waits for ``RecordFramework`` to be stored, as a scheduler waits for its stream."""

    framework_id: FrameworkId
    record: RegisteredFramework
    call: Subscribe
    waits: bool
    """It is to stand by."""


# -- who may call --------------------------------------------------------------------------------------------


def admit(turn: Turn, call: SchedulerCall) -> Framework | None:
    """The framework that calls, or ``None`` when the call has been refused; the order of checks is Mesos' (X18a)."""
    framework = turn.state.frameworks.get(call.framework_id)
    if framework is not None and call.principal is not None and call.principal != framework.info.principal:
        whose = framework.info.principal or ""
        turn.reply(
            call.request,
            400,
            f"Authenticated principal '{call.principal}' does not match principal '{whose}' set in `FrameworkInfo`",
        )
        return None
    if framework is not None and framework.stream_id is not None and framework.stream_id == call.stream_id:
        if framework.lease is not None:
            framework.lease.heard_at = turn.now
        return framework
    if framework is None:
        turn.reply(call.request, 400, "Framework cannot be found")
    elif call.framework_id in turn.state.departing:
        turn.reply(call.request, 403, "Framework is being removed")
    elif (standby := framework.standbys.get(StreamId(call.stream_id or ""))) is not None:
        standbys.on_call(turn, framework, standby, call)
    elif (refusal := standbys.refuse_deposed(turn.state, framework, call)) is not None:
        turn.reply(call.request, 403, refusal)
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
    """Open a stream for the framework once it is stored, or for the one event that says why not (M-SC-01, M-SE-06)."""
    state = turn.state
    framework_id = call.framework.framework_id or frameworks.next_id(state)
    newest = frameworks.newest_record(state, framework_id)
    refusal = _refuse(state, call, newest)
    if refusal is not None:
        _turn_away(turn, call, refusal)
        return
    framework = state.frameworks.get(framework_id)
    waits = standbys.stands_by(call, newest)
    if waits and framework is not None:
        standbys.join(turn, framework, call)
        return
    info = replace(call.framework, framework_id=framework_id)
    if newest is not None:
        info = replace(info, user=newest.info.user, checkpoint=newest.info.checkpoint)
    record = RegisteredFramework(info, standbys.token_of(state, call, newest))
    if waits and newest is not None:
        # The framework is in the making: this writes nothing new, and goes on when it is made.
        record = newest
    wanted = Subscription(framework_id, record, call, waits)
    if frameworks.is_stored(state, framework_id, record):
        _subscribe(turn, wanted)
        return
    # It is back in time, however long storing takes.
    state.timers.cancel(FailoverOverdue(framework_id))
    frameworks.store(turn, RecordFramework(framework_id, record.info, record.generation), wanted)


def on_subscription_stored(turn: Turn, number: int, stored: Subscription) -> None:
    state = turn.state
    frameworks.was_stored(state, stored.framework_id, number)
    if stored.framework_id in state.departing:
        _turn_away(turn, stored.call, frameworks.REMOVED)
        return
    _subscribe(turn, stored)
    standbys.see_to_succession(turn, state.frameworks[stored.framework_id])


def _refuse(state: MasterState, call: Subscribe, newest: RegisteredFramework | None) -> str | None:
    info = call.framework
    refusal = validation.refuse_framework(info, call.suppressed_roles, state.options)
    refusal = refusal or validation.refuse_standing(call.lease_seconds, call.fencing_token)
    if refusal is not None or info.framework_id is None:
        return refusal
    if info.framework_id in state.removed_frameworks or info.framework_id in state.departing:
        return frameworks.REMOVED
    if newest is None:
        return None
    known = state.frameworks.get(info.framework_id)
    refusal = validation.refuse_resubscription(newest.info, info)
    return refusal or (validation.refuse_becoming_short(known, info, state.options) if known is not None else None)


def _turn_away(turn: Turn, call: Subscribe, refusal: str) -> None:
    stream_id = StreamId(turn.new_uuid_text())
    turn.do(OpenStream(call.request, None, stream_id))
    turn.do(SendScheduler(stream_id, Error(refusal)))
    turn.do(CloseStream(stream_id))
    turn.note("framework.refused", name=call.framework.name, reason=refusal)


def _subscribe(turn: Turn, wanted: Subscription) -> None:
    """Whatever had to be stored is: the framework is subscribed from here on."""
    state = turn.state
    call, framework_id = wanted.call, wanted.framework_id
    framework = state.frameworks.get(framework_id)
    fact = "framework.resubscribed"
    if framework is None:
        framework = _add(turn, wanted.record)
        fact = "framework.subscribed"
    elif not wanted.waits:
        framework.reregistered_at = turn.now
    if wanted.waits:
        standbys.join(turn, framework, call)
        return
    replaced = framework.stream_id
    if replaced is not None:
        teardown.detach(turn, framework)
        frameworks.end_stream(turn, replaced, "Framework failed over")
        fact = "framework.failed_over"
    stream_id = frameworks.open_stream(turn, call, framework_id, wanted.record.generation)
    frameworks.seat(turn, framework, stream_id, wanted.record, call)
    operations.repeat(turn, framework)
    turn.note(fact, framework_id=framework_id, name=framework.info.name)


def _add(turn: Turn, record: RegisteredFramework) -> Framework:
    """A framework that was never seen; an id it brings along is accepted as it is."""
    state = turn.state
    framework = frameworks.make(state, record.info, turn.now)
    framework.generation = record.generation
    state.frameworks[framework.framework_id] = framework
    state.allocator.add_framework(frameworks.view(framework, state.options), {}, False)
    return framework


def on_heartbeat_due(turn: Turn, deadline: HeartbeatDue) -> None:
    turn.do(SendScheduler(deadline.stream_id, Heartbeat()))
    turn.state.timers.set(deadline, turn.now + turn.state.options.heartbeat_interval_seconds)


# -- going ---------------------------------------------------------------------------------------------------


def on_disconnected(turn: Turn, message: SchedulerDisconnected) -> None:
    """The stream is gone: no offers, and somebody else's turn, or ``failover_timeout`` to come back (X18c, A44)."""
    framework = turn.state.frameworks.get(message.framework_id)
    if framework is None:
        return
    if message.stream_id in framework.standbys:
        standbys.leave(turn, framework, message.stream_id, message.reason)
        return
    if framework.stream_id != message.stream_id:
        return
    teardown.detach(turn, framework)
    turn.note(
        "framework.disconnected",
        framework_id=framework.framework_id,
        name=framework.info.name,
        reason=message.reason,
    )
    standbys.see_to_succession(turn, framework)
    teardown.left_alone(turn, framework)


def on_failover_overdue(turn: Turn, deadline: FailoverOverdue) -> None:
    """Nobody has come back in time; whoever stands by is somebody."""
    framework = turn.state.frameworks.get(deadline.framework_id)
    if framework is not None and not framework.connected and not framework.standbys:
        teardown.begin(turn, framework)
