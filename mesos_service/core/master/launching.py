"""Launches: the tasks of an ACCEPT against what its offers hold (M-OP-01, M-OP-02; X14c, X14d).

A running remainder is kept and nothing is summed again, so that thousands of tasks in one call cost no more each than
one does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from mesos_service.core.link import RunTask, RunTaskGroup
from mesos_service.core.master import books, tasks, validation
from mesos_service.core.master.state import Agent, Framework, Task
from mesos_service.core.master.turn import Turn
from mesos_service.core.scheduler_messages import LaunchGroupOperation, LaunchOperation
from mesos_service.core.trace import TraceParent
from mesos_service.core.turn import Fact
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.frameworks import REVOCABLE_RESOURCES
from mesos_service.domain.ids import ExecutorId, OfferId, Role
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState

REASON_TASK_INVALID: Final = "REASON_TASK_INVALID"
REASON_TASK_GROUP_INVALID: Final = "REASON_TASK_GROUP_INVALID"
_NAMED: Final = "A launch must not have an operation ID"


def drop(turn: Turn, framework: Framework, infos: Iterable[TaskInfo], reason: str, message: str) -> None:
    """Tell that these tasks never came to be: DROPPED, or LOST to a framework that does not know that state."""
    state = tasks.state_for(framework, TaskState.DROPPED)
    for info in infos:
        tasks.tell_of_unlaunched(turn, framework, info, state, reason, message)


class Launch:
    """All launches of one ACCEPT: ``left`` and ``taken`` add up to what was available, and ``taken`` grows.

    What is shared is in ``left`` all the time, and in ``taken`` once for each task that uses it (X45).
    """

    __slots__ = (
        "_agent",
        "_executors",
        "_framework",
        "_offer_id",
        "_revocable",
        "_role",
        "_trace",
        "_turn",
        "left",
        "taken",
    )

    def __init__(
        self,
        turn: Turn,
        framework: Framework,
        agent: Agent,
        role: Role,
        available: Resources,
        offer_id: OfferId,
        trace: TraceParent | None,
    ) -> None:
        self._turn = turn
        self._framework = framework
        self._agent = agent
        self._role = role
        self._offer_id = offer_id
        self._trace = trace
        self._executors: dict[ExecutorId, tuple[ExecutorInfo, ExecutorInfo]] = {}
        """Executors as they were sent and as they are kept, so that those of many tasks are made ready once."""
        self._revocable = framework.info.has(REVOCABLE_RESOURCES)
        self.left = available
        self.taken = books.NOTHING

    def tasks(self, operation: LaunchOperation) -> None:
        """Launch one by one; a bad task fails alone (X14d)."""
        if operation.operation_id is not None:
            self._refuse(operation.tasks, REASON_TASK_INVALID, _NAMED)
            return
        for info in operation.tasks:
            reason = self._launch(info)
            if reason is not None:
                self._refuse((info,), REASON_TASK_INVALID, reason)

    def group(self, operation: LaunchGroupOperation) -> None:
        """Launch all of a group, or fail all of it (M-OP-02)."""
        reason = _NAMED if operation.operation_id is not None else self._launch_group(operation)
        if reason is not None:
            self._refuse(operation.tasks, REASON_TASK_GROUP_INVALID, reason)

    # -- one task --------------------------------------------------------------------------------------------
    def _launch(self, info: TaskInfo) -> str | None:
        """Launch a task, or say why not and leave everything as it was."""
        reason = validation.refuse_task(info, self._framework, self._agent, self._role)
        reason = reason or validation.refuse_single(info) or self._refuse_long(info, info.executor)
        if reason is not None:
            return reason
        resources = info.resources.allocated_to(self._role)
        parts: tuple[Resources, ...] = (resources,)
        executor: ExecutorInfo | None = None
        if info.executor is not None:
            reason = validation.refuse_executor(info.executor, self._framework, self._role)
            if reason is not None:
                return reason
            executor = self._kept(info.executor)
            listed = self._listed(executor.executor_id)
            if listed is None:
                parts = (resources, executor.resources)
            elif listed != executor:
                return _incompatible(executor)
        reason = self._take(parts, executor)
        if reason is not None:
            return reason
        if executor is not None:
            self._list(executor)
            info = replace(info, resources=resources, executor=executor)
        elif resources != info.resources:
            info = replace(info, resources=resources)
        trace = self._tell_span({"task_id": info.task_id})
        self._start(info, executor.executor_id if executor is not None else None, trace)
        self._turn.tell_agent(self._agent, RunTask(framework=self._framework.info, task=info, trace=trace))
        return None

    # -- groups ----------------------------------------------------------------------------------------------
    def _launch_group(self, operation: LaunchGroupOperation) -> str | None:
        executor_sent, sent = operation.executor, operation.tasks
        reason = validation.refuse_grouped(sent, executor_sent) or validation.refuse_executor(
            executor_sent, self._framework, self._role
        )
        if reason is not None:
            return reason
        for info in sent:
            reason = validation.refuse_task(info, self._framework, self._agent, self._role)
            reason = reason or self._refuse_long(info, executor_sent)
            if reason is not None:
                return f"Task '{info.task_id}' is invalid: {reason}"
        executor = self._kept(executor_sent)
        listed = self._listed(executor.executor_id)
        if listed is not None and listed != executor:
            return _incompatible(executor)
        infos = [replace(info, resources=info.resources.allocated_to(self._role)) for info in sent]
        parts = tuple(info.resources for info in infos)
        reason = self._take(parts if listed is not None else (*parts, executor.resources), executor)
        if reason is not None:
            return reason
        self._list(executor)
        trace = self._tell_span({"executor_id": executor.executor_id, "tasks": len(infos)})
        for info in infos:
            self._start(info, executor.executor_id, trace)
        self._turn.tell_agent(
            self._agent,
            RunTaskGroup(framework=self._framework.info, executor=executor, tasks=tuple(infos), trace=trace),
        )
        return None

    def _refuse_long(self, info: TaskInfo, executor: ExecutorInfo | None) -> str | None:
        seconds_max = self._turn.state.options.short_task_seconds_max
        if seconds_max is None or self._role not in self._framework.info.short_tasks:
            return None
        return validation.refuse_long(info, executor, self._role, seconds_max)

    # -- within ----------------------------------------------------------------------------------------------
    def _kept(self, sent: ExecutorInfo) -> ExecutorInfo:
        """The executor with its framework and its allocation role filled in."""
        known = self._executors.get(sent.executor_id)
        if known is not None and known[0] == sent:
            return known[1]
        kept = replace(
            sent, framework_id=self._framework.framework_id, resources=sent.resources.allocated_to(self._role)
        )
        self._executors[sent.executor_id] = (sent, kept)
        return kept

    def _listed(self, executor_id: ExecutorId) -> ExecutorInfo | None:
        executors = self._agent.executors.get(self._framework.framework_id)
        return executors.get(executor_id) if executors is not None else None

    def _list(self, executor: ExecutorInfo) -> None:
        if self._listed(executor.executor_id) is None:
            books.add_executor(self._framework, self._agent, executor)
            self._agent.unproven_executors[self._framework.framework_id, executor.executor_id] = 0

    def _take(self, parts: tuple[Resources, ...], executor: ExecutorInfo | None) -> str | None:
        """Take all parts out of what is left, or say why not and take none.

        One after the other, as a sum would not show that two of them want the same port. What is shared stays: as many
        tasks as like may use it, and what they use are copies (X45).
        """
        left, taken = self.left, self.taken
        for part in parts:
            if not left.contains(part):
                return (
                    f"Total resources {Resources.of(item for one in parts for item in one)} required by task and its"
                    f" executor is more than available {self.left or 'nothing'}"
                )
            left, taken = left - part.non_shared(), taken + part
        if self._revocable:
            together = (*parts, executor.resources) if executor is not None else parts
            reason = validation.refuse_mixed_revocable(Resources.of(item for one in together for item in one))
            if reason is not None:
                return reason
        self.left, self.taken = left, taken
        return None

    def _start(self, info: TaskInfo, executor_id: ExecutorId | None, trace: TraceParent | None) -> None:
        """Enter the task into the books and indices; from here on it is ours to keep track of."""
        turn, framework, agent = self._turn, self._framework, self._agent
        framework_id = framework.framework_id
        task = Task(
            info=info,
            framework_id=framework_id,
            agent_id=agent.agent_id,
            executor_id=executor_id,
            trace=trace,
            launched_at=turn.now,
            charged=info.resources,
        )
        framework.tasks[info.task_id] = task
        on_agent = agent.tasks.get(framework_id)
        if on_agent is None:
            on_agent = agent.tasks[framework_id] = {}
        on_agent[info.task_id] = task
        if executor_id is not None and (framework_id, executor_id) in agent.unproven_executors:
            agent.unproven_executors[framework_id, executor_id] += 1
        turn.note(
            "task.launched",
            task_id=info.task_id,
            framework_id=framework_id,
            agent_id=agent.agent_id,
            offer_id=self._offer_id,
        )

    def _tell_span(self, attributes: dict[str, Fact]) -> TraceParent | None:
        """The span under which the agent goes on."""
        if self._trace is None:
            return None
        trace = self._turn.new_span(self._trace)
        attributes |= {"framework_id": self._framework.framework_id, "agent_id": self._agent.agent_id}
        self._turn.span("master.launch", trace, self._trace, self._turn.now, attributes)
        return trace

    def _refuse(self, infos: Sequence[TaskInfo], reason: str, message: str) -> None:
        for info in infos:
            tasks.tell_of_unlaunched(self._turn, self._framework, info, TaskState.ERROR, reason, message)


def _incompatible(executor: ExecutorInfo) -> str:
    return f"Executor '{executor.executor_id}' is there already with another ExecutorInfo"
