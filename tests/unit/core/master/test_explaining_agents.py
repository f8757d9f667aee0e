"""An operator asks who is offered an agent, and what keeps it from everybody else (N01)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.explanation import AgentExplanation
from mesos_service.core.effects import MasterEffect, Reply
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.operator_messages import ExplainAgent, ExplainFramework, OperatorMarkGone, OperatorUpdateQuota
from mesos_service.domain.ids import AgentId, Role
from mesos_service.plugins.allocator import Quota
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import only
from tests.unit.core.master.world import World


def ask(world: World, agent_id: str) -> int:
    request = world.request()
    world.take(ExplainAgent(request=request, agent_id=AgentId(agent_id)))
    return request


def answer(effects: Sequence[MasterEffect], request: int) -> AgentExplanation:
    (reply,) = [one for one in only(effects, Reply) if one.request == request]
    assert reply.status == 200 and reply.of_agent is not None
    return reply.of_agent


def found(explanation: AgentExplanation) -> dict[tuple[str, str], str]:
    return {
        (one.framework_id, one.role): "offered" if one.veto is None else one.veto.reason for one in explanation.roles
    }


def test_n01_every_framework_is_told_of_in_each_of_its_roles() -> None:
    world = World()
    node = world.agent("cpus:4;mem:4096")
    refuser = world.framework(framework_info("refuser", roles=("a",)))
    world.settle()
    refuser.decline(*refuser.offers, refuse_seconds=3600)
    picky = world.framework(framework_info("picky", roles=("b", "c")), suppressed=["c"])
    gone = world.framework(framework_info("gone", roles=("d",)))
    gone.disconnect()
    request = ask(world, node.agent_id)
    explanation = answer(world.advance(1.5), request)
    assert found(explanation) == {
        (refuser.framework_id, "a"): reasons.REFUSAL_FILTER,
        (picky.framework_id, "b"): "offered",
        (picky.framework_id, "c"): reasons.ROLE_SUPPRESSED,
        (gone.framework_id, "d"): reasons.FRAMEWORK_INACTIVE,
    }
    assert explanation.at <= world.now and not world.state.agent_questions


def test_n01_who_is_offered_it_by_that_pass_and_who_comes_behind() -> None:
    world = World()
    world.agent("cpus:4;mem:4096")
    one, other = (world.framework(framework_info(name, roles=(name,))) for name in ("a", "b"))
    world.settle()
    (holder,) = [each for each in (one, other) if each.offers]
    waiting = other if holder is one else one
    holder.suppress()
    holder.decline(*holder.offers, refuse_seconds=3600)
    (offer,) = waiting.offered(world.settle())
    waiting.decline(offer, refuse_seconds=0)
    holder.revive()
    request = ask(world, offer.agent_id)
    told = found(answer(world.advance(1.5), request))
    assert sorted(told.values()) in (["offered", reasons.OTHERS_FIRST], [reasons.NOTHING_FREE] * 2)


def test_n01_both_ways_of_asking_say_the_same() -> None:
    """Of each framework and agent, in one pass: what the framework hears of the agent is what the other answer says."""
    world = World()
    nodes = [world.agent(text) for text in ("cpus:4;mem:4096", "cpus:4;mem:4096;gpus:1", "cpus:1;mem:64")]
    schedulers = [world.framework(framework_info(f"f{number}", roles=("a", "b/x"))) for number in range(4)]
    world.settle()
    for scheduler in schedulers[:2]:
        scheduler.decline(*scheduler.offers, refuse_seconds=3600)
    schedulers[3].suppress()
    quota = (Role("a"), Quota(limits={"cpus": 500}))
    world.take(OperatorUpdateQuota(request=world.request(), quotas=(quota,), force=True))
    asked = {node.agent_id: ask(world, node.agent_id) for node in nodes}
    about = {}
    for scheduler in schedulers:
        about[scheduler.framework_id] = world.request()
        world.take(ExplainFramework(request=about[scheduler.framework_id], framework_id=scheduler.framework_id))
    effects = world.advance(1.5)
    compared = 0
    for agent_id, request in asked.items():
        by_role = {(one.framework_id, one.role): one.veto for one in answer(effects, request).roles}
        assert len(by_role) == 8
        for framework_id, number in about.items():
            (reply,) = [one for one in only(effects, Reply) if one.request == number]
            assert reply.explanation is not None
            for role in reply.explanation.roles:
                for example in (each for obstacle in role.obstacles for each in obstacle.examples):
                    if example.agent_id in (None, agent_id):
                        assert by_role[framework_id, role.role] == example.veto
                        compared += 1
    assert compared >= 16


@pytest.mark.parametrize("agent_id", ["nobody", ""])
def test_n01_nobody_knows_an_agent_that_is_not_there(agent_id: str) -> None:
    world = World()
    request = world.request()
    (reply,) = only(world.take(ExplainAgent(request=request, agent_id=AgentId(agent_id))), Reply)
    assert (reply.status, reply.text) == (404, f"There is no agent '{agent_id}'.")


def test_n01_an_agent_that_goes_before_the_pass_is_said_to_be_gone() -> None:
    world = World()
    node = world.agent()
    world.framework()
    world.settle()
    request = ask(world, node.agent_id)
    effects = world.take(OperatorMarkGone(request=world.request(), agent_id=node.agent_id))
    effects += world.advance(1.5)
    (reply,) = [one for one in only(effects, Reply) if one.request == request]
    assert (reply.status, reply.text) == (404, f"There is no agent '{node.agent_id}'.")


def test_n01_without_frameworks_the_answer_comes_all_the_same() -> None:
    world = World()
    node = world.agent()
    request = ask(world, node.agent_id)
    assert answer(world.advance(1.5), request).roles == ()


def test_n01_without_a_pass_the_reason_for_that_is_told() -> None:
    world = World(options=MasterOptions(outstanding_offers_max=1))
    nodes = [world.agent() for _ in range(2)]
    scheduler = world.framework()
    world.settle()
    assert len(scheduler.offers) == 1
    request = ask(world, nodes[0].agent_id)
    assert set(found(answer(world.advance(1.5), request)).values()) == {reasons.PASS_FULL}
