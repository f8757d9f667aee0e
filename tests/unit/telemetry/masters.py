"""A master with something to count."""

from __future__ import annotations

import random

from mesos_service.core.master.guard import Guard
from mesos_service.core.master.state import Agent, Framework, MasterOptions, MasterState, Task
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import (
    AgentId,
    FrameworkId,
    LinkId,
    MasterId,
    OfferId,
    Role,
    StreamId,
    TaskId,
)
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo, TaskState
from tests.unit.core.master.world import default_allocator

F1, A1, T1 = FrameworkId("m-0000"), AgentId("m-S0"), TaskId("t1")
TOTAL = Resources.parse("cpus:4;mem:4096;disk:8192;ports:[31000-32000]")
PART = Resources.parse("cpus:1;mem:1024")


def a_master() -> MasterState:
    state = MasterState(
        master_id=MasterId("m"),
        options=MasterOptions(),
        allocator=Guard(default_allocator()),
        random=random.Random(1),
        started_at=100.0,
        elected_at=100.5,
    )
    state.agents[A1] = Agent(
        A1,
        AgentInfo(hostname="h", resources=TOTAL),
        LinkId("l"),
        registered_at=101.0,
        total=TOTAL,
        used={F1: PART.allocated_to("a")},
    )
    info = FrameworkInfo(name="my framework/1", user="u", roles=(Role("a"), Role("b")))
    framework = Framework(
        F1, info, StreamId("s"), registered_at=102.0, suppressed=frozenset({Role("b")}), offers_sent=7
    )
    task = TaskInfo(task_id=T1, agent_id=A1, resources=PART)
    framework.tasks[T1] = Task(task, F1, A1, None, state=TaskState.RUNNING)
    state.frameworks[F1] = framework
    offer = Offer(
        offer_id=OfferId("m-O1"),
        framework_id=F1,
        agent_id=A1,
        role=Role("a"),
        resources=Resources.parse("cpus:2;mem:512").allocated_to("a"),
    )
    state.offers[offer.offer_id] = offer
    return state
