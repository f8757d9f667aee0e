"""What the containerizer tells, passed to the executor whose container it is.

Each container answers its launch once, may exit once, and is gone once the containerizer has said that nothing of it
is left. Words about containers that are gone already are echoes of a destruction that crossed them (X51).
"""

from __future__ import annotations

from typing import assert_never

from mesos_service.core.agent import built_in, command_executor, custom_executor, default_executor, executors
from mesos_service.core.agent.state import Container, ContainerPhase, Executor, Framework
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import (
    ContainerDestroyed,
    ContainerExited,
    ContainerLaunched,
    ContainerLaunchFailed,
    ContainerLimited,
    ContainerLost,
    ContainerMessage,
)
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.tasks import TaskState


def on_container_message(turn: Turn, message: ContainerMessage) -> None:
    """Pass it on to the executor, or ignore it when the container is not ours any more."""
    state = turn.state
    container = state.containers.get(message.container_id)
    if container is None:
        return
    found = state.executor_of(message.container_id)
    if found is None:
        raise InvariantBroken(f"container {message.container_id} outlived its executor {container.executor_id}")
    framework, executor = found
    match message:
        case ContainerLaunched():
            _launched(turn, framework, executor, container, message)
        case ContainerLaunchFailed():
            turn.note("container.launch_failed", container_id=message.container_id, reason=message.reason)
            _forget(turn, executor, message)
            _launch_failed(turn, framework, executor, container, message)
        case ContainerExited():
            turn.note("container.exited", container_id=message.container_id, status=message.status)
            if container.exit_status is None:
                container.exit_status = message.status
                _exited(turn, framework, executor, container, message)
        case ContainerLost():
            turn.note("container.lost", container_id=message.container_id)
            _lost(turn, executor, container, message)
        case ContainerLimited():
            turn.note("container.limited", container_id=message.container_id, reason=message.reason)
            _limited(turn, framework, executor, container, message)
        case ContainerDestroyed():
            _forget(turn, executor, message)
            _destroyed(turn, framework, executor, container)
        case _:
            assert_never(message)


def _forget(turn: Turn, executor: Executor, message: ContainerLaunchFailed | ContainerDestroyed) -> None:
    del turn.state.containers[message.container_id]
    executor.live_containers -= 1


def _launched(
    turn: Turn, framework: Framework, executor: Executor, container: Container, message: ContainerLaunched
) -> None:
    container.pid = message.pid
    if container.phase is ContainerPhase.LAUNCHING:
        container.phase = ContainerPhase.RUNNING
    match executor.info.type:
        case ExecutorType.COMMAND:
            command_executor.on_launched(turn, framework, executor, container)
        case ExecutorType.DEFAULT:
            default_executor.on_launched(turn, framework, executor, container)
        case ExecutorType.CUSTOM:
            custom_executor.on_launched(executor, container)
        case _:
            assert_never(executor.info.type)


def _launch_failed(
    turn: Turn, framework: Framework, executor: Executor, container: Container, message: ContainerLaunchFailed
) -> None:
    match executor.info.type:
        case ExecutorType.DEFAULT:
            default_executor.on_launch_failed(turn, framework, executor, container, message)
        case ExecutorType.COMMAND | ExecutorType.CUSTOM:
            failure = executors.launch_failure(framework, message.reason, message.message)
            executor.termination = executor.termination or failure
            executors.terminated(turn, framework, executor, None)
        case _:
            assert_never(executor.info.type)


def _exited(
    turn: Turn, framework: Framework, executor: Executor, container: Container, message: ContainerExited
) -> None:
    match executor.info.type:
        case ExecutorType.COMMAND:
            command_executor.on_exited(turn, framework, executor, message.status)
        case ExecutorType.DEFAULT:
            default_executor.on_exited(turn, framework, executor, container, message.status)
        case ExecutorType.CUSTOM:
            custom_executor.on_exited(turn, executor)
        case _:
            assert_never(executor.info.type)


def _limited(
    turn: Turn, framework: Framework, executor: Executor, container: Container, message: ContainerLimited
) -> None:
    match executor.info.type:
        case ExecutorType.DEFAULT:
            default_executor.on_limited(turn, executor, container, message)
        case ExecutorType.COMMAND | ExecutorType.CUSTOM:
            executors.end_by_agent(turn, executor, TaskState.FAILED, message.reason, message.message)
        case _:
            assert_never(executor.info.type)


def _lost(turn: Turn, executor: Executor, container: Container, message: ContainerLost) -> None:
    match executor.info.type:
        case ExecutorType.DEFAULT:
            default_executor.on_lost(turn, executor, container, message)
        case ExecutorType.COMMAND if any(task.kill_started_at is not None for task in executor.launched.values()):
            # It was being killed, and that is how it will be told.
            executors.destroy_container(turn, message.container_id)
        case ExecutorType.COMMAND | ExecutorType.CUSTOM:
            reason = executors.REASON_EXECUTOR_TERMINATED
            executors.end_by_agent(turn, executor, TaskState.FAILED, reason, message.message)
        case _:
            assert_never(executor.info.type)


def _destroyed(turn: Turn, framework: Framework, executor: Executor, container: Container) -> None:
    match executor.info.type:
        case ExecutorType.COMMAND:
            command_executor.on_destroyed(turn, framework, executor, container)
        case ExecutorType.DEFAULT:
            default_executor.on_destroyed(turn, framework, executor, container)
        case ExecutorType.CUSTOM:
            executors.terminated(turn, framework, executor, built_in.final_wait_status(container))
        case _:
            assert_never(executor.info.type)
