"""What becomes of offers (as recorded of Mesos)."""

from __future__ import annotations

import math

import pytest

from mesos_service.core.events import Rescind
from mesos_service.core.master.offers import refuse_seconds
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.scheduler_messages import LaunchOperation, UnsupportedOperation
from mesos_service.domain.ids import OfferId
from mesos_service.domain.offers import Filters
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import AWARE, SMALL, TOTAL, framework_info, task_info
from tests.unit.core.master.told import fact, facts, launched, replies
from tests.unit.core.master.world import World

DROPPED = (TaskState.DROPPED, "REASON_INVALID_OFFERS")

# -- accepting -----------------------------------------------------------------------------------------------


def test_m_sc_03_and_x14e_what_is_left_is_filtered_for_refuse_seconds() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    effects = scheduler.launch(offer, task_info("t", node.agent_id), refuse_seconds=4.0)
    assert replies(effects) == [(202, "")]
    assert [task.task_id for task in launched(effects)] == ["t"]
    assert facts(effects) == ["offer.accepted", "task.launched"]
    assert scheduler.offered(world.advance(4.0)) == []
    (left,) = scheduler.offered(world.advance(1.0))
    assert left.resources.unallocated() == TOTAL - SMALL
    assert scheduler.record.offers_accepted == 1


def test_resources_without_allocation_role_get_the_offer_s() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (task,) = launched(scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id)))
    assert task.resources == SMALL.allocated_to("role")
    assert node.record.used == {scheduler.framework_id: SMALL.allocated_to("role")}


@pytest.mark.parametrize("operations", [(), (LaunchOperation(()),)])
def test_x14f_accepting_nothing_is_declining(operations: tuple[LaunchOperation, ...]) -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept(scheduler.offers, *operations, refuse_seconds=3.0)
    assert facts(effects) == ["offer.declined"]
    assert (scheduler.record.offers_accepted, scheduler.record.offers_declined) == (0, 1)
    assert scheduler.offered(world.advance(3.0)) == []
    assert len(scheduler.offered(world.advance(1.0))) == 1


def test_x14c_an_operation_that_cannot_be_done_fails_alone() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept(
        scheduler.offers,
        UnsupportedOperation("RESERVE"),
        LaunchOperation((task_info("t", node.agent_id),)),
    )
    assert fact(effects, "operation.unsupported").attributes["type"] == "RESERVE"
    assert [task.task_id for task in launched(effects)] == ["t"]


def test_x14c_launches_of_one_call_share_what_the_offers_hold() -> None:
    world = World()
    node = world.agent("cpus:2;mem:2048")
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept(
        scheduler.offers,
        LaunchOperation((task_info("a", node.agent_id),)),
        LaunchOperation((task_info("b", node.agent_id), task_info("c", node.agent_id))),
    )
    assert [task.task_id for task in launched(effects)] == ["a", "b"]
    assert scheduler.told(effects) == [("c", TaskState.ERROR, "REASON_TASK_INVALID")]
    assert not node.record.free


def test_several_offers_of_one_agent_may_be_accepted_together() -> None:
    world = World()
    node = world.agent("cpus:2;mem:2048")
    scheduler = world.framework()
    world.settle()
    first = scheduler.offers[0]
    scheduler.launch(first, task_info("a", node.agent_id), refuse_seconds=0.0)
    world.advance(1.0)
    node.update(scheduler, node.status("a", TaskState.FINISHED))
    world.settle()
    assert len(scheduler.offers) == 2
    both = scheduler.offers
    effects = scheduler.accept(both, LaunchOperation((task_info("b", node.agent_id, SMALL + SMALL),)))
    assert [task.task_id for task in launched(effects)] == ["b"]
    assert scheduler.offers == []


# -- X14a: one bad offer spoils the call ---------------------------------------------------------------------


def test_x14a_an_unknown_offer_spoils_the_whole_call() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    effects = scheduler.accept(
        [offer, OfferId("nope")], LaunchOperation((task_info("a", node.agent_id), task_info("b", node.agent_id)))
    )
    assert replies(effects) == [(202, "")]
    assert scheduler.told(effects) == [("a", *DROPPED), ("b", *DROPPED)]
    status = scheduler.statuses(effects)[0]
    assert status.message == "Task launched with invalid offers: Offer nope is no longer valid"
    assert (status.source, status.uuid, status.agent_id) == ("SOURCE_MASTER", None, node.agent_id)
    assert launched(effects) == []
    assert scheduler.offers == [], "the valid one is given back too"
    assert len(scheduler.offered(world.advance(1.0))) == 1


def test_x14a_an_offer_cannot_be_used_twice() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    scheduler.launch(offer, task_info("one", node.agent_id))
    effects = scheduler.launch(offer, task_info("again", node.agent_id))
    assert scheduler.told(effects) == [("again", *DROPPED)]
    assert list(scheduler.record.tasks) == ["one"]


def test_x14a_an_offer_cannot_be_named_twice() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    effects = scheduler.accept([offer, offer], LaunchOperation((task_info("t", node.agent_id),)))
    assert scheduler.told(effects) == [("t", *DROPPED)]
    assert scheduler.offers == []


def test_x14a_another_framework_s_offer_stays_its_own() -> None:
    world = World()
    node = world.agent()
    owner = world.framework(framework_info("owner"))
    world.settle()
    thief = world.framework(framework_info("thief"))
    (offer,) = owner.offers
    effects = thief.launch(offer, task_info("t", node.agent_id))
    assert thief.told(effects) == [("t", *DROPPED)]
    assert owner.offers == [offer]


def test_x14a_offers_of_two_agents_do_not_go_together() -> None:
    world = World()
    node, _ = world.agent(), world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept(scheduler.offers, LaunchOperation((task_info("t", node.agent_id),)))
    assert scheduler.told(effects) == [("t", *DROPPED)]
    assert scheduler.offers == []


def test_x14a_offers_for_two_roles_do_not_go_together() -> None:
    world = World()
    node = world.agent("cpus:2;mem:2048")
    scheduler = world.framework(framework_info(roles=("a", "b")), suppressed=("b",))
    world.settle()
    scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id))
    scheduler.suppress("a")
    scheduler.revive("b")
    world.settle()
    scheduler.suppress("b")
    scheduler.revive("a")
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    world.settle()
    assert sorted(offer.role for offer in scheduler.offers) == ["a", "b"]
    effects = scheduler.accept(scheduler.offers, LaunchOperation((task_info("v", node.agent_id),)))
    assert scheduler.told(effects) == [("v", *DROPPED)]
    assert "different roles" in str(scheduler.statuses(effects)[0].message)


def test_x14a_tasks_without_any_offer() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.accept([], LaunchOperation((task_info("t", node.agent_id),)))
    assert scheduler.told(effects) == [("t", *DROPPED)]
    assert len(scheduler.offers) == 1


def test_an_empty_accept_is_accepted() -> None:
    world = World()
    assert replies(world.framework().accept([])) == [(202, "")]


def test_x14a_a_framework_that_is_not_partition_aware_is_told_lost() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework(framework_info(capabilities=AWARE - {"PARTITION_AWARE"}))
    effects = scheduler.accept([OfferId("nope")], LaunchOperation((task_info("t", node.agent_id),)))
    assert scheduler.told(effects) == [("t", TaskState.LOST, "REASON_INVALID_OFFERS")]


def test_x14b_the_agent_goes_while_the_answer_is_under_way() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    node.lose_link()
    effects = scheduler.launch(offer, task_info("t", node.agent_id))
    assert scheduler.told(effects) == [("t", *DROPPED)]


def test_x09_what_the_master_says_itself_has_no_uuid() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.launch(scheduler.offers[0], task_info("a/b", node.agent_id))
    effects += scheduler.accept([OfferId("nope")], LaunchOperation((task_info("t", node.agent_id),)))
    effects += scheduler.kill("ghost")
    assert [status.uuid for status in scheduler.statuses(effects)] == [None, None, None]


# -- declining -----------------------------------------------------------------------------------------------


def test_m_sc_04_and_b43_a_refused_agent_is_not_offered_for_five_seconds() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.decline(*scheduler.offers)
    assert replies(effects) == [(202, "")]
    assert fact(effects, "offer.declined").attributes["refuse_seconds"] == 5.0
    assert scheduler.offered(world.advance(5.0)) == []
    assert [offer.agent_id for offer in scheduler.offered(world.advance(1.0))] == [node.agent_id]


def test_m_al_16_several_offers_in_one_decline() -> None:
    world = World()
    world.agent(), world.agent()
    scheduler = world.framework()
    world.settle()
    effects = scheduler.decline(*scheduler.offers, OfferId("unknown"), refuse_seconds=3600.0)
    assert facts(effects) == ["offer.declined", "offer.declined", "offer.unknown"]
    assert scheduler.offered(world.advance(20.0)) == []


def test_x14f_declining_another_framework_s_offer_is_ignored() -> None:
    world = World()
    world.agent()
    owner = world.framework(framework_info("owner"))
    world.settle()
    thief = world.framework(framework_info("thief"))
    assert replies(thief.decline(*owner.offers)) == [(202, "")]
    assert len(owner.offers) == 1


def test_x27_more_than_was_refused_gets_through() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    scheduler.launch(offer, task_info("t", node.agent_id), refuse_seconds=3600.0)
    assert scheduler.offered(world.advance(3.0)) == []
    node.update(scheduler, node.status("t", TaskState.FINISHED))
    (whole,) = scheduler.offered(world.settle())
    assert whole.resources.unallocated() == TOTAL


def test_x27_a_filter_is_one_framework_s_in_one_role() -> None:
    world = World()
    world.agent()
    scheduler = world.framework(framework_info("both", roles=("a", "b")))
    world.settle()
    (offer,) = scheduler.offers
    scheduler.decline(offer, refuse_seconds=3600.0)
    (again,) = scheduler.offered(world.settle())
    assert {offer.role, again.role} == {"a", "b"}


@pytest.mark.parametrize(
    ("asked", "lasts"),
    [
        (5.0, 5.0),
        (0.0, 0.0),
        (-1.0, 5.0),
        (math.nan, 5.0),
        (0.001, 1.0),
        (86400.0 * 366, 86400.0 * 365),
        (4294967295.0, 86400.0 * 365),
        (math.inf, 86400.0 * 365),
    ],
)
def test_x28_length_of_a_filter(asked: float, lasts: float) -> None:
    assert refuse_seconds(Filters(asked), 1.0) == lasts


def test_x28_a_filter_outlives_the_next_full_pass() -> None:
    assert refuse_seconds(Filters(5.0), 60.0) == 60.0
    assert refuse_seconds(Filters(-5.0), 60.0) == 60.0
    assert refuse_seconds(Filters(0.0), 60.0) == 0.0


def test_x28_no_filter_means_the_next_full_pass_and_not_at_once() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    scheduler.decline(*scheduler.offers, refuse_seconds=0.0)
    assert scheduler.offered(world.settle()) == []
    assert len(scheduler.offered(world.advance(1.0))) == 1


# -- running out ---------------------------------------------------------------------------------------------


def test_a40_b47_and_m_al_26_an_unanswered_offer_is_rescinded_and_offered_elsewhere() -> None:
    world = World()
    world.agent()
    silent = world.framework(framework_info("silent"))
    world.settle()
    (offer,) = silent.offers
    assert offer.expires_at == offer.offered_at + 30.0
    patient = world.framework(framework_info("patient"))
    assert silent.rescinded(world.advance(29.9)) == []
    effects = world.advance(0.2)
    assert silent.hears(effects, Rescind) == [Rescind(offer.offer_id)]
    assert [one.resources for one in patient.offered(effects)] == [offer.resources]
    assert silent.record.offers_rescinded == 1


def test_a40_a_late_accept_is_refused() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    world.advance(30.0)
    effects = scheduler.launch(offer, task_info("t", node.agent_id))
    assert scheduler.told(effects) == [("t", *DROPPED)]


def test_a40_and_m_se_02_a_rescind_installs_no_filter() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    effects = world.advance(30.0)
    assert scheduler.rescinded(effects) == [offer.offer_id]
    (again,) = scheduler.offered(effects)
    assert again.resources == offer.resources
    kinds = [type(event).__name__ for event in scheduler.events(effects)]
    assert kinds.index("Rescind") < kinds.index("Offers")


def test_a40_an_answered_offer_does_not_run_out() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    scheduler.launch(scheduler.offers[0], task_info("t", node.agent_id), refuse_seconds=3600.0)
    effects = world.advance(60.0)
    assert scheduler.rescinded(effects) == []
    assert list(world.state.offer_expiries) == []


def test_m_al_26_without_a_timeout_offers_stand_for_ever() -> None:
    world = World(options=MasterOptions(offer_timeout_seconds=None, agent_ping_timeout_seconds=1e9))
    world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    assert offer.expires_at is None
    world.tick(1e6)
    assert scheduler.offers == [offer]
