"""What the master tells subscribed operators (Mesos docs, operator HTTP API, "SUBSCRIBE"; M-OM-06)."""

from __future__ import annotations

import msgspec

from mesos_service.core.master.state import Agent, Framework, MasterState, Task
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.tasks import TaskStatus
from mesos_service.wire import common
from mesos_service.wire.convert.infos import agent_to_wire, framework_to_wire, status_to_wire
from mesos_service.wire.convert.values import time_to_wire
from mesos_service.wire.operator import (
    Event,
    EventAgentAdded,
    EventAgentRemoved,
    EventFrameworkAdded,
    EventFrameworkRemoved,
    EventFrameworkUpdated,
    EventSubscribed,
    EventTaskAdded,
    EventTaskUpdated,
    ResponseGetFrameworksFramework,
)
from mesos_service.wire.render.master_v1 import agent_v1, get_state
from mesos_service.wire.render.snapshot import Snapshot
from mesos_service.wire.render.tasks_v1 import task_v1

_NEVER = common.TimeInfo(nanoseconds=0)


def subscribed(state: Snapshot, heartbeat_seconds: float) -> Event:
    """The first event: all there is."""
    told = EventSubscribed(get_state=get_state(state), heartbeat_interval_seconds=heartbeat_seconds)
    return Event(type="SUBSCRIBED", subscribed=told)


def task_added(task: Task) -> Event:
    """A task that was launched, or came back with its agent."""
    made = task_v1(task.info, task.framework_id, task.executor_id, task.state, task.statuses, None)
    return Event(type="TASK_ADDED", task_added=EventTaskAdded(task=made))


def task_updated(framework_id: FrameworkId, task: Task, status: TaskStatus) -> Event:
    """``status`` is what the framework is told, beside the latest state, which may be ahead of it."""
    told = EventTaskUpdated(
        framework_id=common.FrameworkID(value=framework_id), status=status_to_wire(status), state=task.state.value
    )
    return Event(type="TASK_UPDATED", task_updated=told)


def agent_added(state: MasterState, agent: Agent) -> Event:
    """As GET_AGENTS lists it, but without ``checkpoint`` (recorded)."""
    told = msgspec.structs.replace(agent_v1(state.deactivated, agent), agent_info=agent_to_wire(agent.info))
    return Event(type="AGENT_ADDED", agent_added=EventAgentAdded(agent=told))


def agent_removed(agent_id: AgentId) -> Event:
    """One that is not coming back under this id."""
    return Event(type="AGENT_REMOVED", agent_removed=EventAgentRemoved(agent_id=common.AgentID(value=agent_id)))


def framework_added(framework: Framework) -> Event:
    """One that subscribed, or whose agents brought it back."""
    return Event(type="FRAMEWORK_ADDED", framework_added=EventFrameworkAdded(framework=_framework(framework)))


def framework_updated(framework: Framework) -> Event:
    """One that subscribed again, or changed what it says of itself."""
    return Event(type="FRAMEWORK_UPDATED", framework_updated=EventFrameworkUpdated(framework=_framework(framework)))


def framework_removed(framework: Framework) -> Event:
    """One that has ended, by what it said of itself."""
    told = EventFrameworkRemoved(framework_info=framework_to_wire(framework.info))
    return Event(type="FRAMEWORK_REMOVED", framework_removed=told)


def _framework(framework: Framework) -> ResponseGetFrameworksFramework:
    """Without what it holds and is offered (recorded)."""
    registered = framework.registered_at
    reregistered = registered if framework.reregistered_at is None else framework.reregistered_at
    return ResponseGetFrameworksFramework(
        framework_info=framework_to_wire(framework.info),
        active=framework.connected,
        connected=framework.connected,
        recovered=framework.recovered,
        registered_time=time_to_wire(registered),
        reregistered_time=time_to_wire(reregistered),
        unregistered_time=_NEVER,
    )
