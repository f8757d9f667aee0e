"""The agent's one door: ``step`` decides what a message or the time means, and returns what is to be done about it."""

from __future__ import annotations

from typing import assert_never

from mesos_service.core.agent import (
    checkpointing,
    checks,
    containers,
    custom_executor,
    executors,
    kills,
    launching,
    lending,
    operation_updates,
    operations,
    preemption,
    recovery,
    registration,
    shutdown,
    status_updates,
)
from mesos_service.core.agent.state import (
    AgentState,
    CheckDue,
    CheckOverdue,
    CompletionOverdue,
    Deadline,
    ExecutorHeartbeatDue,
    ExecutorReconnectOverdue,
    ExecutorRegistrationOverdue,
    ExecutorShutdownOverdue,
    KillOverdue,
    OperationRetryDue,
    RecoveryOverdue,
    RegistrationDue,
    RetryDue,
)
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import (
    AgentMessage,
    Checkpointed,
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLaunchFailed,
    ContainerLimited,
    ContainerLost,
    ContainersRecovered,
    ExecutorDisconnected,
    ExecutorHeartbeat,
    ExecutorMessage,
    ExecutorSubscribe,
    ExecutorUpdate,
    FromMaster,
    MasterConnected,
    MasterLost,
    OversubscriptionEstimated,
    ProbeEnded,
    QosCorrections,
    Recover,
    ShutDown,
    VolumeRemoved,
)
from mesos_service.core.effects import AgentEffect
from mesos_service.core.link import (
    AcknowledgeOperation,
    AcknowledgeUpdate,
    ApplyOperation,
    FrameworkUpdated,
    KillTask,
    MessageToAgent,
    Ping,
    ReconcileTasks,
    Registered,
    Reregistered,
    RunTask,
    RunTaskGroup,
    ShutdownAgent,
    ShutdownExecutor,
    ShutdownFramework,
)
from mesos_service.core.messages import Tick
from mesos_service.domain.errors import InvariantBroken


def step(state: AgentState, message: AgentMessage, now: float) -> list[AgentEffect]:
    """Change ``state`` as ``message`` demands and return the effects, in the order in which they are to be performed.

    ``now`` is unix seconds and never goes back. Nothing else is read, and nothing waits.
    """
    turn = Turn(state, now)
    match message:
        case FromMaster():
            _from_master(turn, message)
        case (
            ContainerLaunched()
            | ContainerLaunchFailed()
            | ContainerExited()
            | ContainerLost()
            | ContainerLimited()
            | ContainerDestroyed()
        ):
            containers.on_container_message(turn, message)
        case Checkpointed():
            return checkpointing.on_checkpointed(turn, message)
        case ProbeEnded():
            checks.on_probe_ended(turn, message)
        case ExecutorUpdate():
            custom_executor.on_update(turn, message)
        case Tick():
            _on_tick(turn)
        case ExecutorSubscribe():
            custom_executor.on_subscribe(turn, message)
        case ExecutorMessage():
            custom_executor.on_message(turn, message)
        case ExecutorHeartbeat():
            custom_executor.on_heartbeat(turn, message)
        case ExecutorDisconnected():
            custom_executor.on_disconnected(turn, message)
        case MasterConnected():
            registration.on_master_connected(turn, message)
        case MasterLost():
            registration.on_master_lost(turn, message)
        case Recover():
            recovery.on_recover(turn, message)
        case ContainersRecovered():
            recovery.on_containers_recovered(turn, message)
        case OversubscriptionEstimated():
            lending.on_estimated(turn, message)
        case QosCorrections():
            preemption.on_corrections(turn, message)
        case VolumeRemoved():
            operations.on_volume_removed(turn, message)
        case ShutDown():
            shutdown.on_shut_down(turn)
        case _:
            assert_never(message)
    if state.recovering is not None:
        recovery.finish_if_complete(turn)
    return checkpointing.withhold(turn)


def next_deadline(state: AgentState) -> float | None:
    """When to call ``step`` with a ``Tick`` at the latest, in unix seconds; ``None`` when nothing is planned."""
    return state.timers.next()


def _from_master(turn: Turn, envelope: FromMaster) -> None:
    if envelope.link_id != turn.state.link_id:
        # A master that leads no more, or a connection that was replaced (X22).
        turn.note("master.ignored", link_id=envelope.link_id)
        return
    match message := envelope.message:
        case RunTask():
            launching.on_run_task(turn, message)
        case AcknowledgeUpdate():
            _on_acknowledge(turn, message)
        case KillTask():
            kills.on_kill_task(turn, message)
        case Ping():
            registration.on_ping(turn, message)
        case RunTaskGroup():
            launching.on_run_task_group(turn, message)
        case ApplyOperation():
            operations.on_apply(turn, message)
        case AcknowledgeOperation():
            operation_updates.on_acknowledge(turn, message)
        case MessageToAgent():
            custom_executor.on_message_to_executor(turn, message)
        case FrameworkUpdated():
            registration.on_framework_updated(turn, message)
        case ReconcileTasks():
            registration.on_reconcile(turn, message)
        case ShutdownExecutor():
            shutdown.on_shutdown_executor(turn, message)
        case ShutdownFramework():
            shutdown.on_shutdown_framework(turn, message)
        case Registered():
            registration.on_registered(turn, message)
        case Reregistered():
            registration.on_reregistered(turn, message)
        case ShutdownAgent():
            shutdown.on_shutdown_agent(turn, message)
        case _:
            assert_never(message)


def _on_acknowledge(turn: Turn, message: AcknowledgeUpdate) -> None:
    if status_updates.acknowledge(turn, message):
        framework = turn.state.frameworks.get(message.framework_id)
        if framework is not None:
            executors.task_acknowledged(turn, framework, message.task_id)


def _on_tick(turn: Turn) -> None:
    # Taken one by one: what one deadline leads to may cancel the next.
    for deadline in turn.state.timers.due(turn.now):
        if not isinstance(deadline, Deadline):
            raise InvariantBroken(f"the agent sets no deadline like {deadline}")
        _on_deadline(turn, deadline)


def _on_deadline(turn: Turn, deadline: Deadline) -> None:
    match deadline:
        case RetryDue():
            status_updates.on_retry_due(turn, deadline)
        case OperationRetryDue():
            operation_updates.on_retry_due(turn, deadline)
        case KillOverdue():
            kills.on_kill_overdue(turn, deadline)
        case CompletionOverdue():
            kills.on_completion_overdue(turn, deadline)
        case CheckDue():
            checks.on_due(turn, deadline)
        case CheckOverdue():
            checks.on_overdue(turn, deadline)
        case RegistrationDue():
            registration.on_registration_due(turn)
        case ExecutorRegistrationOverdue():
            custom_executor.on_registration_overdue(turn, deadline)
        case ExecutorReconnectOverdue():
            custom_executor.on_reconnect_overdue(turn, deadline)
        case RecoveryOverdue():
            recovery.on_recovery_overdue(turn)
        case ExecutorShutdownOverdue():
            executors.on_shutdown_overdue(turn, deadline)
        case ExecutorHeartbeatDue():
            custom_executor.on_heartbeat_due(turn, deadline)
        case _:
            assert_never(deadline)
