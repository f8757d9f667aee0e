"""A master's memory, made by hand."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mesos_service.core.master.guard import Guard
from mesos_service.core.master.state import Agent, Framework, MasterOptions, MasterState, Task
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import MULTI_ROLE, FrameworkInfo
from mesos_service.domain.ids import AgentId, FrameworkId, MasterId, OfferId, Role, StreamId, TaskId
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState, TaskStatus
from mesos_service.plugins.allocator import AllocatorOptions
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.wire.sliced import json_slices

AGENT_ID = AgentId("m-S0")


def printed(value: object) -> Any:  # Any: JSON documents
    """What a reader of the answer sees."""
    return msgspec.json.decode(b"".join(json_slices(value)))


def make_state(resources: str = "cpus:4;mem:4096", weights: Mapping[str, float] | None = None) -> MasterState:
    """With one agent."""
    state = MasterState(
        master_id=MasterId("m"),
        options=MasterOptions(),
        allocator=Guard(load(ALLOCATORS, "hierarchical")(AllocatorOptions())),
        random=random.Random(1),
        started_at=1.0,
        elected_at=2.0,
        weights={Role(role): weight for role, weight in (weights or {}).items()},
    )
    info = AgentInfo(hostname="h", agent_id=AGENT_ID, resources=Resources.parse(resources), version="1.12.0")
    state.agents[AGENT_ID] = Agent(agent_id=AGENT_ID, info=info, link_id=None, registered_at=3.0, total=info.resources)
    return state


def add_framework(state: MasterState, name: str, *roles: str) -> Framework:
    framework_id = FrameworkId(f"m-{name}")
    info = FrameworkInfo(
        name=name,
        user="u",
        framework_id=framework_id,
        roles=tuple(map(Role, roles)),
        capabilities=frozenset({MULTI_ROLE}),
    )
    framework = Framework(framework_id=framework_id, info=info, stream_id=StreamId(name), registered_at=4.0)
    state.frameworks[framework_id] = framework
    return framework


def add_task(
    state: MasterState,
    framework: Framework,
    name: str,
    resources: str,
    role: str,
    *,
    task_state: TaskState = TaskState.RUNNING,
    times: Sequence[float] = (),
) -> Task:
    held = Resources.parse(resources).allocated_to(role)
    task_id = TaskId(name)
    task = Task(
        info=TaskInfo(task_id=task_id, agent_id=AGENT_ID, name=name, resources=held),
        framework_id=framework.framework_id,
        agent_id=AGENT_ID,
        executor_id=None,
        state=task_state,
        statuses=tuple(TaskStatus(task_id=task_id, state=task_state, timestamp=time) for time in times),
    )
    agent = state.agents[AGENT_ID]
    agent.tasks.setdefault(framework.framework_id, {})[task_id] = task
    agent.used[framework.framework_id] = agent.used.get(framework.framework_id, Resources.EMPTY) + held
    framework.tasks[task_id] = task
    return task


def add_offer(state: MasterState, framework: Framework, name: str, resources: str, role: str) -> Offer:
    offer = Offer(
        offer_id=OfferId(name),
        framework_id=framework.framework_id,
        agent_id=AGENT_ID,
        role=Role(role),
        resources=Resources.parse(resources).allocated_to(role),
    )
    for offers in (state.offers, framework.offers, state.agents[AGENT_ID].offers):
        offers[offer.offer_id] = offer
    return offer
