"""Executors of the frameworks' own: processes that subscribe (Mesos docs, "Executor HTTP API"; M-EX-01..05).

Tasks wait in the executor's queue until it subscribes, and again while it is away. A kill and a launch that the
executor may have missed are told again when it comes back; the executor for its part repeats the updates it has not
seen acknowledged (X10).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mesos_service.core.agent import executors, kills, preemption, status_updates
from mesos_service.core.agent.state import (
    Container,
    Executor,
    ExecutorHeartbeatDue,
    ExecutorReconnectOverdue,
    ExecutorRegistrationOverdue,
    ExecutorState,
    Framework,
    Task,
)
from mesos_service.core.agent.texts import describe_seconds
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent.validation import Refusal, refuse_call, refuse_status
from mesos_service.core.agent_messages import (
    ExecutorDisconnected,
    ExecutorHeartbeat,
    ExecutorMessage,
    ExecutorSubscribe,
    ExecutorUpdate,
)
from mesos_service.core.effects import (
    AttachVolumes,
    CloseExecutorStream,
    LaunchContainer,
    OpenExecutorStream,
    Reply,
    SendExecutor,
)
from mesos_service.core.events import (
    Acknowledged,
    ExecutorSubscribed,
    Heartbeat,
    Launch,
    LaunchGroup,
    MessageToExecutor,
    Shutdown,
)
from mesos_service.core.link import MessageFromExecutor, MessageToAgent
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.ids import ExecutorId, FrameworkId, StreamId, TaskId
from mesos_service.domain.operations import places
from mesos_service.domain.tasks import ContainerStatus, TaskState, TaskStatus

REASON_REGISTRATION_TIMEOUT = "REASON_EXECUTOR_REGISTRATION_TIMEOUT"
REASON_REREGISTRATION_TIMEOUT = "REASON_EXECUTOR_REREGISTRATION_TIMEOUT"
REASON_AGENT_RESTARTED = "REASON_AGENT_RESTARTED"


def launch(turn: Turn, framework: Framework, info: ExecutorInfo, tasks: Sequence[Task]) -> None:
    """Hand tasks to the executor, starting it where it does not run yet."""
    executor = framework.executors.get(info.executor_id)
    starting = executor is None
    if executor is None:
        executor = executors.start(turn, framework, info)
    for task in tasks:
        executor.queued[task.info.task_id] = task
        framework.tasks[task.info.task_id] = executor
        executors.keep_new_task(turn, framework, task)
    if starting:
        trace = tasks[0].launch_trace
        executors.launch_container(turn, framework, executor, None, executor.resources, trace)
        timeout = turn.state.options.executor_registration_timeout_seconds
        turn.state.timers.set(ExecutorRegistrationOverdue(executor.container_id), turn.now + timeout)
        return
    _attach_volumes(turn, framework, executor, tasks)
    if executor.state is ExecutorState.RUNNING and executor.stream_id is not None:
        _deliver(turn, executor, executor.stream_id)


def _attach_volumes(turn: Turn, framework: Framework, executor: Executor, tasks: Sequence[Task]) -> None:
    """The executor's container does not know of those that its later tasks bring."""
    for task in tasks:
        if places(task.info.resources):
            launched = LaunchContainer(
                container_id=executor.container_id,
                framework=framework.info,
                executor=executor.info,
                task=None,
                resources=task.info.resources,
            )
            turn.do(AttachVolumes(launched))


# -- calls ---------------------------------------------------------------------------------------------------


def on_subscribe(turn: Turn, message: ExecutorSubscribe) -> None:
    """Open the executor's stream, catch up on what it repeats, and deliver what waits for it (M-EX-01, X10)."""
    found = refuse_call(turn.state, message.framework_id, message.executor_id, subscribing=True)
    if isinstance(found, Refusal):
        turn.do(Reply(message.request, found.status, found.text))
        return
    framework, executor = found
    stream_id = StreamId(turn.new_uuid_text())
    turn.do(OpenExecutorStream(message.request, message.framework_id, message.executor_id, stream_id))
    if framework.terminating or executor.state not in (ExecutorState.REGISTERING, ExecutorState.RUNNING):
        # It is to end and may not have heard so: say it again, and nothing else.
        turn.do(SendExecutor(stream_id, Shutdown()))
        turn.do(CloseExecutorStream(stream_id))
        return
    executors.detach_stream(turn, executor)
    executor.stream_id = stream_id
    turn.state.executor_streams[stream_id] = executor.container_id
    executor.state = ExecutorState.RUNNING
    if executor.registered_at is None:
        executor.registered_at = turn.now
        executors.keep(turn, executor)
    timers = turn.state.timers
    timers.cancel(ExecutorRegistrationOverdue(executor.container_id))
    timers.cancel(ExecutorReconnectOverdue(executor.container_id))
    heartbeat = turn.state.options.executor_heartbeat_interval_seconds
    timers.set(ExecutorHeartbeatDue(executor.container_id), turn.now + heartbeat)
    turn.note(
        "executor.registered",
        framework_id=framework.framework_id,
        executor_id=executor.info.executor_id,
        container_id=executor.container_id,
        seconds=turn.now - executor.launched_at,
    )
    turn.do(
        SendExecutor(
            stream_id,
            ExecutorSubscribed(executor.info, framework.info, turn.state.info, executor.container_id),
        )
    )
    for status in message.unacknowledged_updates:
        if refuse_status(status, executor) is None:
            _take_update(turn, framework, executor, status)
    _drop_missed(turn, framework, executor, {task.task_id for task in message.unacknowledged_tasks})
    for task in executor.launched.values():
        kills.repeat_kill(turn, executor, task)
    _deliver(turn, executor, stream_id)


def on_update(turn: Turn, message: ExecutorUpdate) -> None:
    """Take an executor's word on one of its tasks, and acknowledge it (X05)."""
    found = refuse_call(turn.state, message.framework_id, message.executor_id)
    if isinstance(found, Refusal):
        turn.do(Reply(message.request, found.status, found.text))
        return
    framework, executor = found
    refusal = refuse_status(message.status, executor)
    if refusal is not None:
        turn.do(Reply(message.request, refusal.status, refusal.text))
        return
    turn.do(Reply(message.request, 202))
    _take_update(turn, framework, executor, message.status)


def on_message(turn: Turn, message: ExecutorMessage) -> None:
    """Pass opaque bytes on to the scheduler; without a registered master they are lost (M-SC-11)."""
    found = refuse_call(turn.state, message.framework_id, message.executor_id)
    if isinstance(found, Refusal):
        turn.do(Reply(message.request, found.status, found.text))
        return
    turn.do(Reply(message.request, 202))
    if turn.state.registered:
        turn.tell_master(
            MessageFromExecutor(framework_id=message.framework_id, executor_id=message.executor_id, data=message.data)
        )


def on_heartbeat(turn: Turn, message: ExecutorHeartbeat) -> None:
    found = refuse_call(turn.state, message.framework_id, message.executor_id)
    if isinstance(found, Refusal):
        turn.do(Reply(message.request, found.status, found.text))
    else:
        turn.do(Reply(message.request, 202))


def on_disconnected(turn: Turn, message: ExecutorDisconnected) -> None:
    """The stream is gone; the process may still live, and has some time to come back (M-EX-05).

    An executor of a framework that does not checkpoint is expected to exit by itself, and is given the time to shut
    down (X54). Streams that were replaced are ignored.
    """
    state = turn.state
    container_id = state.executor_streams.pop(message.stream_id, None)
    found = state.executor_of(container_id) if container_id is not None else None
    if found is None:
        return
    framework, executor = found
    executor.stream_id = None
    state.timers.cancel(ExecutorHeartbeatDue(executor.container_id))
    turn.note(
        "executor.disconnected",
        framework_id=framework.framework_id,
        executor_id=executor.info.executor_id,
        container_id=executor.container_id,
    )
    if executor.state is ExecutorState.RUNNING:
        timeout = _reconnect_seconds(turn, framework, executor)
        state.timers.set(ExecutorReconnectOverdue(executor.container_id), turn.now + timeout)


# -- from the master -----------------------------------------------------------------------------------------


def on_message_to_executor(turn: Turn, message: MessageToAgent) -> None:
    """Opaque bytes from the scheduler; no promise that they arrive (M-SC-11)."""
    executor = _find(turn, message.framework_id, message.executor_id)
    if executor is None or executor.stream_id is None or executor.state is not ExecutorState.RUNNING:
        turn.note("message.dropped", framework_id=message.framework_id, executor_id=message.executor_id)
        return
    turn.do(SendExecutor(executor.stream_id, MessageToExecutor(message.data)))
    turn.note("message.passed", framework_id=message.framework_id, executor_id=message.executor_id)


# -- from the containerizer ----------------------------------------------------------------------------------


def on_launched(executor: Executor, container: Container) -> None:
    executor.pid = container.pid


def on_exited(turn: Turn, executor: Executor) -> None:
    """The process ended; what it left undone is reported when nothing of its container is left."""
    executor.state = ExecutorState.TERMINATING
    executors.cancel_timers(turn, executor)
    executors.destroy_container(turn, executor.container_id)


# -- deadlines -----------------------------------------------------------------------------------------------


def on_registration_overdue(turn: Turn, deadline: ExecutorRegistrationOverdue) -> None:
    """It was started and never subscribed (M-EX-04)."""
    found = turn.state.executor_of(deadline.container_id)
    if found is not None:
        timeout = turn.state.options.executor_registration_timeout_seconds
        executors.end_by_agent(
            turn,
            found[1],
            TaskState.FAILED,
            REASON_REGISTRATION_TIMEOUT,
            f"Executor did not register within {describe_seconds(timeout)}",
        )


def on_reconnect_overdue(turn: Turn, deadline: ExecutorReconnectOverdue) -> None:
    found = turn.state.executor_of(deadline.container_id)
    if found is not None:
        timeout = _reconnect_seconds(turn, *found)
        executors.end_by_agent(
            turn,
            found[1],
            TaskState.FAILED,
            REASON_REREGISTRATION_TIMEOUT,
            f"Executor did not reregister within {describe_seconds(timeout)}",
        )


def on_heartbeat_due(turn: Turn, deadline: ExecutorHeartbeatDue) -> None:
    found = turn.state.executor_of(deadline.container_id)
    if found is not None and (stream_id := found[1].stream_id) is not None:
        turn.do(SendExecutor(stream_id, Heartbeat()))
        interval = turn.state.options.executor_heartbeat_interval_seconds
        turn.state.timers.set(deadline, turn.now + interval)


# -- parts ---------------------------------------------------------------------------------------------------


def _find(turn: Turn, framework_id: FrameworkId, executor_id: ExecutorId) -> Executor | None:
    framework = turn.state.frameworks.get(framework_id)
    return framework.executors.get(executor_id) if framework is not None else None


def _reconnect_seconds(turn: Turn, framework: Framework, executor: Executor) -> float:
    options = turn.state.options
    if framework.info.checkpoint:
        return options.recovery_timeout_seconds
    own = executor.info.shutdown_grace_seconds
    return options.executor_shutdown_grace_period_seconds if own is None else own


def _deliver(turn: Turn, executor: Executor, stream_id: StreamId) -> None:
    """Send everything that is queued, in order, each group whole where its first task stood."""
    batches: dict[TaskId, list[Task]] = {}
    for task in executor.queued.values():
        batches.setdefault(task.group[0] if task.group else task.info.task_id, []).append(task)
    for batch in batches.values():
        infos = tuple(task.info for task in batch)
        turn.do(SendExecutor(stream_id, LaunchGroup(infos) if batch[0].group else Launch(infos[0])))
        for task in batch:
            executors.task_launched(turn, executor, task)


def _take_update(turn: Turn, framework: Framework, executor: Executor, status: TaskStatus) -> None:
    if framework.terminating:
        return
    task_id = status.task_id
    stream = turn.state.streams.get((framework.framework_id, task_id))
    if not status_updates.is_known(stream, status.uuid):
        task = executor.launched.get(task_id) or executor.queued.get(task_id)
        if task is None:
            # Over already, or never given to it: there is nothing to tell, but the executor need not repeat it.
            turn.note("update.ignored", framework_id=framework.framework_id, task_id=task_id, state=status.state)
        else:
            if task_id in executor.queued:
                executors.task_launched(turn, executor, task)
            status_updates.report(
                turn, framework, executor, task, preemption.named(executor, _complete_status(turn, executor, status))
            )
    if executor.stream_id is not None and status.uuid is not None:
        turn.do(SendExecutor(executor.stream_id, Acknowledged(task_id, status.uuid)))


def _complete_status(turn: Turn, executor: Executor, status: TaskStatus) -> TaskStatus:
    """Fill in what the agent knows better than the executor, or the executor left out."""
    return replace(
        status,
        agent_id=turn.state.agent_id,
        executor_id=executor.info.executor_id,
        timestamp=turn.now if status.timestamp is None else status.timestamp,
        container=ContainerStatus(
            container_id=executor.container_id,
            executor_pid=executor.pid,
            ip_addresses=(turn.state.info.ip,),
        ),
    )


def _drop_missed(turn: Turn, framework: Framework, executor: Executor, listed: set[TaskId]) -> None:
    """Tasks that were sent to the executor and never reached it: it neither lists nor reports them (X10)."""
    missed = [
        task
        for task in executor.launched.values()
        if task.state is TaskState.STAGING and task.info.task_id not in listed
    ]
    state = TaskState.DROPPED if framework.info.has(PARTITION_AWARE) else TaskState.LOST
    for task in missed:
        status = status_updates.agent_status(
            turn,
            task.info.task_id,
            state,
            REASON_AGENT_RESTARTED,
            "Task launched during agent restart",
            executor.info.executor_id,
        )
        status_updates.report(turn, framework, executor, task, status)
