"""What must hold after every step. Tests call it; a breach is our own mistake and says where it was found."""

from __future__ import annotations

from collections.abc import Iterator

from mesos_service.core.agent.state import (
    AgentState,
    CheckDue,
    CheckOverdue,
    CompletionOverdue,
    ContainerPhase,
    Executor,
    ExecutorRegistrationOverdue,
    ExecutorState,
    Framework,
    KillOverdue,
    OperationRetryDue,
    RetryDue,
    Task,
)
from mesos_service.core.agent.update_stream import ACKNOWLEDGED_MAX
from mesos_service.domain.checks import Purpose
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.executors import ExecutorType
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.operations import made_by_operations, with_made
from mesos_service.domain.resources import ResourcesError
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState


def check(state: AgentState) -> None:
    """Raise ``InvariantBroken`` naming every breach, if there is any."""
    if state.recovering is not None and not state.recovering.containers_known:
        return  # What was read is not yet put together with what is.
    breaches = [*_frameworks(state), *_containers(state), *_streams(state), *_ending(state), *_checkpoints(state)]
    breaches += _resources(state)
    if breaches:
        raise InvariantBroken("; ".join(breaches))


def _resources(state: AgentState) -> Iterator[str]:
    try:
        total = with_made(state.info.resources, made_by_operations(state.total))
    except ResourcesError as short:
        yield f"operations have made more of the resources than there is: {short}"
        return
    if total != state.total:
        yield f"what is kept makes {total} of the resources, which are {state.total}"
    for uuid, pending in state.operations.items():
        if pending.report.uuid != uuid or pending.report.status.uuid is None:
            yield f"operation {pending.report.operation_id} cannot be acknowledged"
        waits = state.timers.deadline(OperationRetryDue(uuid)) is not None
        if waits != state.registered:
            yield f"operation {pending.report.operation_id} is told though nobody listens, or the other way round"


def _frameworks(state: AgentState) -> Iterator[str]:
    for framework_id in state.frameworks.keys() & state.completed_frameworks.keys():
        yield f"framework {framework_id} is both here and completed"
    if len(state.completed_frameworks) > state.options.max_completed_frameworks:
        yield "more completed frameworks are kept than may be"
    for framework in state.frameworks.values():
        if not framework.executors:
            yield f"framework {framework.framework_id} has no executor and is not completed"
        if len(framework.completed_executors) > state.options.max_completed_executors_per_framework:
            yield f"framework {framework.framework_id} keeps more completed executors than it may"
        held = {
            task_id: executor
            for executor in framework.executors.values()
            for tasks in (executor.queued, executor.launched, executor.terminated)
            for task_id in tasks
        }
        if held != framework.tasks:
            yield f"framework {framework.framework_id}'s index of tasks differs from its executors'"
        for executor in framework.executors.values():
            yield from _executor(state, framework, executor)


def _executor(state: AgentState, framework: Framework, executor: Executor) -> Iterator[str]:
    name = f"executor {executor.info.executor_id}"
    if framework.executors.get(executor.info.executor_id) is not executor:
        yield f"{name} is filed under another id"
    for tasks, wanted in (
        (executor.queued, "staging"),
        (executor.launched, "live"),
        (executor.terminated, "terminal"),
    ):
        for task_id, task in tasks.items():
            if task.info.task_id != task_id:
                yield f"task {task.info.task_id} is filed under {task_id}"
            if not _is(task, wanted):
                yield f"task {task_id} of {name} is {task.state} among the {wanted} ones"
            if task.statuses and task.statuses[-1].state is not task.state:
                yield f"task {task_id} is {task.state}, but its history ends in {task.statuses[-1].state}"
            if any(status.data is not None for status in task.statuses):
                yield f"task {task_id} keeps data in its history"
    ids = [*executor.queued, *executor.launched, *executor.terminated]
    if len(ids) != len(set(ids)):
        yield f"{name} has a task twice"
    if len(executor.completed) > state.options.max_completed_tasks_per_executor:
        yield f"{name} keeps more completed tasks than it may"
    if executor.state is ExecutorState.TERMINATED:
        if executor.queued or executor.launched:
            yield f"{name} is terminated and has live tasks"
        if not executor.terminated:
            yield f"{name} is terminated, has nothing to be acknowledged, and is still here"
        if executor.stream_id is not None:
            yield f"{name} is terminated and has a stream"
    elif executor.info.type is not ExecutorType.DEFAULT and executor.container_id not in state.containers:
        yield f"{name} is {executor.state} without a container"
    overdue = ExecutorRegistrationOverdue(executor.container_id)
    if executor.state is not ExecutorState.REGISTERING and state.timers.deadline(overdue) is not None:
        yield f"{name} is {executor.state} and its registration is awaited"
    if executor.stream_id is not None and state.executor_streams.get(executor.stream_id) != executor.container_id:
        yield f"{name}'s stream is not in the index"
    if framework.terminating and executor.terminated:
        yield f"{name} waits for acknowledgements although its framework is torn down"


def _is(task: Task, wanted: str) -> bool:
    if wanted == "terminal":
        return task.state in TERMINAL_STATES
    if wanted == "staging":
        return task.state is TaskState.STAGING and task.launched_at is None
    return task.state not in TERMINAL_STATES


def _checked(state: AgentState, container_id: ContainerId, purpose: Purpose) -> bool:
    """Whether a try is planned or bounded; one without a time-out is under way unseen."""
    if any(state.timers.deadline(one(container_id, purpose)) is not None for one in (CheckDue, CheckOverdue)):
        return True
    task_id = state.containers[container_id].task_id
    found = state.executor_of(container_id)
    task = found[1].launched.get(task_id) if found is not None and task_id is not None else None
    return task is not None and purpose in task.checking and task.checking[purpose].probe is not None


def _containers(state: AgentState) -> Iterator[str]:
    live: dict[tuple[str, str], int] = {}
    for container_id, container in state.containers.items():
        found = state.executor_of(container_id)
        if found is None:
            yield f"container {container_id} belongs to no executor"
            continue
        if container.phase is not ContainerPhase.RUNNING:
            for deadline in (KillOverdue(container_id), CompletionOverdue(container_id)):
                if state.timers.deadline(deadline) is not None:
                    yield f"{deadline} is awaited while the container is {container.phase}"
        checks = [purpose for purpose in Purpose if _checked(state, container_id, purpose)]
        task = found[1].launched.get(container.task_id) if container.task_id is not None else None
        if checks != sorted(() if task is None else task.checking):
            yield f"checks {checks} of container {container_id} are awaited, and those of its task are others"
        if task is not None and task.checking and container.phase is not ContainerPhase.RUNNING:
            yield f"task {task.info.task_id} is checked while its container is {container.phase}"
        key = (container.framework_id, container.executor_id)
        live[key] = live.get(key, 0) + 1
    for framework in state.frameworks.values():
        for executor in framework.executors.values():
            counted = live.get((framework.framework_id, executor.info.executor_id), 0)
            if counted != executor.live_containers:
                yield f"executor {executor.info.executor_id} counts {executor.live_containers} containers of {counted}"
            if executor.info.type is ExecutorType.CUSTOM:
                continue
            for task_id, task in executor.launched.items():
                if task.container_id not in state.containers:
                    yield f"task {task_id} is live and its container is not"
    for stream_id, container_id in state.executor_streams.items():
        found = state.executor_of(container_id)
        if found is None or found[1].stream_id != stream_id:
            yield f"stream {stream_id} belongs to no executor"


def _streams(state: AgentState) -> Iterator[str]:
    for key, stream in state.streams.items():
        name = f"the stream of task {stream.task_id}"
        if key != (stream.framework_id, stream.task_id):
            yield f"{name} is filed under {key}"
        if len(stream.acknowledged) > ACKNOWLEDGED_MAX:
            yield f"{name} remembers more acknowledgements than it may"
        if stream.is_overfull or stream.size != sum(update.size for update in stream.pending.values()):
            yield f"{name} holds more than it may, or does not know how much"
        if stream.pending.keys() & stream.acknowledged.keys():
            yield f"{name} holds an update that is acknowledged"
        retried = state.timers.deadline(RetryDue(*key)) is not None
        if retried != bool(stream.pending and state.registered):
            yield f"{name} is {'' if retried else 'not '}sent again, with {len(stream.pending)} waiting"
        framework = state.frameworks.get(stream.framework_id)
        if framework is not None and framework.terminating:
            yield f"{name} is kept although its framework is torn down"
    for framework in state.frameworks.values():
        for executor in framework.executors.values():
            for task_id, task in executor.terminated.items():
                told = state.streams.get((framework.framework_id, task_id))
                if told is None or not told.pending:
                    yield f"task {task_id} waits for an acknowledgement that nothing asks for"
                elif next(reversed(told.pending.values())).status.state is not task.state:
                    yield f"the last word on task {task_id} is not its state {task.state}"


def _ending(state: AgentState) -> Iterator[str]:
    if state.registered and state.link_id is None:
        yield "the agent is registered on no link"
    if state.registered and state.agent_id is None:
        yield "the agent is registered and has no id"
    if state.ending is not None:
        if not all(framework.terminating for framework in state.frameworks.values()):
            yield "the agent ends and a framework does not"
        if not state.frameworks and not state.exited:
            yield "nothing runs on an agent that is to end, and it has not ended"


def _checkpoints(state: AgentState) -> Iterator[str]:
    numbers = [number for number, _ in state.withheld]
    if numbers != sorted(numbers):
        yield "what waits for checkpoints is out of order"
    if numbers and (numbers[0] <= state.checkpointed or numbers[-1] > state.checkpoints):
        stored = f"{state.checkpointed} of {state.checkpoints} are stored"
        yield f"checkpoints {numbers[0]} to {numbers[-1]} are waited for, and {stored}"
    if state.registered and state.recovering is not None:
        yield "the agent is registered before it has recovered"
