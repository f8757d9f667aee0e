"""Tasks as ``GET_TASKS`` lists them, on masters and agents alike."""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.domain.ids import ExecutorId, FrameworkId
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus
from mesos_service.wire import common, tasks
from mesos_service.wire.convert.infos import carried_task, status_to_wire
from mesos_service.wire.convert.values import resources_to_wire


def task_v1(
    info: TaskInfo,
    framework_id: FrameworkId,
    executor_id: ExecutorId | None,
    state: TaskState,
    statuses: Sequence[TaskStatus],
    last: TaskStatus | None,
) -> tasks.Task:
    """``executor_id`` is ``None`` for a command task; ``last`` is the update last sent to the framework."""
    carried = carried_task(info)
    return tasks.Task(
        name=info.name,
        task_id=common.TaskID(value=info.task_id),
        framework_id=common.FrameworkID(value=framework_id),
        executor_id=None if executor_id is None else common.ExecutorID(value=executor_id),
        agent_id=common.AgentID(value=info.agent_id),
        state=state.value,
        resources=resources_to_wire(info.resources),
        statuses=tuple(map(status_to_wire, statuses)),
        status_update_state=None if last is None else last.state.value,
        status_update_uuid=None if last is None else last.uuid,
        labels=carried.labels if carried is not None else None,
        discovery=carried.discovery if carried is not None else None,
        container=carried.container if carried is not None else None,
        health_check=carried.health_check if carried is not None else None,
        kill_policy=carried.kill_policy if carried is not None else None,
        user=carried.command.user if carried is not None and carried.command is not None else None,
    )
