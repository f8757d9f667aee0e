"""Several schedulers of one framework: who acts, who stands by, and who takes over (A44, N11, X19)."""

from __future__ import annotations

import pytest

from mesos_service.core.effects import CloseStream, MasterEffect, Persist
from mesos_service.core.events import Error, Offers, Promoted, Subscribed
from mesos_service.core.link import FrameworkUpdated
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.registry.operations import apply
from mesos_service.core.scheduler_messages import SchedulerHeartbeat, Subscribe
from mesos_service.domain.frameworks import SchedulerMode
from mesos_service.domain.ids import FrameworkId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import downlinks, facts, only, replies
from tests.unit.core.master.world import Scheduler, World, running

MINE = FrameworkId("mine")


class OneOfSeveral(Scheduler):
    """A scheduler that knows of modes and tokens; it remembers the last token it was told."""

    def __init__(
        self,
        world: World,
        name: str = "several",
        *,
        failover_timeout: float = 100.0,
        mode: SchedulerMode | None = "STANDBY",
        token: int | None = None,
        lease: float | None = None,
    ) -> None:
        super().__init__(world, framework_info(name, framework_id=MINE, failover_timeout=failover_timeout))
        self.mode = mode
        self.token = token
        self.lease = lease

    def come(self) -> list[MasterEffect]:
        request = self.world.request()
        self.world.subscribing[request] = self
        effects = self.world.take(
            Subscribe(
                request=request,
                framework=self.info,
                mode=self.mode,
                fencing_token=self.token,
                lease_seconds=self.lease,
            )
        )
        self.listen(effects)
        return effects

    def listen(self, effects: list[MasterEffect]) -> None:
        for event in self.events(effects):
            if isinstance(event, Promoted | Subscribed) and event.fencing_token is not None:
                self.token = event.fencing_token

    def beat(self) -> list[MasterEffect]:
        return self.world.take(
            SchedulerHeartbeat(request=self.world.request(), framework_id=self.framework_id, stream_id=self.stream_id)
        )

    @property
    def acts(self) -> bool:
        return self.framework_id in self.world.state.frameworks and self.record.stream_id == self.stream_id


def three(world: World, failover_timeout: float = 100.0) -> tuple[OneOfSeveral, OneOfSeveral, OneOfSeveral]:
    """The first acts, the others stand by in this order."""
    names = ("first", "second", "third")
    first, second, third = (OneOfSeveral(world, name, failover_timeout=failover_timeout) for name in names)
    for one in (first, second, third):
        one.come()
    assert (first.acts, second.acts, third.acts) == (True, False, False)
    return first, second, third


def promoted(scheduler: Scheduler, effects: list[MasterEffect]) -> list[int]:
    return [event.fencing_token for event in scheduler.hears(effects, Promoted)]


# -- standing by ---------------------------------------------------------------------------------------------


def test_a44_the_first_of_several_is_promoted_at_once_and_the_others_wait() -> None:
    world = World()
    first, second = OneOfSeveral(world), OneOfSeveral(world)
    events = first.events(first.come())
    assert events[0] == Subscribed(MINE, 15.0, "STANDBY")
    assert Promoted(MINE, 2) in events
    assert second.events(second.come())[0] == Subscribed(MINE, 15.0, "STANDBY")
    assert second.token is None
    assert list(first.record.standbys) == [second.stream_id]


def test_b56_one_that_stands_by_gets_heartbeats_and_nothing_else() -> None:
    world = World()
    node = world.agent()
    first, second, _ = three(world)
    running(world, node, first)
    heard = second.events(world.advance(31.0))
    assert {type(event).__name__ for event in heard} == {"Heartbeat"}


def test_x19_schedulers_written_for_mesos_see_none_of_it() -> None:
    world = World()
    old = world.framework(framework_info(framework_id=MINE))
    assert old.record.generation == 1
    assert old.events(old.subscribe_again())[0] == Subscribed(MINE, 15.0)
    assert old.record.generation == 1


@pytest.mark.parametrize("call", ["revive", "suppress", "tear_down"])
def test_a44_one_that_stands_by_may_only_send_heartbeats(call: str) -> None:
    world = World()
    _, second, _ = three(world)
    ((status, text),) = replies(getattr(second, call)())
    assert status == 403
    assert "stands by" in text
    assert replies(second.beat()) == [(202, "")]


def test_m_se_06_a_lease_or_a_token_that_cannot_be_is_refused() -> None:
    world = World()
    leases = [OneOfSeveral(world, lease=lease) for lease in (0.01, 1e9)]
    for one in (*leases, *(OneOfSeveral(world, token=token) for token in (0, -3, 2**60))):
        (text,) = one.errors(one.come())
        assert "lease_seconds" in text or "fencing_token" in text
    assert world.state.frameworks == {}


def test_x18e_a_standby_of_another_principal_is_refused() -> None:
    world = World()
    three(world)
    thief = OneOfSeveral(world)
    thief.info = framework_info(framework_id=MINE, principal="thief")
    assert thief.errors(thief.come()) == ["Updating 'FrameworkInfo.principal' is unsupported"]


# -- taking over ---------------------------------------------------------------------------------------------


def test_a44_when_the_stream_of_the_one_that_acts_ends_the_next_is_promoted_at_once() -> None:
    world = World()
    node = world.agent()
    first, second, third = three(world)
    running(world, node, first)
    now = world.now
    effects = first.disconnect()
    assert promoted(second, effects) == [3]
    assert (second.acts, world.now) == (True, now)
    assert list(second.record.standbys) == [third.stream_id]
    assert world.registry.frameworks[MINE].generation == 3
    assert "framework.promoted" in facts(effects)
    assert downlinks(effects, FrameworkUpdated) != []
    assert list(second.record.tasks) == ["t"]


def test_a44_the_promoted_one_gets_all_that_one_does_that_fails_over() -> None:
    """Offers of before are gone without a word, new ones come; what is not acknowledged is repeated by agents (X02)."""
    world = World()
    node = world.agent()
    first, second, _ = three(world)
    world.settle()
    (old,) = first.offers
    effects = first.disconnect()
    assert "offer.discarded" in facts(effects)
    (new,) = second.offered(world.settle())
    assert (new.offer_id != old.offer_id, new.agent_id) == (True, node.agent_id)
    assert second.told(second.reconcile()) == []


def test_x16_the_token_is_stored_before_it_is_told() -> None:
    world = World()
    first, second, _ = three(world)
    world.stores = False
    effects = first.disconnect()
    assert len(only(effects, Persist)) == 1
    assert second.events(effects) == []
    assert promoted(second, world.store()) == [3]


def test_n11_calls_of_the_one_that_acted_are_refused_and_told_why() -> None:
    world = World()
    world.agent()
    first, second, _ = three(world)
    world.settle()
    (offer,) = first.offers
    first.disconnect()
    ((status, text),) = replies(first.accept([offer]))
    assert (status, text) == (
        403,
        "Fencing token 2 is no longer valid: another scheduler of framework mine acts with token 3",
    )
    assert second.acts


def test_n11_calls_are_refused_from_the_moment_that_the_next_token_is_asked_for() -> None:
    world = World()
    first, _, _ = three(world)
    world.stores = False
    first.disconnect()
    assert replies(first.revive())[0][0] == 403


def test_n11_one_that_comes_back_with_an_old_token_stands_by() -> None:
    world = World()
    first, second, third = three(world)
    first.disconnect()
    effects = first.come()
    assert first.hears(effects, Subscribed) == [Subscribed(MINE, 15.0, "STANDBY")]
    assert list(second.record.standbys) == [third.stream_id, first.stream_id]


def test_n11_one_that_comes_back_with_the_newest_token_acts_on_and_nothing_is_stored() -> None:
    world = World()
    first = OneOfSeveral(world)
    first.come()
    first.disconnect()
    effects = first.come()
    assert first.hears(effects, Subscribed) == [Subscribed(MINE, 15.0, "PRIMARY", 2)]
    assert only(effects, Persist) == []
    second = OneOfSeveral(world)
    second.come()
    # Its old connection has not been noticed to be gone.
    before = first.stream_id
    effects = first.come()
    assert CloseStream(before) in effects
    assert (first.acts, second.acts) == (True, False)


def test_n11_one_that_says_primary_takes_over_with_a_token_of_its_own() -> None:
    world = World()
    first, second, _ = three(world)
    usurper = OneOfSeveral(world, mode="PRIMARY")
    effects = usurper.come()
    assert usurper.hears(effects, Subscribed) == [Subscribed(MINE, 15.0, "PRIMARY", 3)]
    assert first.events(effects) == [Error("Framework failed over")]
    assert "token 3" in replies(first.revive())[0][1]
    assert second.stream_id in usurper.record.standbys


def test_n11_a_scheduler_written_for_mesos_takes_over_as_ever_and_voids_the_token() -> None:
    world = World()
    first, _, _ = three(world)
    old = world.framework(framework_info(framework_id=MINE))
    assert old.record.generation == 3
    assert "token 3" in replies(first.revive())[0][1]


def test_a_token_newer_than_the_registry_s_is_kept_as_the_registry_was_lost() -> None:
    world = World()
    one = OneOfSeveral(world, token=7)
    assert one.hears(one.come(), Subscribed) == [Subscribed(MINE, 15.0, "PRIMARY", 7)]
    assert world.registry.frameworks[MINE].generation == 7


def test_a44_an_heir_that_is_gone_before_its_token_is_stored_leaves_it_to_the_next() -> None:
    world = World()
    first, second, third = three(world)
    world.stores = False
    first.disconnect()
    second.disconnect()
    effects = world.store()
    assert second.events(effects) == []
    assert promoted(third, world.store()) == [4]


def test_a44_several_that_come_at_once_to_a_framework_that_is_not_there_yet() -> None:
    world = World()
    world.stores = False
    one, two = OneOfSeveral(world), OneOfSeveral(world)
    one.come(), two.come()
    while world.state.persisting:
        effects = world.store()
        one.listen(effects)
        two.listen(effects)
    assert (one.acts, one.token, two.acts, two.token) == (True, 2, False, None)
    assert list(one.record.standbys) == [two.stream_id]


def test_a44_an_update_that_is_being_stored_does_not_hold_up_the_promotion_for_good() -> None:
    world = World()
    first, second, _ = three(world)
    world.stores = False
    first.update(framework_info("updated"))
    assert promoted(second, first.disconnect()) == []
    world.store()
    assert promoted(second, world.store()) == [3]


# -- being left alone, and ending ----------------------------------------------------------------------------


def test_x18c_the_failover_timeout_begins_when_neither_is_left() -> None:
    world = World()
    first, second, third = three(world, failover_timeout=10.0)
    third.disconnect()
    first.disconnect()
    world.advance(100.0)
    assert second.acts
    second.disconnect()
    world.advance(9.0)
    assert MINE in world.state.frameworks
    world.advance(2.0)
    assert MINE in world.state.removed_frameworks


def test_x18c_a_standby_that_hangs_is_somebody_all_the_same() -> None:
    world = World()
    first = OneOfSeveral(world, failover_timeout=10.0)
    hung = OneOfSeveral(world, failover_timeout=10.0, lease=2.0)
    first.come(), hung.come()
    world.advance(5.0)
    first.disconnect()
    world.advance(60.0)
    assert MINE in world.state.frameworks
    assert promoted(hung, hung.beat()) == [3]


def test_m_sc_02_a_teardown_ends_those_that_stand_by_as_well() -> None:
    world = World()
    first, second, third = three(world)
    effects = first.tear_down()
    for one in (second, third):
        assert one.events(effects) == [Error("Framework has been removed")]
        assert CloseStream(one.stream_id) in effects
    assert world.state.streams == {}


# -- hanging -------------------------------------------------------------------------------------------------


def test_a44_one_that_hangs_is_deposed_when_its_lease_has_run_out() -> None:
    world = World()
    first, second = OneOfSeveral(world, lease=2.0), OneOfSeveral(world, lease=100.0)
    first.come(), second.come()
    for _ in range(5):
        world.advance(1.5)
        assert replies(first.beat()) == [(202, "")]
    assert promoted(second, world.advance(1.9)) == []
    effects = world.advance(0.2)
    assert first.events(effects) == [Error("Deposed: no call within the lease of 2 s")]
    assert CloseStream(first.stream_id) in effects
    assert promoted(second, effects) == [3]
    assert "token 3" in replies(first.revive())[0][1]


def test_a44_any_call_is_a_sign_of_life() -> None:
    world = World()
    first, second = OneOfSeveral(world, lease=2.0), OneOfSeveral(world)
    first.come(), second.come()
    for _ in range(5):
        world.advance(1.5)
        first.revive()
    assert first.acts


def test_a44_nobody_is_deposed_for_one_that_hangs_too() -> None:
    world = World()
    first, second = OneOfSeveral(world, lease=2.0), OneOfSeveral(world, lease=2.0)
    first.come(), second.come()
    world.advance(30.0)
    assert first.acts
    effects = second.beat()
    assert first.errors(effects) == ["Deposed: no call within the lease of 2 s"]
    assert promoted(second, effects) == [3]


def test_a44_nor_without_anybody_to_take_over() -> None:
    world = World()
    first = OneOfSeveral(world, lease=2.0)
    first.come()
    world.advance(30.0)
    assert first.acts
    second = OneOfSeveral(world)
    assert promoted(second, second.come()) == [3]


def test_a44_a_master_that_slept_itself_listens_before_it_deposes() -> None:
    world = World()
    first, second = OneOfSeveral(world, lease=2.0), OneOfSeveral(world)
    first.come(), second.come()
    world.now += 30.0
    second.beat()
    world.take(SchedulerHeartbeat(request=world.request(), framework_id=MINE, stream_id=second.stream_id))
    assert first.acts
    world.settle()
    assert first.acts
    world.advance(1.0)
    first.beat()
    world.advance(1.9)
    assert first.acts
    world.advance(1.0)
    assert second.acts


# -- the next master -----------------------------------------------------------------------------------------


def at_the_next_master(*schedulers: Scheduler) -> World:
    successor = schedulers[0].world.fail_over()
    for one in schedulers:
        one.world = successor
    return successor


def test_n11_at_a_new_master_the_holder_of_the_newest_token_acts_whoever_comes_first() -> None:
    first, second, third = three(World())
    world = at_the_next_master(first, second, third)
    second.come(), third.come()
    world.advance(4.0)
    assert first.hears(first.come(), Subscribed) == [Subscribed(MINE, 15.0, "PRIMARY", 2)]
    world.advance(10.0)
    assert (first.acts, second.acts, third.acts) == (True, False, False)


def test_n11_when_it_does_not_come_the_first_of_the_others_takes_over_after_a_grace() -> None:
    first, second, third = three(World(options=MasterOptions(standby_grace_seconds=5.0)))
    world = at_the_next_master(first, second, third)
    third.come(), second.come()
    assert promoted(third, world.advance(4.9)) == []
    assert promoted(third, world.advance(0.2)) == [3]
    first.come()
    assert (first.acts, third.acts) == (False, True)


def test_n11_at_a_new_master_an_old_token_is_still_an_old_token() -> None:
    first, second, third = three(World())
    first.disconnect()
    assert second.acts
    world = at_the_next_master(first, second, third)
    assert first.hears(first.come(), Subscribed) == [Subscribed(MINE, 15.0, "STANDBY")]
    second.token = 3
    second.come()
    world.advance(10.0)
    assert second.acts


def test_n11_a_token_that_was_stored_but_never_told_is_nobody_s() -> None:
    """The master failed between the two: whoever comes back holds an older one."""
    world = World()
    first, second, third = three(world)
    world.stores = False
    first.disconnect()
    operation = next(iter(world.state.persisting.values()))[0]
    world.registry = apply(world.registry, [operation])
    successor = at_the_next_master(first, second, third)
    for one in (first, second):
        one.come()
    assert successor.state.frameworks[MINE].stream_id is None
    assert promoted(first, successor.advance(6.0)) == [4]


def test_x18c_those_that_came_and_went_at_a_new_master_leave_the_time_to_come_back() -> None:
    world = World(options=MasterOptions(agent_reregister_timeout_seconds=60.0))
    first, second, _ = three(world, failover_timeout=0.0)
    successor = at_the_next_master(first, second)
    second.come()
    second.disconnect()
    successor.advance(50.0)
    first.come()
    assert first.acts


def test_statuses_go_to_the_one_that_acts_now() -> None:
    world = World()
    node = world.agent()
    first, second, _ = three(world)
    running(world, node, first)
    first.disconnect()
    effects = node.update(second, node.status("t", TaskState.FINISHED))
    assert [state for _, state, _ in second.told(effects)] == [TaskState.FINISHED]
    assert first.events(effects) == []
    assert second.hears(world.settle(), Offers) != []
