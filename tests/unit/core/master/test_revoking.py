"""Revocation for guarantees (B36-B38, N15): planned by the allocator, stored, carried out step by step."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from mesos_service.core.effects import MasterEffect, Persist, Reply
from mesos_service.core.link import KillTask, Reregister, ShutdownExecutor
from mesos_service.core.master.revocation_plan import Preview
from mesos_service.core.master.startup import start
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.operator_messages import OperatorUpdateQuota, OperatorUpdateWeights, PreviewRevocation
from mesos_service.core.registry.operations import ForgetRevocations, RecordRevocations
from mesos_service.domain.executors import ExecutorInfo
from mesos_service.domain.ids import FrameworkId, Role, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from mesos_service.plugins.allocator import Allocator, AllocatorOptions, Quota
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.plugins.revocation import Revocation, Situation
from mesos_service.wire.render.revocation import revocation_answer
from tests.unit.core.master.infos import custom, framework_info, task_info
from tests.unit.core.master.told import downlinks, fact, facts, only
from tests.unit.core.master.world import Node, Scheduler, World

ON = MasterOptions(revocation=True, revocation_delay_seconds=10.0, revocation_grace_seconds=20.0)
ONE = Resources.scalars(cpus=1, mem=512)


def leading(allocator: Allocator | None = None) -> World:
    world = World(allocator, ON)
    start(world.state, world.registry, world.now)
    return world


def live(world: World, seconds: float, *nodes: Node) -> list[MasterEffect]:
    """Time passes, and agents answer pings."""
    effects: list[MasterEffect] = []
    for _ in range(int(seconds / 10)):
        effects += world.advance(10.0)
        for node in nodes:
            effects += node.pong()
    return effects


def guarantee(world: World, **cpus: float) -> None:
    quotas = tuple((Role(role), Quota(guarantees={"cpus": round(amount * 1000)})) for role, amount in cpus.items())
    replies = only(world.take(OperatorUpdateQuota(request=world.request(), quotas=quotas, force=True)), Reply)
    assert [one.status for one in replies] == [200]


def run(world: World, node: Node, scheduler: Scheduler, *names: str, executor: ExecutorInfo | None = None) -> None:
    """Tasks of one cpu each, launched one second after another; all that is offered goes to them, one by one."""
    for name in names:
        scheduler.revive()
        world.settle()
        (offer,) = [one for one in scheduler.offers if one.agent_id == node.agent_id]
        scheduler.launch(offer, task_info(name, node.agent_id, ONE, executor), refuse_seconds=3600)
        status = node.status(name, TaskState.RUNNING)
        node.update(scheduler, status)
        scheduler.acknowledge(status)
        world.advance(1.0)


def full_cluster(cpus: int = 4) -> tuple[World, Node, Scheduler, Scheduler]:
    """One agent full of the tasks of ``greedy``, and ``owed``, which waits."""
    world = leading()
    node = world.agent(f"cpus:{cpus};mem:{cpus * 512}")
    greedy = world.framework(framework_info("greedy", roles=["greedy"]))
    run(world, node, greedy, *(f"t{number}" for number in range(cpus)))
    owed = world.framework(framework_info("owed", roles=["owed"]))
    world.settle()
    assert owed.offers == []
    return world, node, greedy, owed


def killed(effects: Sequence[MasterEffect]) -> list[tuple[str, float | None]]:
    return [(one.task_id, one.grace_seconds) for one in downlinks(effects, KillTask)]


def preview(world: World) -> Preview:
    (reply,) = only(world.take(PreviewRevocation(request=world.request())), Reply)
    assert isinstance(reply.revocation, Preview)
    return reply.revocation


def end(
    world: World, node: Node, scheduler: Scheduler, task_id: str, state: TaskState = TaskState.KILLED
) -> list[MasterEffect]:
    status = node.status(task_id, state)
    effects = node.update(scheduler, status)
    scheduler.acknowledge(status)
    return effects


def test_b36a_without_revocation_no_running_task_is_ever_killed() -> None:
    world, node, _, _ = full_cluster()
    world.state.options = MasterOptions()
    guarantee(world, owed=3)
    effects = live(world, 3600, node)
    assert killed(effects) == []
    assert len(preview(world).plan) == 3, "what would be done can be seen all the same"
    assert node.record.tasks


def test_b36a_nor_by_weights_limits_or_who_comes() -> None:
    """Whatever else would have another balance: what runs goes on, and only what ends goes to others."""
    world, node, greedy, owed = full_cluster()
    world.state.options = MasterOptions()
    limit = (Role("greedy"), Quota(limits={"cpus": 1000}))
    world.take(OperatorUpdateQuota(request=world.request(), quotas=(limit,), force=True))
    world.take(OperatorUpdateWeights(request=world.request(), weights=((Role("owed"), 100.0),)))
    world.framework(framework_info("another", roles=["owed"]))
    assert killed(live(world, 3600, node)) == []
    assert set(greedy.record.tasks) == {"t0", "t1", "t2", "t3"}
    end(world, node, greedy, "t0", TaskState.FINISHED)
    world.advance(5.0)
    assert sum(offer.resources.quantities()["cpus"] for offer in owed.offers) == 1000


def test_b36c_b36d_the_youngest_go_as_many_as_it_takes_with_a_grace() -> None:
    world, node, greedy, owed = full_cluster()
    guarantee(world, owed=2)
    assert killed(world.advance(9.0)) == [], "tasks are short: first it is waited for one that ends"
    effects = world.advance(3.0)
    assert killed(effects) == [("t3", 20.0), ("t2", 20.0)]
    told = end(world, node, greedy, "t3")
    assert greedy.told(told) == [("t3", TaskState.KILLED, "REASON_CONTAINER_PREEMPTED")]
    (status,) = greedy.statuses(told)
    assert status.message == "Revoked for the guarantee of role 'owed'"
    end(world, node, greedy, "t2")
    effects = world.advance(5.0)
    assert sum(offer.resources.quantities()["cpus"] for offer in owed.offers) == 2000
    assert killed(effects) == [] and world.state.revocations == {}
    assert world.registry.revocations == {}
    assert killed(live(world, 600, node)) == [], "it has what it is owed"


def test_n15_the_plan_shows_victims_lost_work_and_beneficiaries_and_is_what_is_done() -> None:
    world, _, _, _ = full_cluster()
    guarantee(world, owed=2, greedy=1)
    seen = preview(world)
    assert (seen.enabled, seen.waiting, seen.grace_seconds) == (True, "", 20.0)
    shares = {share.role: share for share in seen.shares}
    assert shares[Role("owed")].lacks == {"cpus": 2000}
    assert shares[Role("greedy")].revocable_above == {"cpus": 3000, "mem": 2_048_000}
    assert [(one.revocation.task_id, one.revocation.beneficiary, one.revocation.reason) for one in seen.plan] == [
        ("t3", "owed", "guarantee"),
        ("t2", "owed", "guarantee"),
    ]
    assert [one.age_seconds for one in seen.plan] == [1.0, 2.0]
    assert [one.lost_seconds for one in seen.plan] == [1.0, 2.0]
    effects = world.advance(12.0)
    assert [task_id for task_id, _ in killed(effects)] == [one.revocation.task_id for one in seen.plan]


def test_a57_what_a_short_task_loses_is_its_age_and_what_a_long_one_loses_the_grace() -> None:
    """Four tasks that are a second apart, looked at while some are older than the grace; and so it is told."""
    world, node, _, _ = full_cluster()
    guarantee(world, owed=4)
    world.state.options = MasterOptions(revocation_grace_seconds=20.0)
    live(world, 10, node)
    world.advance(8.0)
    plan = preview(world).plan
    ages = [one.age_seconds for one in plan]
    assert ages == [19.0, 20.0, 21.0, 22.0]
    assert [one.lost_seconds for one in plan] == [19.0, 20.0, 20.0, 20.0]
    shown = revocation_answer(world.state, preview(world))
    assert [one.lost_work_seconds for one in shown.plan] == [19.0, 20.0, 20.0, 20.0]


def test_a57_lost_work_is_bounded_by_the_grace() -> None:
    world, node, _, _ = full_cluster()
    guarantee(world, owed=4)
    world.state.options = MasterOptions(revocation_grace_seconds=20.0)
    live(world, 100, node)
    assert {one.lost_seconds for one in preview(world).plan} == {20.0}


def test_b38_nobody_is_taken_below_his_own_guarantee() -> None:
    world, node, _, _ = full_cluster()
    guarantee(world, owed=4, greedy=3)
    effects = live(world, 600, node)
    assert [task_id for task_id, _ in killed(effects)] == ["t3"]


@pytest.mark.parametrize("seed", range(25))
def test_b38_whatever_a_module_proposes_no_role_falls_below_its_guarantee(seed: int) -> None:
    """Modules that propose everything, what is not there, and everything twice."""
    chance = random.Random(seed)

    class Ruthless(load(ALLOCATORS, "hierarchical")):  # type: ignore[misc]
        name = "ruthless"

        def revocations(self, situation: Situation) -> Sequence[Revocation]:
            wanting = sorted(situation.wanting)
            found = [Revocation(one.framework_id, one.task_id, chance.choice(wanting)) for one in situation.running]
            chance.shuffle(found)
            return [Revocation(FrameworkId("nobody"), TaskId("t"), wanting[0]), *found][: len(situation.running)]

    world = leading(Ruthless(AllocatorOptions()))
    nodes = [world.agent("cpus:4;mem:2048") for _ in range(3)]
    schedulers = {role: world.framework(framework_info(role, roles=[role])) for role in ("a", "b", "c")}
    for one in schedulers.values():
        one.suppress()
    for number, node in enumerate(nodes):
        for part in range(chance.randrange(1, 4)):
            role = chance.choice("ab")
            run(world, node, schedulers[role], f"{role}-{number}-{part}")
            schedulers[role].decline(*schedulers[role].offers)
            schedulers[role].suppress()
    used = {role: sum(1 for name in schedulers[role].record.tasks) for role in "ab"}
    guarantees = {role: chance.randrange(0, used[role] + 1) for role in "ab"}
    guarantee(world, c=12, **{role: amount for role, amount in guarantees.items() if amount})
    schedulers["c"].revive()
    effects = world.advance(30.0)
    victims = [task_id for task_id, _ in killed(effects)]
    assert len(victims) == len(set(victims))
    for role in "ab":
        assert used[role] - sum(1 for one in victims if one.startswith(role)) >= guarantees[role]
    assert "revocation.refused" in facts(effects) or not any(used.values())


def test_b36d_an_executor_that_does_not_heed_the_kill_is_destroyed() -> None:
    world = leading()
    node = world.agent("cpus:4;mem:4096")
    greedy = world.framework(framework_info("greedy", roles=["greedy"]))
    stubborn = custom("stubborn", Resources.scalars(cpus=1, mem=512))
    run(world, node, greedy, "t0", "t1", executor=stubborn)
    run(world, node, greedy, "t2")
    world.framework(framework_info("owed", roles=["owed"]))
    guarantee(world, owed=3)
    effects = world.advance(12.0)
    assert [task_id for task_id, _ in killed(effects)] == ["t2", "t1", "t0"]
    assert downlinks(effects, ShutdownExecutor) == []
    end(world, node, greedy, "t2")
    assert downlinks(world.advance(22.0), ShutdownExecutor) == []
    effects = world.advance(5.0)
    assert {one.executor_id for one in downlinks(effects, ShutdownExecutor)} == {"stubborn"}
    told = node.update(greedy, node.status("t0", TaskState.FAILED, reason="REASON_EXECUTOR_TERMINATED"))
    assert greedy.told(told) == [("t0", TaskState.FAILED, "REASON_CONTAINER_PREEMPTED")]


def test_b38_a_kill_that_may_take_a_whole_executor_counts_as_one() -> None:
    """Two tasks share an executor: revoking one may end both, which the guarantee does not allow."""
    world = leading()
    node = world.agent("cpus:4;mem:4096")
    greedy = world.framework(framework_info("greedy", roles=["greedy"]))
    run(world, node, greedy, "t0", "t1", executor=custom("shared", Resources.scalars(cpus=1, mem=512)))
    run(world, node, greedy, "t2")
    world.framework(framework_info("owed", roles=["owed"]))
    guarantee(world, owed=2, greedy=2)
    assert [task_id for task_id, _ in killed(live(world, 60, node))] == ["t2"]


# -- cut off in the middle -----------------------------------------------------------------------------------


def test_the_plan_is_stored_before_anybody_is_killed() -> None:
    world, _, _, _ = full_cluster()
    guarantee(world, owed=1)
    world.stores = False
    effects = world.advance(12.0)
    assert killed(effects) == []
    (stored,) = [one.operation for one in only(effects, Persist) if isinstance(one.operation, RecordRevocations)]
    assert [one.task_id for one in stored.revocations] == ["t3"]
    assert killed(world.store()) == [("t3", 20.0)]


def come_back(world: World, old: Node, before: Scheduler, tasks: Sequence[str]) -> tuple[Node, Scheduler]:
    """The agent and the framework at the next master."""
    again = Scheduler(world, before.info)
    again.framework_id = before.framework_id
    node = Node(world, old.info, world.new_link())
    node.agent_id = old.agent_id
    reports = (node.report(again, task_info(name, node.agent_id, ONE)) for name in tasks)
    node.say(Reregister(agent=old.info, registration="again", tasks=tuple(reports), frameworks=(), executors=()))
    again.subscribe_again()
    return node, again


@pytest.mark.parametrize("gone", [(), ("t3",), ("t3", "t2")])
def test_b38_the_next_master_goes_on_with_the_plan_and_chooses_nobody_beside(gone: tuple[str, ...]) -> None:
    """Cut off after the plan was stored: whichever of the victims has ended meanwhile."""
    world, old, greedy, _ = full_cluster()
    guarantee(world, owed=2, greedy=2)
    assert [task_id for task_id, _ in killed(world.advance(12.0))] == ["t3", "t2"]
    successor = world.fail_over()
    assert set(successor.state.revocations) == {f"{greedy.framework_id}/t3", f"{greedy.framework_id}/t2"}
    successor.advance(5.0)
    assert successor.state.revocations, "its agent is not back"
    left = [name for name in ("t0", "t1", "t2", "t3") if name not in gone]
    node, again = come_back(successor, old, greedy, left)
    owed = successor.framework(framework_info("owed2", roles=["owed"]))
    effects = live(successor, 60, node)
    victims = {task_id for task_id, _ in killed(effects)}
    assert victims == {"t3", "t2"} - set(gone)
    for name in sorted(victims):
        told = end(successor, node, again, name)
        assert [reason for _, _, reason in again.told(told)] == ["REASON_CONTAINER_PREEMPTED"]
    effects = live(successor, 60, node)
    assert killed(effects) == []
    assert successor.state.revocations == {} and successor.registry.revocations == {}
    assert sum(offer.resources.quantities()["cpus"] for offer in owed.offers) == 2000


def test_a_victim_that_ends_by_itself_has_finished() -> None:
    world, node, greedy, owed = full_cluster()
    guarantee(world, owed=1)
    world.advance(12.0)
    told = end(world, node, greedy, "t3", TaskState.FINISHED)
    assert greedy.told(told) == [("t3", TaskState.FINISHED, None)]
    effects = live(world, 60, node)
    assert world.state.revocations == {} and killed(effects) == []
    assert owed.offers


def test_another_task_that_ends_first_leaves_the_plan_as_it_was_decided() -> None:
    """What was stored is carried out; nobody else is chosen beside."""
    world, node, greedy, _ = full_cluster()
    guarantee(world, owed=1)
    world.advance(12.0)
    end(world, node, greedy, "t0", TaskState.FINISHED)
    assert killed(world.advance(15.0)) == []


def test_a_framework_that_goes_away_takes_its_revocations_along() -> None:
    world, _, greedy, owed = full_cluster()
    guarantee(world, owed=1)
    world.advance(12.0)
    assert world.state.revocations
    greedy.tear_down()
    effects = world.advance(5.0)
    assert world.state.revocations == {} and world.registry.revocations == {}
    assert [type(one.operation) for one in only(effects, Persist) if isinstance(one.operation, ForgetRevocations)]
    assert owed.offers


def test_a_beneficiary_that_goes_away_saves_those_who_are_not_decided_yet() -> None:
    world, node, _, owed = full_cluster()
    guarantee(world, owed=2)
    world.advance(8.0)
    owed.suppress()
    assert killed(live(world, 60, node)) == []
    owed.revive()
    assert killed(world.advance(9.0)) == [], "the delay begins anew"
    assert len(killed(world.advance(4.0))) == 2


def test_an_agent_that_is_away_hears_of_the_kill_when_it_is_back() -> None:
    world, node, greedy, _ = full_cluster()
    guarantee(world, owed=1)
    world.advance(12.0)
    node.lose_link()
    world.advance(5.0)
    reports = [node.report(greedy, task_info(f"t{number}", node.agent_id, ONE)) for number in range(4)]
    assert killed(node.come_back(*reports)) == [("t3", 20.0)]


def test_b36_what_is_free_or_about_to_be_is_not_taken_from_anybody() -> None:
    """Offers to others come back; a guarantee that they satisfy needs no victim."""
    world = leading()
    node = world.agent("cpus:4;mem:2048")
    greedy = world.framework(framework_info("greedy", roles=["greedy"]))
    run(world, node, greedy, "t0", "t1")
    world.framework(framework_info("owed", roles=["owed"]))
    guarantee(world, owed=2)
    assert preview(world).plan == ()
    assert killed(live(world, 600, node)) == []


def test_a_module_that_fails_in_revocations_is_guarded() -> None:
    class Failing(load(ALLOCATORS, "hierarchical")):  # type: ignore[misc]
        name = "failing"

        def revocations(self, situation: Situation) -> Sequence[Revocation]:
            return ["t0"]  # type: ignore[list-item] # that is what is wrong with it

    world = leading(Failing(AllocatorOptions()))
    node = world.agent("cpus:4;mem:2048")
    greedy = world.framework(framework_info("greedy", roles=["greedy"]))
    run(world, node, greedy, "t0")
    world.framework(framework_info("owed", roles=["owed"]))
    guarantee(world, owed=4)
    note = fact(world.tick(1.0), "allocator.failed")
    assert note.attributes["method"] == "revocations"
    assert note.attributes["error"] == "returned of type str, which is no Revocation"
    assert killed(live(world, 60, node)) == []
