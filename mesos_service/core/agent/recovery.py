"""After a restart: what became of the containers, who is waited for, and what is said of those that are gone (X53).

The records say what the agent before knew; the containerizer says what is left of it. From there on everything is
told as if it happened now: a command that ended meanwhile ends now, with the status that it had; an executor that is
gone ends now. A task of which no process was ever made is dropped, and its framework may launch it again (X10).

Custom executors are given a short while to subscribe again, and only then, or when all are back, does the agent
register: a master is told of what is, not of what may be.
"""

from __future__ import annotations

import signal
from typing import assert_never

from mesos_service.core.agent import (
    built_in,
    command_executor,
    containers,
    custom_executor,
    default_executor,
    executors,
    operations,
    registration,
    shutdown,
)
from mesos_service.core.agent.records import Termination
from mesos_service.core.agent.state import (
    Container,
    ContainerPhase,
    Ending,
    Executor,
    ExecutorRegistrationOverdue,
    ExecutorState,
    Framework,
    KillOverdue,
    Recovering,
    RecoveryOverdue,
    Task,
)
from mesos_service.core.agent.texts import SIGNALED_BY_KILL, describe_seconds
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import (
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLost,
    ContainersRecovered,
    FoundContainer,
    Recover,
)
from mesos_service.core.effects import LaunchContainer, RecoverContainers, SignalContainer
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.tasks import TaskState


def on_recover(turn: Turn, message: Recover) -> None:
    """Ask what is left of the containers that the records name."""
    launched = []
    for container_id, container in turn.state.containers.items():
        found = turn.state.executor_of(container_id)
        if found is not None:
            launched.append(_describe(*found, container_id, container))
    turn.state.recovering = Recovering(cleanup=message.cleanup)
    operations.recover_volumes(turn)
    turn.do(RecoverContainers(tuple(launched)))


def on_containers_recovered(turn: Turn, message: ContainersRecovered) -> None:
    """Go on with each container from what it has become."""
    state = turn.state
    if state.recovering is None:
        return
    state.recovering.containers_known = True
    found = {one.container_id: one for one in message.found}
    for missing in state.containers.keys() - found.keys():
        if state.containers[missing].phase is ContainerPhase.LAUNCHING:
            _drop(turn, missing, state.containers[missing])
    # The living first: what the dead lead to, such as the end of a whole group, is to find them as they are.
    ordered = sorted(state.containers, key=lambda one: 0 if one in found and found[one].alive else 1)
    for container_id in ordered:
        container = state.containers.get(container_id)
        executor = state.executor_of(container_id)
        if container is not None and executor is not None:
            _take_up(turn, *executor, container_id, container, found.get(container_id))
    for framework in list(state.frameworks.values()):
        for one in list(framework.executors.values()):
            if one.live_containers == 0 and one.state is not ExecutorState.TERMINATED:
                status = 0 if one.info.type is ExecutorType.DEFAULT else None
                executors.terminated(turn, framework, one, status)
        executors.remove_framework_if_idle(turn, framework)
    _end_what_was_ending(turn, state.recovering.cleanup)
    turn.note(
        "agent.recovered",
        agent_id=state.agent_id or "",
        containers=len(state.containers),
        awaited=len(state.recovering.awaited),
    )
    if state.recovering.awaited:
        timeout = state.options.executor_reregistration_timeout_seconds
        state.timers.set(RecoveryOverdue(), turn.now + timeout)


def on_recovery_overdue(turn: Turn) -> None:
    """Those that have not come back are killed; what they ran is told with this reason (X53)."""
    state = turn.state
    if state.recovering is None:
        return
    timeout = state.options.executor_reregistration_timeout_seconds
    for container_id in sorted(state.recovering.awaited):
        found = state.executor_of(container_id)
        if found is not None and found[1].stream_id is None:
            executors.end_by_agent(
                turn,
                found[1],
                TaskState.FAILED,
                custom_executor.REASON_REREGISTRATION_TIMEOUT,
                f"Executor did not reregister within {describe_seconds(timeout)}",
            )
    state.recovering.awaited.clear()


def finish_if_complete(turn: Turn) -> None:
    """Register once nobody is waited for any more."""
    state = turn.state
    recovering = state.recovering
    if recovering is None or not recovering.containers_known:
        return
    recovering.awaited = {one for one in recovering.awaited if _is_awaited(turn, one)}
    if recovering.awaited:
        return
    state.recovering = None
    state.timers.cancel(RecoveryOverdue())
    if state.ending is None and state.link_id is not None:
        registration.start_registration(turn)


def _is_awaited(turn: Turn, container_id: ContainerId) -> bool:
    found = turn.state.executor_of(container_id)
    return found is not None and found[1].stream_id is None and not found[1].is_ending


def _describe(
    framework: Framework, executor: Executor, container_id: ContainerId, container: Container
) -> LaunchContainer:
    """The launch as it was asked for."""
    task = _task_in(executor, container)
    return LaunchContainer(
        container_id=container_id,
        framework=framework.info,
        executor=executor.info,
        task=task.info if task is not None else None,
        resources=executor.resources if task is None else task.info.resources,
        parent=executor.container_id if container_id != executor.container_id else None,
    )


def _take_up(
    turn: Turn,
    framework: Framework,
    executor: Executor,
    container_id: ContainerId,
    container: Container,
    found: FoundContainer | None,
) -> None:
    if found is None:
        if container.phase is ContainerPhase.RUNNING:
            # It was destroyed, and only that was not written down any more.
            container.exit_status = SIGNALED_BY_KILL
        containers.on_container_message(turn, ContainerDestroyed(container_id))
        return
    if container.phase is ContainerPhase.LAUNCHING and found.pid is not None:
        containers.on_container_message(turn, ContainerLaunched(container_id, found.pid))
    container.pid = executor.pid = found.pid
    if executor.info.type is ExecutorType.DEFAULT:
        executor.pid = None
    if not found.alive:
        if found.limited is not None:
            containers.on_container_message(turn, found.limited)
        if found.status is not None:
            containers.on_container_message(turn, ContainerExited(container_id, found.status))
        else:
            containers.on_container_message(turn, ContainerLost(container_id, found.lost))
    elif executor.info.type is ExecutorType.CUSTOM:
        _await(turn, executor)
    elif (task := _task_in(executor, container)) is not None:
        _resume(turn, task, container_id)


def _drop(turn: Turn, container_id: ContainerId, container: Container) -> None:
    """No process was ever made: its framework may launch it again, under the same id even."""
    found = turn.state.executor_of(container_id)
    if found is None:
        return
    framework, executor = found
    dropped = TaskState.DROPPED if framework.info.has(PARTITION_AWARE) else TaskState.LOST
    why = Termination(dropped, custom_executor.REASON_AGENT_RESTARTED, "Task launched during agent restart")
    task = _task_in(executor, container)
    if executor.info.type is ExecutorType.DEFAULT:
        if task is not None and task.kill_started_at is None:
            task.termination = task.termination or why
    elif task is None or task.kill_started_at is None:
        executor.termination = executor.termination or why


def _await(turn: Turn, executor: Executor) -> None:
    if executor.is_ending or turn.state.recovering is None:
        return
    if executor.registered_at is not None:
        turn.state.recovering.awaited.add(executor.container_id)
    else:
        timeout = turn.state.options.executor_registration_timeout_seconds
        turn.state.timers.set(ExecutorRegistrationOverdue(executor.container_id), turn.now + timeout)


def _resume(turn: Turn, task: Task, container_id: ContainerId) -> None:
    """Take up the deadlines of a process that runs on; a TERM that may never have been sent is sent again."""
    if task.kill_started_at is None:
        built_in.runs(turn, task, task.launched_at)
        return
    grace = task.kill_grace_seconds
    if grace is None:
        grace = built_in.kill_grace_seconds(turn, task)
    turn.do(SignalContainer(container_id, int(signal.SIGTERM)))
    turn.state.timers.set(KillOverdue(container_id), max(turn.now, task.kill_started_at + grace))


def _end_what_was_ending(turn: Turn, cleanup: bool) -> None:
    """What the agent before was told to end is ended again: what it did about that may have reached nobody."""
    for framework in list(turn.state.frameworks.values()):
        for executor in list(framework.executors.values()):
            if executor.state is ExecutorState.TERMINATING:
                _end_again(turn, framework, executor)
        if framework.terminating:
            framework.terminating = False
            shutdown.shut_down_framework(turn, framework.framework_id)
    if cleanup:
        shutdown.end(turn, Ending(shutdown.EXIT_ORDERLY, "Cleaned up, as --recover=cleanup asks"))


def _end_again(turn: Turn, framework: Framework, executor: Executor) -> None:
    match executor.info.type:
        case ExecutorType.CUSTOM:
            executors.destroy_container(turn, executor.container_id)
        case ExecutorType.COMMAND:
            if executor.termination is not None:
                executors.destroy_container(turn, executor.container_id)
            else:
                command_executor.shut_down(turn, framework, executor)
        case ExecutorType.DEFAULT:
            default_executor.shut_down(turn, framework, executor)
        case _:
            assert_never(executor.info.type)


def _task_in(executor: Executor, container: Container) -> Task | None:
    task_id = container.task_id
    if task_id is None:
        return None
    return executor.launched.get(task_id) or executor.queued.get(task_id)
