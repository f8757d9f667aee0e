"""Ending things on request: one executor, all of a framework, or the agent itself (X55, M-SC-02, M-SC-08)."""

from __future__ import annotations

from typing import assert_never

from mesos_service.core.agent import command_executor, default_executor, executors, operation_updates, status_updates
from mesos_service.core.agent.records import FrameworkKept
from mesos_service.core.agent.state import Ending, Executor, ExecutorState, Framework
from mesos_service.core.agent.turn import Turn
from mesos_service.core.link import ShutdownAgent, ShutdownExecutor, ShutdownFramework, Unregister
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.ids import FrameworkId

EXIT_ORDERLY = 0
EXIT_REMOVED = 1
"""The master does not want this agent any more; a supervisor may care."""


def on_shutdown_executor(turn: Turn, message: ShutdownExecutor) -> None:
    """End an executor and with it its tasks; one that is ending already is left to it (M-SC-08)."""
    framework = turn.state.frameworks.get(message.framework_id)
    executor = framework.executors.get(message.executor_id) if framework is not None else None
    if framework is not None and executor is not None:
        shut_down_executor(turn, framework, executor)


def on_shutdown_framework(turn: Turn, message: ShutdownFramework) -> None:
    """Tear down whatever the framework has here; nobody hears of its tasks any more (X11)."""
    shut_down_framework(turn, message.framework_id)


def on_shutdown_agent(turn: Turn, message: ShutdownAgent) -> None:
    """The master removed this agent: kill everything and end."""
    end(turn, Ending(EXIT_REMOVED, f"Asked to shut down by the master: {message.message}"))


def on_shut_down(turn: Turn) -> None:
    """The agent's own process is asked to end: leave the cluster first, then take the tasks along.

    A second request changes nothing: the graces under way are kept.
    """
    if turn.state.ending is None and turn.state.agent_id is not None:
        turn.tell_master(Unregister())
    end(turn, Ending(EXIT_ORDERLY, "Shut down"))


def end(turn: Turn, ending: Ending) -> None:
    """End everything that runs here, and then the agent."""
    state = turn.state
    if state.ending is not None:
        return
    state.ending = ending
    state.registered = False
    status_updates.pause(turn)
    operation_updates.pause(turn)
    turn.note("agent.shutting_down", message=ending.message)
    for framework_id in list(state.frameworks):
        shut_down_framework(turn, framework_id)
    executors.exit_if_idle(turn)


def shut_down_framework(turn: Turn, framework_id: FrameworkId) -> None:
    """End all it runs here, and forget what was still to be told."""
    status_updates.forget_framework(turn, framework_id)
    operation_updates.forget_framework(turn, framework_id)
    framework = turn.state.frameworks.get(framework_id)
    if framework is None or framework.terminating:
        return
    framework.terminating = True
    if framework.info.checkpoint:
        turn.checkpoint(FrameworkKept(framework.info, terminating=True))
    turn.note("framework.shutting_down", framework_id=framework_id)
    for executor in list(framework.executors.values()):
        # What only waits for an acknowledgement is over: none will come.
        for task in list(executor.terminated.values()):
            status_updates.complete(turn, framework, executor, task)
        shut_down_executor(turn, framework, executor)
        executors.remove_if_idle(turn, framework, executor)


def shut_down_executor(turn: Turn, framework: Framework, executor: Executor) -> None:
    """End one executor; nothing happens where it is ending already."""
    if executor.state not in (ExecutorState.REGISTERING, ExecutorState.RUNNING):
        return
    match executor.info.type:
        case ExecutorType.COMMAND:
            command_executor.shut_down(turn, framework, executor)
        case ExecutorType.DEFAULT:
            default_executor.shut_down(turn, framework, executor)
        case ExecutorType.CUSTOM:
            executors.shut_down_custom(turn, executor)
        case _:
            assert_never(executor.info.type)
