"""The executor API between the wire and the core: calls inward, events outward."""

from __future__ import annotations

from typing import assert_never

from mesos_service.core import agent_messages as messages
from mesos_service.core import events
from mesos_service.domain.ids import ExecutorId, FrameworkId
from mesos_service.domain.tasks import TaskInfo
from mesos_service.wire import common, tasks
from mesos_service.wire import executor as wire
from mesos_service.wire.convert.infos import (
    agent_to_wire,
    executor_to_wire,
    framework_to_wire,
    status_from_wire,
    task_from_wire,
    task_to_wire,
)
from mesos_service.wire.convert.values import duration_to_wire
from mesos_service.wire.validate import refuse_update


def call_from_wire(call: wire.Call, request: int, stimulus: str = "") -> messages.ExecutorMessages:
    """A call that ``wire.validate`` has passed, in the core's words."""
    framework_id = FrameworkId(call.framework_id.value)
    executor_id = ExecutorId(call.executor_id.value)
    if call.type == "UPDATE":
        assert call.update is not None, "validation saw to it"
        return messages.ExecutorUpdate(
            request=request,
            framework_id=framework_id,
            executor_id=executor_id,
            stimulus=stimulus,
            status=status_from_wire(call.update.status),
        )
    if call.type == "SUBSCRIBE":
        subscribe = call.subscribe or wire.CallSubscribe()
        return messages.ExecutorSubscribe(
            request=request,
            framework_id=framework_id,
            executor_id=executor_id,
            stimulus=stimulus,
            unacknowledged_tasks=tuple(task_from_wire(task) for task in subscribe.unacknowledged_tasks),
            # What would be refused as an UPDATE is left out: no framework could acknowledge it, and it would stand in
            # the way of all that follows.
            unacknowledged_updates=tuple(
                status_from_wire(update.status)
                for update in subscribe.unacknowledged_updates
                if refuse_update(call, update.status) is None
            ),
        )
    if call.type == "MESSAGE":
        assert call.message is not None, "validation saw to it"
        return messages.ExecutorMessage(
            request=request,
            framework_id=framework_id,
            executor_id=executor_id,
            stimulus=stimulus,
            data=call.message.data,
        )
    return messages.ExecutorHeartbeat(
        request=request, framework_id=framework_id, executor_id=executor_id, stimulus=stimulus
    )


def event_to_wire(event: events.ExecutorEvent) -> wire.Event:
    match event:
        case events.Launch():
            return wire.Event(type="LAUNCH", launch=wire.EventLaunch(task=task_to_wire(event.task)))
        case events.LaunchGroup():
            return wire.Event(type="LAUNCH_GROUP", launch_group=wire.EventLaunchGroup(task_group=_group(event.tasks)))
        case events.Acknowledged():
            return wire.Event(
                type="ACKNOWLEDGED",
                acknowledged=wire.EventAcknowledged(task_id=common.TaskID(value=event.task_id), uuid=event.uuid),
            )
        case events.Kill():
            policy = None
            if event.grace_seconds is not None:
                policy = tasks.KillPolicy(grace_period=duration_to_wire(event.grace_seconds))
            return wire.Event(
                type="KILL",
                kill=wire.EventKill(task_id=common.TaskID(value=event.task_id), kill_policy=policy),
            )
        case events.ExecutorSubscribed():
            return wire.Event(
                type="SUBSCRIBED",
                subscribed=wire.EventSubscribed(
                    executor_info=executor_to_wire(event.executor),
                    framework_info=framework_to_wire(event.framework),
                    agent_info=agent_to_wire(event.agent),
                    container_id=common.ContainerID(value=event.container_id),
                ),
            )
        case events.MessageToExecutor():
            return wire.Event(type="MESSAGE", message=wire.EventMessage(data=event.data))
        case events.Shutdown():
            return wire.Event(type="SHUTDOWN")
        case events.Error():
            return wire.Event(type="ERROR", error=wire.EventError(message=event.message))
        case events.Heartbeat():
            return wire.Event(type="HEARTBEAT")
        case _:
            assert_never(event)


def _group(group: tuple[TaskInfo, ...]) -> tasks.TaskGroupInfo:
    return tasks.TaskGroupInfo(tasks=tuple(task_to_wire(task) for task in group))
