"""What may not be done, said before anything is done: the first reason, and nothing touched.

Calls of executors are checked as far as the answer depends on this agent's state; that a call is well formed was
checked by ``wire`` (texts as recorded of Mesos 1.12).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mesos_service.core.agent.state import AgentOptions, AgentState, Executor, ExecutorState, Framework
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.ids import ExecutorId, FrameworkId
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus

REASON_LIMITS_NOT_ENFORCED: Final = "REASON_GC_ERROR"
"""Mesos gives this reason, and means no garbage (as recorded of Mesos 1.12)."""

_ENFORCERS: Final = (("cpus", "CPU", "cgroups/cpu"), ("mem", "Memory", "cgroups/mem"))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call is not done: an HTTP status and a text."""

    status: int
    text: str


def refuse_call(
    state: AgentState, framework_id: FrameworkId, executor_id: ExecutorId, subscribing: bool = False
) -> Refusal | tuple[Framework, Executor]:
    """Find who calls, or say why it may not. Built-in executors make no calls, so nobody can pose as one."""
    framework = state.frameworks.get(framework_id)
    if framework is None:
        return Refusal(400, "Framework cannot be found")
    executor = framework.executors.get(executor_id)
    if executor is None or executor.info.type is not ExecutorType.CUSTOM:
        return Refusal(400, "Executor cannot be found")
    if executor.state is ExecutorState.REGISTERING and not subscribing:
        return Refusal(403, "Executor is not subscribed")
    return framework, executor


def refuse_status(status: TaskStatus, executor: Executor) -> Refusal | None:
    """Say why this is no update that an executor may send."""
    if status.uuid is None:
        return Refusal(400, "Failed to validate Executor::Call: Expecting 'uuid' to be present")
    if status.state is TaskState.STAGING:
        return Refusal(
            400,
            f"Failed to validate Executor::Call: Received TASK_STAGING from executor {executor.info.executor_id}"
            f" of framework {executor.framework_id} which is not allowed",
        )
    return None


def refuse_limits(task: TaskInfo, options: AgentOptions) -> str | None:
    """Say which limit of the task nothing here would enforce (as recorded of Mesos 1.12)."""
    for resource, name, isolator in _ENFORCERS:
        if resource in task.limits and isolator not in options.isolation:
            return (
                f"{name} limits can only be set on tasks launched in Mesos containers when the agent has loaded the"
                f" '{isolator}' isolator"
            )
    return None
