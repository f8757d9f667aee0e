"""A framework's connection (as recorded of Mesos)."""

from __future__ import annotations

import math

import pytest

from mesos_service.core.effects import CloseStream, MasterEffect, OpenStream, SendScheduler
from mesos_service.core.events import Error, Heartbeat, Subscribed
from mesos_service.core.link import FrameworkUpdated
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.scheduler_messages import Request, SchedulerDisconnected, Unhandled
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import FrameworkId, OfferId, Role, StreamId
from tests.unit.core.master.infos import AWARE, framework_info
from tests.unit.core.master.told import downlinks, facts, only, replies
from tests.unit.core.master.world import Scheduler, World, running

# -- subscribing ---------------------------------------------------------------------------------------------


def test_m_sc_01_first_subscription_opens_a_stream_and_gives_an_id() -> None:
    world = World()
    scheduler = Scheduler(world, framework_info())
    effects = scheduler.subscribe()
    opened = [type(effect) for effect in effects].index(OpenStream)
    assert [type(effect) for effect in effects[opened : opened + 3]] == [OpenStream, SendScheduler, SendScheduler]
    assert scheduler.framework_id == "master-0000"
    assert world.state.frameworks[scheduler.framework_id].info.framework_id == "master-0000"
    assert facts(effects) == ["framework.subscribed"]


def test_m_se_01_subscribed_then_a_heartbeat_at_once_and_every_interval() -> None:
    world = World()
    scheduler = Scheduler(world, framework_info())
    events = scheduler.events(scheduler.subscribe())
    assert events == [Subscribed(scheduler.framework_id, 15.0), Heartbeat()]
    assert scheduler.hears(world.advance(14.9), Heartbeat) == []
    assert scheduler.hears(world.advance(0.1), Heartbeat) == [Heartbeat()]
    assert len(scheduler.hears(world.advance(30.0), Heartbeat)) == 2


def test_m_se_01_no_heartbeat_after_the_stream_is_gone() -> None:
    world = World()
    scheduler = world.framework()
    scheduler.disconnect()
    assert only(world.advance(40.0), SendScheduler) == []


def test_x18a_each_subscription_has_a_stream_id_of_its_own() -> None:
    world = World()
    scheduler = world.framework()
    first = scheduler.stream_id
    scheduler.subscribe_again()
    second = world.framework(framework_info("other"))
    assert len({first, scheduler.stream_id, second.stream_id}) == 3


def test_ids_count_up_and_skip_those_that_frameworks_brought_along() -> None:
    world = World()
    world.framework(framework_info(framework_id=FrameworkId("master-0001")))
    assert [world.framework().framework_id for _ in range(2)] == ["master-0000", "master-0002"]


def test_an_id_never_seen_is_accepted_as_it_is() -> None:
    world = World()
    scheduler = world.framework(framework_info(framework_id=FrameworkId("never-seen")))
    assert scheduler.framework_id == "never-seen"
    assert scheduler.record.registered_at == world.now


def test_the_principal_is_the_one_proved_or_else_the_one_claimed() -> None:
    world = World()
    claimed = world.framework(framework_info("a", principal="claimed"))
    proved = Scheduler(world, framework_info("b"))
    proved.subscribe(principal="proved")
    assert (claimed.record.principal, proved.record.principal) == ("claimed", "proved")


# -- refused subscriptions: 200, one ERROR, end ----------------------------------------------------------------


def refusal_of(world: World, info: FrameworkInfo, suppressed: tuple[str, ...] = ()) -> str:
    """The ERROR that answers this SUBSCRIBE; nothing else may come of it."""
    before = dict(world.state.frameworks)
    scheduler = Scheduler(world, info)
    effects = scheduler.subscribe(suppressed)
    opened, sent, closed = effects[:3]
    assert isinstance(opened, OpenStream)
    assert opened.framework_id is None
    assert closed == CloseStream(opened.stream_id)
    assert isinstance(sent, SendScheduler)
    assert isinstance(sent.event, Error)
    assert facts(effects) == ["framework.refused"]
    assert world.state.frameworks == before
    assert opened.stream_id not in world.state.streams
    return sent.event.message


@pytest.mark.parametrize(
    ("info", "suppressed", "text"),
    [
        (framework_info(roles=("a", "a")), (), "'FrameworkInfo.roles' contains duplicate items: { a }"),
        (
            framework_info(roles=("/a",)),
            (),
            "'FrameworkInfo.roles' contains invalid role: Role '/a' cannot start with a slash",
        ),
        (
            framework_info(roles=("..",)),
            (),
            "'FrameworkInfo.roles' contains invalid role: Role '..' cannot include '..' as a component",
        ),
        (
            framework_info(roles=("a b",)),
            (),
            "'FrameworkInfo.roles' contains invalid role: Role component 'a b' is invalid because it contains"
            " backspace or whitespace",
        ),
        (framework_info(roles=("a",)), ("zz",), "Suppressed roles { zz } are not contained in the set of roles"),
        (framework_info(failover_timeout=1e300), (), "The framework failover_timeout (1e+300) is invalid"),
        (framework_info(failover_timeout=math.nan), (), "The framework failover_timeout (nan) is invalid"),
        (framework_info(framework_id=FrameworkId("a/b")), (), "'a/b' contains invalid characters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_m_se_06_invalid_framework_info_is_answered_by_an_error_event(
    info: FrameworkInfo, suppressed: tuple[str, ...], text: str
) -> None:
    assert refusal_of(World(), info, suppressed) == text


def test_m_se_06_what_only_the_wire_can_see_is_refused_the_same_way() -> None:
    info = FrameworkInfo(name="e", user="root", refusal="'FrameworkInfo.role' must not be set")
    assert refusal_of(World(), info) == "'FrameworkInfo.role' must not be set"


def test_an_old_framework_s_one_role_is_checked_too() -> None:
    info = framework_info(roles=("a b",), capabilities=frozenset())
    assert refusal_of(World(), info).startswith("'FrameworkInfo.role' is invalid: ")


@pytest.mark.parametrize("info", [framework_info(failover_timeout=-1.0), framework_info(user="")])
def test_a_negative_failover_timeout_and_an_empty_user_are_accepted(info: FrameworkInfo) -> None:
    assert World().framework(info).record.connected


def test_roles_flag_limits_who_may_subscribe() -> None:
    world = World(options=MasterOptions(roles=frozenset({Role("*"), Role("known")})))
    assert world.framework(framework_info(roles=("known",))).record.connected
    assert "{ other }" in refusal_of(world, framework_info(roles=("known", "other")))


def test_root_submissions_flag_keeps_root_out() -> None:
    world = World(options=MasterOptions(root_submissions=False))
    assert world.framework(framework_info(user="nobody")).record.connected
    assert "root" in refusal_of(world, framework_info(user="root"))


def test_x18f_the_id_of_a_framework_that_was_torn_down_is_not_taken_again() -> None:
    world = World()
    scheduler = world.framework()
    scheduler.tear_down()
    assert refusal_of(world, framework_info(framework_id=scheduler.framework_id)) == "Framework has been removed"


def test_x18e_another_principal_may_not_take_over() -> None:
    world = World()
    scheduler = world.framework(framework_info(principal="owner"))
    text = refusal_of(world, framework_info(framework_id=scheduler.framework_id, principal="thief"))
    assert text == "Updating 'FrameworkInfo.principal' is unsupported"
    assert scheduler.record.connected


# -- calls ---------------------------------------------------------------------------------------------------


def test_x18a_order_of_checks_unknown_disconnected_missing_wrong() -> None:
    world = World()
    scheduler = world.framework()
    stranger = Scheduler(world, framework_info())
    stranger.framework_id = FrameworkId("nope")
    assert replies(stranger.revive(stream_id=None)) == [(400, "Framework cannot be found")]
    assert replies(scheduler.revive(stream_id=None)) == [
        (400, "All non-subscribe calls should include the 'Mesos-Stream-Id' header")
    ]
    assert replies(scheduler.revive(stream_id="xyz")) == [
        (
            400,
            "The stream ID 'xyz' included in this request didn't match the stream ID currently associated with"
            f" framework ID {scheduler.framework_id}",
        )
    ]
    scheduler.disconnect()
    assert replies(scheduler.revive()) == [(403, "Framework is not subscribed")]
    assert replies(scheduler.tear_down()) == [(403, "Framework is not subscribed")]


def test_a_refused_call_changes_nothing() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    (offer,) = scheduler.offers
    thief = world.framework(framework_info("thief"))
    stream_id, thief.stream_id = thief.stream_id, StreamId("not-mine")
    assert replies(thief.decline(offer)) == [
        (
            400,
            f"The stream ID 'not-mine' included in this request didn't match the stream ID currently associated"
            f" with framework ID {thief.framework_id}",
        )
    ]
    thief.stream_id = stream_id
    assert scheduler.offers == [offer]


def test_lawful_calls_about_what_is_not_there_are_accepted() -> None:
    world = World()
    scheduler = world.framework()
    call = Unhandled(
        request=7,
        framework_id=scheduler.framework_id,
        stream_id=scheduler.stream_id,
        type="ACCEPT_INVERSE_OFFERS",
    )
    assert replies(world.take(call)) == [(202, "")]


def test_m_sc_12_a_request_reaches_the_allocator() -> None:
    world = World()
    scheduler = world.framework()
    heard: list[object] = []
    world.state.allocator.request_resources = lambda *said: heard.append(said)  # type: ignore[method-assign]
    call = Request(
        request=7,
        framework_id=scheduler.framework_id,
        stream_id=scheduler.stream_id,
        requests=({"cpus": 1000},),
    )
    assert replies(world.take(call)) == [(202, "")]
    assert heard == [(scheduler.framework_id, ({"cpus": 1000},))]


# -- failover ------------------------------------------------------------------------------------------------


def test_x18b_a_second_subscription_replaces_the_first() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework()
    world.settle()
    (old_offer,) = scheduler.offers
    old = Scheduler(world, scheduler.info)
    old.framework_id, old.stream_id = scheduler.framework_id, scheduler.stream_id
    effects = scheduler.subscribe_again()
    assert old.events(effects) == [Error("Framework failed over")]
    assert CloseStream(old.stream_id) in effects
    assert scheduler.events(effects) == [Subscribed(scheduler.framework_id, 15.0), Heartbeat()]
    assert "framework.failed_over" in facts(effects)
    assert replies(old.revive())[0][0] == 400
    (new_offer,) = scheduler.offered(world.settle())
    assert new_offer.offer_id != old_offer.offer_id
    assert new_offer.agent_id == node.agent_id


def test_x18b_the_end_of_a_replaced_stream_means_nothing() -> None:
    world = World()
    scheduler = world.framework()
    first = scheduler.stream_id
    scheduler.subscribe_again()
    assert world.take(SchedulerDisconnected(framework_id=scheduler.framework_id, stream_id=first)) == []
    assert scheduler.record.connected


def test_x18e_a_new_subscription_may_change_all_but_user_and_checkpoint() -> None:
    world = World()
    scheduler = world.framework(framework_info("old", roles=("a",), user="alice", checkpoint=True))
    scheduler.subscribe_again(
        framework_info("new", roles=("b", "c"), user="bob", checkpoint=False, failover_timeout=7.0)
    )
    info = scheduler.record.info
    assert (info.name, info.roles, info.failover_timeout_seconds) == ("new", ("b", "c"), 7.0)
    assert (info.user, info.checkpoint) == ("alice", True)


def test_agents_that_run_its_tasks_hear_of_a_changed_framework() -> None:
    world = World()
    node, idle = world.agent(), world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    effects = scheduler.subscribe_again(framework_info("renamed"))
    assert [message.framework.name for message in downlinks(effects, FrameworkUpdated)] == ["renamed"]
    assert idle.agent_id not in scheduler.record.executors


def test_x02_agents_hear_of_every_new_subscription_and_repeat_what_is_unacknowledged() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework(framework_info(failover_timeout=60.0))
    running(world, node, scheduler)
    scheduler.disconnect()
    (told,) = downlinks(scheduler.subscribe_again(), FrameworkUpdated)
    assert told.framework.framework_id == scheduler.framework_id


def test_x18g_suppression_is_taken_from_the_new_subscription_and_filters_are_gone() -> None:
    world = World()
    world.agent()
    scheduler = world.framework(framework_info(roles=("a", "b")))
    world.settle()
    scheduler.decline(*scheduler.offers, refuse_seconds=3600)
    assert scheduler.offered(world.advance(3.0)) != []  # in its other role
    scheduler.decline(*scheduler.offers, refuse_seconds=3600)
    assert scheduler.offered(world.advance(3.0)) == []
    scheduler.subscribe_again(suppressed=("a",))
    assert [offer.role for offer in scheduler.offered(world.settle())] == ["b"]
    assert scheduler.record.suppressed == {"a"}


# -- going away ----------------------------------------------------------------------------------------------


def test_x18c_a_disconnected_framework_may_come_back_within_its_timeout() -> None:
    world = World(options=MasterOptions(agent_ping_timeout_seconds=1000.0))
    node = world.agent()
    scheduler = world.framework(framework_info(failover_timeout=60.0))
    running(world, node, scheduler)
    world.advance(10.0)
    assert "framework.disconnected" in facts(scheduler.disconnect())
    assert scheduler.record.offers == {}
    world.advance(59.0)
    effects = scheduler.subscribe_again()
    assert "framework.resubscribed" in facts(effects)
    world.advance(120.0)
    assert list(scheduler.record.tasks) == ["t"]
    assert scheduler.record.reregistered_at is not None


def test_x18c_it_is_removed_with_all_its_tasks_when_it_does_not() -> None:
    world = World()
    node = world.agent()
    scheduler = world.framework(framework_info(failover_timeout=60.0))
    running(world, node, scheduler)
    scheduler.disconnect()
    world.advance(59.9)
    assert scheduler.framework_id in world.state.frameworks
    world.advance(0.2)
    assert scheduler.framework_id in world.state.completed_frameworks
    assert node.record.tasks == {}
    assert node.record.free == node.info.resources


def test_x18c_without_a_timeout_it_is_removed_at_once() -> None:
    world = World()
    scheduler = world.framework(framework_info(failover_timeout=0.0))
    scheduler.disconnect()
    assert replies(scheduler.revive()) == [(400, "Framework cannot be found")]


def test_x14g_offers_die_with_the_connection_and_nobody_gets_them_while_it_is_gone() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    other = world.framework(framework_info("other"))
    world.settle()
    (offer,) = scheduler.offers
    effects = scheduler.disconnect()
    assert "offer.discarded" in facts(effects)
    assert scheduler.rescinded(effects) == []
    assert [one.resources for one in other.offered(world.settle())] == [offer.resources]


# -- suppress, revive, update --------------------------------------------------------------------------------


def test_m_sc_06_and_m_al_17_no_offers_for_suppressed_roles() -> None:
    world = World()
    scheduler = world.framework(framework_info(roles=("a", "b")), suppressed=("a",))
    world.agent()
    assert [offer.role for offer in scheduler.offered(world.settle())] == ["b"]
    assert replies(scheduler.suppress()) == [(202, "")]
    world.agent()
    assert scheduler.offered(world.advance(10.0)) == []
    assert scheduler.record.suppressed == {"a", "b"}


def test_m_sc_05_revive_clears_filters_and_offers_at_once() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    scheduler.decline(*scheduler.offers, refuse_seconds=3600.0)
    assert scheduler.offered(world.advance(20.0)) == []
    assert replies(scheduler.revive()) == [(202, "")]
    assert len(scheduler.offered(world.settle())) == 1


def test_m_sc_05_and_06_are_per_role() -> None:
    world = World()
    scheduler = world.framework(framework_info(roles=("a", "b")))
    scheduler.suppress()
    scheduler.revive("b")
    world.agent()
    assert [offer.role for offer in scheduler.offered(world.settle())] == ["b"]


def test_x62_calls_take_effect_in_the_order_in_which_they_came() -> None:
    world = World()
    first, second = world.framework(framework_info("first")), world.framework(framework_info("second"))
    first.suppress()
    first.revive()
    second.revive()
    second.suppress()
    world.agent()
    effects = world.settle()
    assert (len(first.offered(effects)), len(second.offered(effects))) == (1, 0)


def test_roles_that_are_not_the_framework_s_are_ignored() -> None:
    world = World()
    scheduler = world.framework()
    assert replies(scheduler.suppress("zz")) == [(202, "")]
    assert replies(scheduler.revive("a b")) == [(202, "")]
    assert scheduler.record.suppressed == frozenset()


def test_m_sc_13_an_update_changes_the_framework() -> None:
    world = World()
    scheduler = world.framework()
    effects = scheduler.update(framework_info("renamed", roles=("role", "more")))
    assert replies(effects) == [(200, "")]
    assert (scheduler.record.info.name, scheduler.record.info.roles) == ("renamed", ("role", "more"))
    assert scheduler.record.info.framework_id == scheduler.framework_id


def test_x18h_offers_of_dropped_roles_are_rescinded_those_of_suppressed_ones_are_not() -> None:
    world = World()
    world.agent(), world.agent()
    scheduler = world.framework(framework_info(roles=("a", "b")))
    world.settle()
    by_role = {offer.role: offer.offer_id for offer in scheduler.offers}
    assert set(by_role) == {"a", "b"}
    effects = scheduler.update(framework_info(roles=("b",)), suppressed=("b",))
    assert scheduler.rescinded(effects) == [by_role[Role("a")]]
    assert [offer.offer_id for offer in scheduler.offers] == [by_role[Role("b")]]
    assert scheduler.offered(world.advance(5.0)) == []


@pytest.mark.parametrize(
    ("info", "text"),
    [
        (
            framework_info(user="nobody"),
            "FrameworkInfo update is not valid: Updating 'FrameworkInfo.user' is unsupported; attempted to update"
            " from 'root' to 'nobody'",
        ),
        (
            framework_info(checkpoint=False),
            "FrameworkInfo update is not valid: Updating 'FrameworkInfo.checkpoint' is unsupported; attempted to"
            " update from 'true' to 'false'",
        ),
        (
            framework_info(principal="other"),
            "FrameworkInfo update is not valid: Updating 'FrameworkInfo.principal' is unsupported",
        ),
        (
            framework_info(roles=("/a",)),
            "FrameworkInfo is not valid: 'FrameworkInfo.roles' contains invalid role: Role '/a' cannot start with a"
            " slash",
        ),
    ],
)
def test_x18h_an_update_is_all_or_nothing(info: FrameworkInfo, text: str) -> None:
    world = World()
    scheduler = world.framework()
    before = scheduler.record.info
    assert replies(scheduler.update(info)) == [(400, text)]
    assert scheduler.record.info == before


def test_declining_an_offer_that_never_was_does_no_harm() -> None:
    world = World()
    scheduler = world.framework(framework_info(capabilities=AWARE))
    effects: list[MasterEffect] = scheduler.decline(OfferId("no-such-offer"))
    assert replies(effects) == [(202, "")]
