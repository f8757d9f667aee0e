"""The master's one door: ``step`` decides what a message or the time means, and returns what is to be done about it."""

from __future__ import annotations

from typing import assert_never

from mesos_service.core.effects import MasterEffect
from mesos_service.core.link import (
    AgentUpdated,
    ExitedExecutor,
    MessageFromExecutor,
    OversubscriptionChanged,
    Pong,
    Register,
    Reregister,
    Unregister,
    UpdateOperation,
    UpdateStatus,
)
from mesos_service.core.master import (
    books,
    demand,
    departure,
    draining,
    executors,
    explaining,
    explaining_agents,
    inverse_offers,
    liveness,
    maintenance,
    offers,
    operations,
    operator_operations,
    oversubscription,
    passes,
    policy,
    rebuilding,
    reconciliation,
    registration,
    registry_gc,
    removals,
    replacing,
    revoking,
    standbys,
    startup,
    starvation,
    subscription,
    tasks,
    teardown,
)
from mesos_service.core.master.deadlines import (
    AllocatorDue,
    FailoverOverdue,
    GraceOver,
    HeartbeatDue,
    LeaseDue,
    PingDue,
    RecoveryOverdue,
    RegistryGcDue,
    RemovalDue,
    ReregistrationOverdue,
    RevocationDue,
    ShadowDue,
    StarvationDue,
)
from mesos_service.core.master.state import Framework, MasterState
from mesos_service.core.master.turn import Turn
from mesos_service.core.messages import (
    FromAgent,
    LinkLost,
    MasterMessage,
    Persisted,
    ReplaceModules,
    Tick,
    UpdateWhitelist,
)
from mesos_service.core.operator_messages import (
    ExplainAgent,
    ExplainFramework,
    OperatorDeactivate,
    OperatorDrain,
    OperatorMachines,
    OperatorMarkGone,
    OperatorReactivate,
    OperatorRemoveQuota,
    OperatorSchedule,
    OperatorSetQuota,
    OperatorTeardown,
    OperatorUpdateQuota,
    OperatorUpdateWeights,
    PreviewRevocation,
)
from mesos_service.core.resource_messages import OperatorOperation
from mesos_service.core.scheduler_messages import (
    Accept,
    Acknowledge,
    AcknowledgeOperationStatus,
    AnswerInverseOffers,
    Decline,
    Kill,
    MessageCall,
    Reconcile,
    ReconcileOperations,
    Request,
    Revive,
    SchedulerDisconnected,
    SchedulerHeartbeat,
    Shutdown,
    Subscribe,
    Suppress,
    Teardown,
    Unhandled,
    UpdateFramework,
)
from mesos_service.domain.errors import InvariantBroken

Call = (
    Acknowledge
    | Accept
    | Decline
    | Revive
    | Suppress
    | Kill
    | Reconcile
    | ReconcileOperations
    | AcknowledgeOperationStatus
    | Teardown
    | MessageCall
    | Shutdown
    | Request
    | UpdateFramework
    | SchedulerHeartbeat
    | AnswerInverseOffers
    | Unhandled
)
"""What only a subscribed framework may say."""


def step(state: MasterState, message: MasterMessage, now: float) -> list[MasterEffect]:
    """Change ``state`` as ``message`` demands and return the effects, in the order in which they are to be performed.

    ``now`` is unix seconds and never goes back. Nothing else is read, and nothing waits.
    """
    turn = Turn(state, now)
    if state.ended:
        return turn.effects
    match message:
        case FromAgent():
            _from_agent(turn, message)
        case Tick():
            _on_tick(turn)
        case Subscribe():
            subscription.on_subscribe(turn, message)
        case SchedulerDisconnected():
            subscription.on_disconnected(turn, message)
        case LinkLost():
            liveness.on_link_lost(turn, message)
        case Persisted():
            _on_persisted(turn, message.operation)
        case OperatorTeardown():
            teardown.on_operator_teardown(turn, message)
        case OperatorMarkGone():
            departure.on_mark_gone(turn, message)
        case OperatorSchedule():
            maintenance.on_schedule(turn, message)
        case OperatorMachines():
            (maintenance.on_stop if message.up else maintenance.on_start)(turn, message)
        case OperatorDeactivate():
            draining.on_deactivate(turn, message)
        case OperatorDrain():
            draining.on_drain(turn, message)
        case OperatorReactivate():
            draining.on_reactivate(turn, message)
        case OperatorUpdateQuota():
            policy.on_update_quota(turn, message)
        case OperatorSetQuota():
            policy.on_set_quota(turn, message)
        case OperatorRemoveQuota():
            policy.on_remove_quota(turn, message)
        case PreviewRevocation():
            revoking.on_preview(turn, message)
        case OperatorUpdateWeights():
            policy.on_update_weights(turn, message)
        case OperatorOperation():
            operator_operations.on_operator_operation(turn, message)
        case ExplainFramework():
            explaining.on_explain(turn, message)
        case ExplainAgent():
            explaining_agents.on_explain(turn, message)
        case UpdateWhitelist():
            demand.on_whitelist(turn, message)
        case ReplaceModules():
            replacing.on_replace(turn, message)
        case _:
            framework = subscription.admit(turn, message)
            if framework is not None:
                _on_call(turn, framework, message)
    rebuilding.report(turn)
    return turn.effects


def next_deadline(state: MasterState) -> float | None:
    """When to call ``step`` with a ``Tick`` at the latest, in unix seconds; ``None`` when nothing is planned.

    A time that has passed means: with the next turn of the loop.
    """
    if state.ended:
        return None
    earliest = state.pass_due_at
    if earliest is not None and earliest > state.returning_until + books.PASS_SECONDS_WHILE_RETURNING:
        # It was planned for at once, and whatever else is due by now runs in the same tick.
        return earliest
    for at in (state.full_pass_due_at, state.timers.next(), offers.next_expiry(state)):
        if at is not None and (earliest is None or at < earliest):
            earliest = at
    return earliest


def _on_call(turn: Turn, framework: Framework, call: Call) -> None:
    match call:
        case Acknowledge():
            tasks.on_acknowledge(turn, framework, call)
            draining.see_to(turn, call.agent_id)
        case Accept():
            offers.on_accept(turn, framework, call)
        case Decline():
            offers.on_decline(turn, framework, call)
        case Revive():
            demand.on_revive(turn, framework, call)
        case Suppress():
            demand.on_suppress(turn, framework, call)
        case Kill():
            tasks.on_kill(turn, framework, call)
        case Reconcile():
            reconciliation.on_reconcile(turn, framework, call)
        case ReconcileOperations():
            operations.on_reconcile(turn, framework, call)
        case AcknowledgeOperationStatus():
            operations.on_acknowledge(turn, framework, call)
        case Teardown():
            teardown.on_teardown(turn, framework, call)
        case MessageCall():
            executors.on_message_call(turn, framework, call)
        case Shutdown():
            executors.on_shutdown(turn, framework, call)
        case Request():
            demand.on_request(turn, framework, call)
        case UpdateFramework():
            demand.on_update_framework(turn, framework, call)
        case SchedulerHeartbeat():
            turn.reply(call.request, 202)
        case AnswerInverseOffers():
            inverse_offers.on_answer(turn, framework, call)
        case Unhandled():
            turn.reply(call.request, 202)
            turn.note("call.unhandled", framework_id=framework.framework_id, type=call.type)
        case _:
            assert_never(call)


def _from_agent(turn: Turn, envelope: FromAgent) -> None:
    match message := envelope.message:
        case Register():
            registration.on_register(turn, envelope, message)
            return
        case Reregister():
            registration.on_reregister(turn, envelope, message)
            return
        case _:
            pass
    agent = turn.state.agents.get(envelope.agent_id) if envelope.agent_id is not None else None
    if agent is None or agent.link_id != envelope.link_id:
        registration.on_stray(turn, envelope)
        return
    match message:
        case UpdateStatus():
            tasks.on_update(turn, agent, draining.explained(turn, agent, message))
        case UpdateOperation():
            operations.on_update(turn, agent, message)
        case Pong():
            liveness.on_pong(turn, agent)
        case ExitedExecutor():
            executors.on_exited(turn, agent, message)
        case MessageFromExecutor():
            executors.on_message_from_executor(turn, agent, message)
        case AgentUpdated():
            registration.on_agent_updated(turn, agent, message)
        case OversubscriptionChanged():
            oversubscription.on_changed(turn, agent, message)
        case Unregister():
            departure.begin_removal(turn, agent.agent_id, "agent unregistered", "agent.unregistered")
        case _:
            assert_never(message)
    draining.see_to(turn, envelope.agent_id)


def _on_persisted(turn: Turn, number: int) -> None:
    """What presumed the operation may be done now (X16)."""
    entry = turn.state.persisting.pop(number, None)
    if entry is None:
        raise InvariantBroken(f"operation {number} was stored, but nobody had asked for it")
    match stored := entry[1]:
        case registration.Admission():
            registration.on_admission_stored(turn, stored)
        case registration.Readmission():
            registration.on_readmission_stored(turn, stored)
        case departure.Unreachable():
            departure.on_unreachable_stored(turn, number, stored)
        case departure.Removal():
            departure.on_removal_stored(turn, number, stored)
        case departure.Gone():
            departure.on_gone_stored(turn, number, stored)
        case maintenance.Stored():
            maintenance.on_stored(turn, stored)
        case draining.Stored():
            draining.on_stored(turn, stored)
        case draining.Drained():
            draining.on_drained_stored(turn, stored)
        case draining.Reactivation():
            draining.on_reactivation_stored(turn, stored)
        case registry_gc.Pruned():
            registry_gc.on_pruned(turn, stored)
        case subscription.Subscription():
            subscription.on_subscription_stored(turn, number, stored)
        case demand.Change():
            demand.on_change_stored(turn, number, stored)
        case standbys.Promotion():
            standbys.on_promotion_stored(turn, number, stored)
        case teardown.Removal():
            teardown.on_removal_stored(turn, number, stored)
            draining.see_to_all(turn)
        case policy.Quotas():
            policy.on_quotas_stored(turn, stored)
        case revoking.Decided():
            revoking.on_decided_stored(turn, stored)
        case policy.Weights():
            policy.on_weights_stored(turn, stored)
        case None:
            pass
        case _:
            raise InvariantBroken(f"nobody knows how to go on with {stored}")


def _on_tick(turn: Turn) -> None:
    """First what ends, then what begins: a pass sees everything that has become free in the same tick."""
    offers.rescind_expired(turn)
    # Taken one by one: what one deadline leads to may cancel the next.
    for deadline in turn.state.timers.due(turn.now):
        match deadline:
            case PingDue():
                liveness.on_ping_due(turn, deadline)
            case HeartbeatDue():
                subscription.on_heartbeat_due(turn, deadline)
            case FailoverOverdue():
                subscription.on_failover_overdue(turn, deadline)
            case LeaseDue():
                standbys.on_lease_due(turn, deadline)
            case GraceOver():
                standbys.on_grace_over(turn, deadline)
            case ReregistrationOverdue():
                liveness.on_reregistration_overdue(turn, deadline)
            case RecoveryOverdue():
                startup.on_recovery_overdue(turn)
            case RemovalDue():
                removals.on_removal_due(turn)
            case RegistryGcDue():
                registry_gc.on_gc_due(turn)
            case AllocatorDue():
                rebuilding.on_due(turn)
            case RevocationDue():
                revoking.on_due(turn)
            case StarvationDue():
                starvation.on_due(turn)
            case ShadowDue():
                rebuilding.on_shadow_due(turn)
            case _:
                raise InvariantBroken(f"the master sets no deadline like {deadline}")
    passes.run_due(turn)
    starvation.after_pass(turn)
