"""Several schedulers of one framework: one acts, the others stand by, and the master says who takes over (A44, N11).

The Mesos paper lets a framework register several schedulers, and has the master tell another to take over when one
fails (section 3.6); Apache Mesos leaves that to the framework. Only schedulers that ask for it see any of this
(``docs/standby_schedulers.md``).

At most one scheduler of a framework acts at any time. Each that acts has a fencing token, the generation of the
framework's record in the registry: it is stored before it is told, hence larger than every token that was told before,
by this master or an earlier one. Who comes with an older token than the newest stands by; who comes with the newest
acts on, as nobody else has since. A stream stands for its scheduler's token, so that calls need not repeat it: those on
a stream whose scheduler was deposed are refused, and say why.

The one that acts is lost when its stream ends. One that hangs keeps its stream: if it has promised to call every so
often, and did not, it is deposed, as soon as another one can take its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from mesos_service.core.effects import SendScheduler
from mesos_service.core.events import Promoted
from mesos_service.core.master import frameworks, operations, teardown
from mesos_service.core.master.deadlines import GraceOver, HeartbeatDue, LeaseDue
from mesos_service.core.master.state import Framework, MasterState, Standby
from mesos_service.core.master.turn import Turn
from mesos_service.core.registry.operations import RecordFramework
from mesos_service.core.registry.registry import RegisteredFramework
from mesos_service.core.scheduler_messages import SchedulerCall, SchedulerHeartbeat, Subscribe
from mesos_service.domain.ids import FrameworkId, StreamId

LATE: Final = 0.25
"""A lease is looked at later than planned by more than this part of it: the master itself was not awake, and calls may
wait to be read."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """Waits for ``RecordFramework`` to be stored."""

    framework_id: FrameworkId
    record: RegisteredFramework
    stream_id: StreamId
    call: Subscribe


# -- who acts ------------------------------------------------------------------------------------------------


def stands_by(call: Subscribe, newest: RegisteredFramework | None) -> bool:
    """Whether a scheduler that subscribes waits for its turn, rather than acts at once."""
    if call.fencing_token is None:
        return call.mode == "STANDBY"
    return newest is not None and call.fencing_token < newest.generation


def token_of(state: MasterState, call: Subscribe, newest: RegisteredFramework | None) -> int:
    """The token of a scheduler that acts at once: its own, if it holds the newest, else one that nobody has held.

    Among schedulers that know nothing of tokens there is nothing to fence off, and nothing to store for it. A token
    newer than the newest is one of a registry that was lost since.
    """
    if newest is None:
        return max(1, call.fencing_token or 0)
    if call.fencing_token is not None:
        return max(newest.generation, call.fencing_token)
    assert newest.info.framework_id is not None, "records have an id"
    framework = state.frameworks.get(newest.info.framework_id)
    fenced = framework is not None and (framework.fenced or bool(framework.standbys))
    return newest.generation + 1 if fenced or frameworks.knows_of_tokens(call) else max(1, newest.generation)


def refuse_deposed(state: MasterState, framework: Framework, call: SchedulerCall) -> str | None:
    """Why a call of a scheduler that acted once is refused, if that is what it is."""
    held = framework.deposed.get(StreamId(call.stream_id or ""))
    newest = frameworks.newest_record(state, framework.framework_id)
    if held is None or newest is None or held >= newest.generation:
        return None
    return (
        f"Fencing token {held} is no longer valid: another scheduler of framework {framework.framework_id} acts with"
        f" token {newest.generation}"
    )


# -- standing by ---------------------------------------------------------------------------------------------


def join(turn: Turn, framework: Framework, call: Subscribe) -> None:
    """Have a scheduler stand by, behind those that do already; it is promoted at once if nobody acts."""
    state = turn.state
    stream_id = frameworks.open_stream(turn, call, framework.framework_id, None)
    lease = frameworks.new_lease(call, turn.now)
    if framework.recovered and not framework.standbys:
        state.timers.set(GraceOver(framework.framework_id), turn.now + state.options.standby_grace_seconds)
    framework.standbys[stream_id] = Standby(stream_id, call, turn.now, lease)
    turn.note("standby.joined", framework_id=framework.framework_id, name=call.framework.name)
    see_to_succession(turn, framework)


def leave(turn: Turn, framework: Framework, stream_id: StreamId, reason: str) -> None:
    """A scheduler that stood by is gone."""
    state = turn.state
    del framework.standbys[stream_id]
    del state.streams[stream_id]
    state.timers.cancel(HeartbeatDue(stream_id))
    turn.note("standby.left", framework_id=framework.framework_id, name=framework.info.name, reason=reason)
    teardown.left_alone(turn, framework)


def on_call(turn: Turn, framework: Framework, standby: Standby, call: SchedulerCall) -> None:
    """All that a scheduler may say while it stands by is that it is alive."""
    if not isinstance(call, SchedulerHeartbeat):
        turn.reply(
            call.request,
            403,
            f"This scheduler stands by for framework {framework.framework_id}: until it is promoted it may only send"
            " HEARTBEAT",
        )
        return
    turn.reply(call.request, 202)
    if standby.lease is not None:
        standby.lease.heard_at = turn.now
    see_to_succession(turn, framework)


# -- taking over ---------------------------------------------------------------------------------------------


def see_to_succession(turn: Turn, framework: Framework) -> None:
    """Have the first live standby take over if nobody acts, or the one that should has broken its promise.

    While something is being stored about the framework it is not known yet who will act: this is asked again then.
    """
    state = turn.state
    framework_id = framework.framework_id
    if framework_id in state.recording or state.timers.deadline(GraceOver(framework_id)) is not None:
        return
    if framework.connected and not _hangs(framework, turn.now):
        return
    heir = next((one for one in framework.standbys.values() if one.is_alive(turn.now)), None)
    if heir is None:
        return
    if framework.stream_id is not None and framework.lease is not None:
        _depose(turn, framework, framework.stream_id, framework.lease.seconds)
    old = framework.info
    info = replace(heir.call.framework, framework_id=framework_id, user=old.user, checkpoint=old.checkpoint)
    record = RegisteredFramework(info, framework.generation + 1)
    promotion = Promotion(framework_id, record, heir.stream_id, heir.call)
    frameworks.store(turn, RecordFramework(framework_id, info, record.generation), promotion)


def _hangs(framework: Framework, now: float) -> bool:
    lease = framework.lease
    return lease is not None and lease.lapsed and not lease.holds(now)


def _depose(turn: Turn, framework: Framework, stream_id: StreamId, lease_seconds: float) -> None:
    teardown.detach(turn, framework)
    frameworks.end_stream(turn, stream_id, f"Deposed: no call within the lease of {lease_seconds:g} s")
    turn.note("framework.deposed", framework_id=framework.framework_id, name=framework.info.name)


def on_promotion_stored(turn: Turn, number: int, stored: Promotion) -> None:
    """The token is durable, so it may be told, unless its holder is gone again: then it is nobody's."""
    state = turn.state
    frameworks.was_stored(state, stored.framework_id, number)
    framework = state.frameworks[stored.framework_id]
    heir = framework.standbys.get(stored.stream_id)
    if heir is None or stored.framework_id in state.departing:
        framework.generation = stored.record.generation
        frameworks.change(turn, framework, stored.record.info, frozenset(stored.call.suppressed_roles))
        teardown.left_alone(turn, framework)
    else:
        del framework.standbys[stored.stream_id]
        framework.reregistered_at = turn.now
        turn.do(SendScheduler(stored.stream_id, Promoted(stored.framework_id, stored.record.generation)))
        frameworks.seat(turn, framework, stored.stream_id, stored.record, stored.call)
        operations.repeat(turn, framework)
        turn.note(
            "framework.promoted",
            framework_id=stored.framework_id,
            name=framework.info.name,
            token=stored.record.generation,
        )
    see_to_succession(turn, framework)


# -- time ----------------------------------------------------------------------------------------------------


def on_lease_due(turn: Turn, deadline: LeaseDue) -> None:
    """See whether the scheduler that acts has called in time. A master that slept cannot tell, and listens first."""
    framework = turn.state.frameworks.get(deadline.framework_id)
    lease = framework.lease if framework is not None else None
    if framework is None or lease is None or not framework.connected:
        return
    asleep = turn.now - lease.due_at > LATE * lease.seconds
    lease.lapsed = not asleep and not lease.holds(turn.now)
    if lease.lapsed:
        see_to_succession(turn, framework)
    if framework.connected:
        again_at = turn.now if asleep or lease.lapsed else lease.heard_at
        lease.due_at = again_at + lease.seconds
        turn.state.timers.set(deadline, lease.due_at)


def on_grace_over(turn: Turn, deadline: GraceOver) -> None:
    framework = turn.state.frameworks.get(deadline.framework_id)
    if framework is not None:
        see_to_succession(turn, framework)
