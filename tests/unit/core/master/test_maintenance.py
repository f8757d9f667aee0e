"""The maintenance schedule, machines that go down, and inverse offers (M-OM-11, M-HA-12, M-SE-08, M-SC-14)."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import MasterEffect, Persist
from mesos_service.core.events import InverseOffers, RescindInverseOffer
from mesos_service.core.link import Registered, ShutdownAgent
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.operator_messages import MaintenanceWindow, OperatorSchedule
from mesos_service.core.registry.operations import UpdateMachines
from mesos_service.core.scheduler_messages import AnswerInverseOffers
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.ids import OfferId
from mesos_service.domain.machines import Machine, MachineMode, Unavailability, machine_id, machines_of
from mesos_service.domain.offers import Filters
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.operating import WHEN, change, of, schedule
from tests.unit.core.master.reign import Reign, follow
from tests.unit.core.master.told import downlinks, only, replies
from tests.unit.core.master.world import Node, Scheduler, running

FAST = MasterOptions(agent_ping_timeout_seconds=1.0, max_agent_ping_timeouts=2)


def asked(scheduler: Scheduler, effects: list[MasterEffect]) -> list[OfferId]:
    return [one.offer_id for event in scheduler.hears(effects, InverseOffers) for one in event.offers]


def answer(
    scheduler: Scheduler, *offer_ids: OfferId, accepted: bool = True, seconds: float = 5.0
) -> list[MasterEffect]:
    return scheduler.world.take(
        AnswerInverseOffers(
            request=scheduler.world.request(),
            framework_id=scheduler.framework_id,
            stream_id=scheduler.stream_id,
            offer_ids=offer_ids,
            accepted=accepted,
            filters=Filters(seconds),
        )
    )


def test_m_om_11_a_name_too_long_for_a_key_of_the_registry_is_refused_and_stored_nowhere() -> None:
    """Where PostgreSQL refused it, the leading master ended."""
    effects = schedule(Reign(), machine_id("h" * 1025, None))
    assert replies(effects) == [(400, "'hostname' of a machine is longer than 1024 bytes")]
    assert not [effect for effect in effects if isinstance(effect, Persist)]


def test_m_al_24_m_ha_12_a_schedule_takes_offers_back_and_asks_who_holds_something_to_leave() -> None:
    world = Reign()
    node, other = world.agent(hostname="one"), world.agent(hostname="two")
    scheduler = world.framework()
    running(world, node, scheduler)
    world.advance(7.0)
    (mine,) = [one.offer_id for one in scheduler.offers if one.agent_id == node.agent_id]
    effects = schedule(world, of(node))
    assert replies(effects) == [(200, "")]
    assert scheduler.rescinded(effects) == [mine], "only what the schedule names is offered anew"
    (event,) = scheduler.hears(effects, InverseOffers)
    (one,) = event.offers
    assert (one.agent_id, one.unavailability) == (node.agent_id, WHEN)
    assert world.registry.machines == {of(node): Machine(MachineMode.DRAINING, 0, WHEN)}
    assert asked(scheduler, world.advance(30.0)) == [], "it has been asked, and may take its time"
    assert other.agent_id in world.state.agents
    effects = schedule(world)
    assert scheduler.hears(effects, RescindInverseOffer) == [RescindInverseOffer(one.offer_id)]
    assert world.registry.machines == world.state.machines == {}


def test_m_se_08_who_holds_nothing_there_is_not_asked() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    world.advance(1.0)
    effects = schedule(world, of(node))
    assert asked(scheduler, effects) == []
    running(world, node, scheduler)
    assert len(asked(scheduler, world.advance(1.0))) == 1


def test_m_sc_14_answers_are_remembered_and_asked_for_again_when_they_have_lapsed() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    (first,) = asked(scheduler, schedule(world, of(node)))
    assert replies(answer(scheduler, first, seconds=10.0)) == [(202, "")]
    key = (node.agent_id, scheduler.framework_id)
    assert world.state.inverse_answers[key].accepted
    assert asked(scheduler, world.advance(9.0)) == []
    (second,) = asked(scheduler, world.advance(2.0))
    answer(scheduler, second, accepted=False)
    assert not world.state.inverse_answers[key].accepted
    assert replies(answer(scheduler, first, second, OfferId("nobody's"))) == [(202, "")]
    assert not world.state.inverse_answers[key].accepted, "an answer to what is not asked any more changes nothing"


def test_m_se_08_a_framework_that_comes_back_is_asked_again() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    (first,) = asked(scheduler, schedule(world, of(node)))
    scheduler.disconnect()
    scheduler.subscribe_again()
    (second,) = asked(scheduler, world.advance(2.0))
    assert first != second


def test_m_om_11_a_machine_goes_down_with_its_agent_and_comes_up_again() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    (question,) = asked(scheduler, schedule(world, of(node)))
    effects = change(world, of(node))
    assert replies(effects) == [(200, "")]
    assert len(downlinks(effects, ShutdownAgent)) == 1
    assert scheduler.told(effects) == [("t", TaskState.LOST, "REASON_AGENT_REMOVED")]
    assert question not in world.state.inverse_offers
    assert world.state.agents == {}
    assert downlinks(node.come_back(), ShutdownAgent) == [ShutdownAgent("Machine is DOWN")]
    again = Node(world, AgentInfo(hostname=node.info.hostname, ip=node.info.ip), world.new_link())
    assert downlinks(again.register(), Registered) == []
    assert replies(change(world, of(node), up=True)) == [(200, "")]
    assert world.registry.machines == {}
    assert len(downlinks(again.register(), Registered)) == 1


@pytest.mark.parametrize("known", [False, True], ids=["new", "unreachable"])
def test_m_om_11_an_agent_that_asks_while_its_machine_goes_down_is_not_left_there(known: bool) -> None:
    """Both are being stored at once: the machine goes down first, and the agent is in nobody's memory then."""
    world = Reign(options=FAST)
    node = world.agent(hostname="other")
    schedule(world, of(node))
    world.advance(10.0)
    assert node.agent_id in world.state.unreachable
    world.stores = False
    change(world, of(node))
    assert only(node.come_back() if known else node.register(), Persist)
    world.stores = True
    effects = world.tick()
    assert downlinks(effects, ShutdownAgent) == [ShutdownAgent("Operator initiated 'Machine DOWN'")]
    assert not world.state.agents
    assert not world.registry.admitted


def test_m_ha_02_a_new_master_knows_the_schedule() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    info = running(world, node, scheduler)
    schedule(world, of(node))
    world = world.successor()
    follow(world, node, scheduler)
    scheduler.subscribe_again()
    effects = node.come_back(node.report(scheduler, info)) + world.advance(2.0)
    assert len(asked(scheduler, effects)) == 1
    change(world, of(node))
    world = world.successor()
    follow(world, node, scheduler)
    assert downlinks(node.come_back(node.report(scheduler, info)), ShutdownAgent) == [ShutdownAgent("Machine is DOWN")]


def test_x16_a_schedule_is_stored_before_anybody_hears_of_it() -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    world.advance(7.0)
    world.stores = False
    effects = schedule(world, of(node))
    (persist,) = only(effects, Persist)
    assert isinstance(persist.operation, UpdateMachines)
    assert len(effects) == 1
    # What follows is checked against what the registry will have.
    ((status, text),) = replies(change(world, of(node), up=True))
    assert (status, "is not in DOWN mode" in text) == (400, True)


def test_m_om_11_what_makes_no_sense_is_refused_in_mesos_words() -> None:
    world = Reign()
    known, other = machine_id("Host", "10.0.0.1"), machine_id("other", None)
    assert known == '{"hostname":"host","ip":"10.0.0.1"}'
    for effects, text in (
        (change(world, other), """Machine '{"hostname":"other"}' is not part of a maintenance schedule"""),
        (change(world), "List of machines is empty"),
        (schedule(world, known, known), f"Machine '{known}' appears more than once in the schedule"),
        (schedule(world, machine_id(None, None)), "Both 'hostname' and 'ip' for a machine are empty"),
        (schedule(world, machine_id(None, "10.0.0")), "'10.0.0' is not an IP address"),
        (schedule(world, known, when=Unavailability(1, -1)), "Unavailability 'duration' is negative"),
        (
            world.take(OperatorSchedule(request=1, windows=(MaintenanceWindow((), WHEN),))),
            "List of machines in the maintenance window is empty",
        ),
    ):
        assert replies(effects) == [(400, text)]
    schedule(world, known)
    assert replies(change(world, known, up=True)) == [
        (400, f"Machine '{known}' is not in DOWN mode and cannot be brought up")
    ]
    change(world, known)
    assert replies(change(world, known)) == [
        (400, f"Machine '{known}' is not in DRAINING mode and cannot be brought down")
    ]
    assert replies(schedule(world, other)) == [
        (400, f"Machine '{known}' is deactivated and cannot be removed from the schedule")
    ]
    assert replies(schedule(world, known, other)) == [(200, "")]
    assert world.state.machines[known].mode is MachineMode.DOWN


@pytest.mark.parametrize("name", [0, 1, 2])
def test_a_machine_may_be_named_by_either_of_its_names(name: int) -> None:
    world = Reign()
    node, scheduler = world.agent(), world.framework()
    running(world, node, scheduler)
    assert len(asked(scheduler, schedule(world, machines_of(node.info)[name]))) == 1
