"""One trace for each offer's life (N03), and none at all while tracing is off."""

from __future__ import annotations

import random

from mesos_service.core.effects import MasterEffect, Span
from mesos_service.core.link import RunTask, RunTaskGroup, UpdateStatus
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.scheduler_messages import Accept, LaunchGroupOperation, LaunchOperation
from mesos_service.core.trace import TraceParent
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.ids import ExecutorId, TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import task_info
from tests.unit.core.master.told import downlinks, only, spans
from tests.unit.core.master.world import Node, Scheduler, World

TRACED = MasterOptions(tracing=True)
CALLER = TraceParent("00-000000000000000000000000000000aa-00000000000000bb-01")


def trace_id(span: Span | TraceParent | str | None) -> str:
    text = span.trace if isinstance(span, Span) else span
    assert text is not None
    return text.split("-")[1]


def the(effects: list[MasterEffect], name: str) -> Span:
    (span,) = spans(effects, name)
    return span


def traced_world() -> tuple[World, Node, Scheduler, list[MasterEffect]]:
    world = World(options=TRACED)
    node, scheduler = world.agent(), world.framework()
    return world, node, scheduler, world.settle()


def test_n03_an_offer_s_life_from_decision_to_acknowledgement_is_one_trace() -> None:
    world, node, scheduler, effects = traced_world()
    (offer,) = scheduler.offers
    decision = the(effects, "master.allocation")
    assert offer.trace is not None
    assert decision.parent == offer.trace
    assert decision.attributes["allocator"] == "hierarchical_drf"

    world.now += 2.0
    call = Accept(
        request=1,
        framework_id=scheduler.framework_id,
        stream_id=scheduler.stream_id,
        offer_ids=(offer.offer_id,),
        operations=(LaunchOperation((task_info("t", node.agent_id),)),),
        caller_trace=CALLER,
    )
    effects = world.take(call)
    offered, accepted, started = (the(effects, f"master.{name}") for name in ("offer", "accept", "launch"))
    assert (offered.trace, offered.parent, offered.link) == (offer.trace, None, CALLER)
    assert (offered.end - offered.start, offered.attributes["outcome"]) == (2.0, "accepted")
    assert (accepted.parent, accepted.link) == (offer.trace, CALLER)
    assert started.parent == accepted.trace
    (message,) = downlinks(effects, RunTask)
    assert message.trace == started.trace == scheduler.record.tasks[TaskId("t")].trace

    agent_span = TraceParent(f"00-{trace_id(offer.trace)}-00000000000000cc-01")
    status = node.status("t", TaskState.RUNNING)
    message_up = UpdateStatus(framework_id=scheduler.framework_id, status=status, trace=agent_span)
    update = the(node.say(message_up), "master.update")
    assert update.parent == agent_span
    assert spans(node.say(message_up), "master.update") == [], "a repetition is no new step of the story"
    world.now += 0.5
    acknowledged = the(scheduler.acknowledge(status), "master.acknowledgement")
    assert acknowledged.parent == update.trace
    assert acknowledged.end - acknowledged.start == 0.5
    assert spans(scheduler.acknowledge(status), "master.acknowledgement") == []

    whole = [decision, offered, accepted, started, update, acknowledged]
    assert {trace_id(span) for span in whole} == {trace_id(offer.trace)}
    assert len({span.trace for span in whole}) == len(whole)


def test_n03_a_declined_or_rescinded_offer_s_trace_ends_with_it() -> None:
    world, _, scheduler, _ = traced_world()
    (offer,) = scheduler.offers
    span = the(scheduler.decline(offer, refuse_seconds=0.0), "master.offer")
    assert (span.trace, span.attributes["outcome"]) == (offer.trace, "declined")
    world.advance(1.0)
    span = the(world.advance(30.0), "master.offer")
    assert (span.end - span.start, span.attributes["outcome"]) == (30.0, "rescinded")


def test_n03_each_offer_has_a_trace_of_its_own() -> None:
    world = World(options=TRACED)
    world.agent(), world.agent()
    scheduler = world.framework()
    world.settle()
    assert len({trace_id(offer.trace) for offer in scheduler.offers}) == 2


def test_n03_a_group_is_launched_under_one_span() -> None:
    _, node, scheduler, _ = traced_world()
    pod = ExecutorInfo(executor_id=ExecutorId("pod"), type=ExecutorType.DEFAULT)
    group = LaunchGroupOperation(pod, (task_info("a", node.agent_id), task_info("b", node.agent_id)))
    effects = scheduler.accept(scheduler.offers, group)
    (message,) = downlinks(effects, RunTaskGroup)
    span = the(effects, "master.launch")
    assert span.trace == message.trace
    assert span.attributes["tasks"] == 2
    assert {task.trace for task in scheduler.record.tasks.values()} == {span.trace}


def test_n03_while_tracing_is_off_nothing_is_drawn_and_nothing_told() -> None:
    world = World()
    node, scheduler = world.agent(), world.framework()
    effects = world.settle()
    source = world.state.random
    assert isinstance(source, random.Random)
    before = source.getstate()
    effects += scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id))
    status = node.status("t", TaskState.RUNNING)
    effects += node.update(scheduler, status)
    effects += scheduler.acknowledge(status)
    assert source.getstate() == before
    assert only(effects, Span) == []
    assert {message.trace for message in downlinks(effects, RunTask)} == {None}
