"""Ends borrowers that disturb others, as the QoS controller asks (Mesos docs, oversubscription; M-AG-26).

They go the way that a revocation of the master's goes: TERM, or SHUTDOWN for an executor of the framework's own, with
the grace that is theirs, and then whatever is left is destroyed (B36d). Mesos destroys them at once. Their tasks are
told as gone, or as lost to frameworks that do not know that state, with a reason of their own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, assert_never

from mesos_service.core.agent import command_executor, default_executor, executors
from mesos_service.core.agent.records import Termination
from mesos_service.core.agent.state import Executor, ExecutorState, Framework
from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import QosCorrections
from mesos_service.core.oversubscription.controllers import Correction
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.frameworks import PARTITION_AWARE
from mesos_service.domain.tasks import TaskState, TaskStatus

PREEMPTED: Final = "REASON_CONTAINER_PREEMPTED"
MESSAGE: Final = "Container preempted by QoS correction"


def on_corrections(turn: Turn, message: QosCorrections) -> None:
    """End each that is still that run, still runs, and holds anything revocable; what was measured may be old."""
    for correction in message.corrections:
        framework = turn.state.frameworks.get(correction.framework_id)
        executor = framework.executors.get(correction.executor_id) if framework is not None else None
        if framework is None or executor is None or not _may_end(framework, executor, correction):
            turn.note("correction.ignored", framework_id=correction.framework_id, executor_id=correction.executor_id)
        else:
            _preempt(turn, framework, executor, correction.reason)


def named(executor: Executor, status: TaskStatus) -> TaskStatus:
    """What a custom executor says of its task; an end without a reason gets that of the preemption."""
    ended = executor.termination
    if ended is None or ended.reason != PREEMPTED or status.state is not TaskState.KILLED or status.reason is not None:
        return status
    return replace(status, reason=ended.reason, message=ended.message)


def _may_end(framework: Framework, executor: Executor, correction: Correction) -> bool:
    return (
        executor.container_id == correction.container_id
        and executor.state in (ExecutorState.REGISTERING, ExecutorState.RUNNING)
        and not framework.terminating
        and any(key.revocable for key, _ in executor.resources)
    )


def _preempt(turn: Turn, framework: Framework, executor: Executor, reason: str) -> None:
    state = TaskState.GONE if framework.info.has(PARTITION_AWARE) else TaskState.LOST
    turn.note(
        "executor.preempted",
        framework_id=framework.framework_id,
        executor_id=executor.info.executor_id,
        container_id=executor.container_id,
        reason=reason,
    )
    if executor.state is ExecutorState.REGISTERING:
        # Nothing of it runs yet that could use a grace.
        executors.end_by_agent(turn, executor, state, PREEMPTED, f"{MESSAGE}: {reason}")
        return
    executor.termination = executor.termination or Termination(state, PREEMPTED, f"{MESSAGE}: {reason}")
    match executor.info.type:
        case ExecutorType.COMMAND:
            command_executor.shut_down(turn, framework, executor)
        case ExecutorType.DEFAULT:
            default_executor.shut_down(turn, framework, executor)
        case ExecutorType.CUSTOM:
            executors.shut_down_custom(turn, executor)
        case _:
            assert_never(executor.info.type)
