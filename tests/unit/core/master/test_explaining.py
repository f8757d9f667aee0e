"""A framework asks why it is offered nothing, and hears what the next full pass said of it (N01)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from mesos_service.core.allocation import reasons
from mesos_service.core.allocation.explanation import Explanation
from mesos_service.core.effects import Reply
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.operator_messages import OperatorTeardown
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.randomness import RandomSource
from mesos_service.plugins.allocator import AllocatorOptions, Grant, Observer
from mesos_service.plugins.loader import ALLOCATORS, load
from tests.unit.core.master.explained import answer, ask, explained
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import only
from tests.unit.core.master.world import World

Stock = load(ALLOCATORS, "hierarchical_drf")


def found(explanation: Explanation) -> list[tuple[str, str, int]]:
    return [(role.role, one.reason, one.agents) for role in explanation.roles for one in role.obstacles]


def test_n01_the_answer_is_that_of_the_next_full_pass() -> None:
    world = World()
    world.agent()
    holder = world.framework(framework_info("holder"))
    world.settle()
    other = world.framework(framework_info("other", roles=("b", "c")), suppressed=["c"])
    world.settle()
    request, effects = ask(world, other.framework_id)
    assert not effects, "a question is no event, and brings no pass by itself"
    due = world.state.full_pass_due_at
    explanation = answer(world.advance(1.0), request)
    assert explanation.at == due
    assert found(explanation) == [("b", reasons.NOTHING_FREE, 1), ("c", reasons.ROLE_SUPPRESSED, 0)]
    assert holder.framework_id in explanation.roles[0].obstacles[0].veto.detail
    assert explanation.last_offered_at is None and explanation.offers == 0
    assert not world.state.questions


def test_n01_who_was_offered_something_hears_how_much() -> None:
    world = World()
    world.agent()
    scheduler = world.framework()
    world.settle()
    explanation = explained(world, scheduler.framework_id)
    assert (explanation.offers, explanation.last_offered_at) == (1, 1000.0)
    assert found(explanation) == [("role", reasons.NOTHING_FREE, 1)]


def test_n01_a_full_pass_that_is_far_away_is_brought_forward() -> None:
    world = World(options=MasterOptions(allocation_interval_seconds=3600.0))
    scheduler = world.framework()
    world.settle()
    request, effects = ask(world, scheduler.framework_id)
    explanation = answer([*effects, *world.settle()], request)
    assert found(explanation) == [("role", reasons.NO_AGENTS, 0)]


def test_n01_several_who_ask_are_all_answered() -> None:
    world = World()
    scheduler = world.framework()
    first, _ = ask(world, scheduler.framework_id)
    second, _ = ask(world, scheduler.framework_id)
    effects = world.advance(1.0)
    assert answer(effects, first) == answer(effects, second)


def test_n01_without_a_connection_the_answer_is_known_at_once() -> None:
    world = World()
    scheduler = world.framework()
    scheduler.disconnect()
    request, effects = ask(world, scheduler.framework_id)
    assert found(answer(effects, request)) == [("role", reasons.FRAMEWORK_INACTIVE, 0)]


def test_n01_a_framework_without_roles_is_told_so() -> None:
    world = World()
    scheduler = world.framework(framework_info(roles=()))
    assert found(explained(world, scheduler.framework_id)) == [("*", reasons.NO_ROLE, 0)]


def test_n01_when_too_many_offers_wait_that_is_the_reason() -> None:
    world = World(options=MasterOptions(outstanding_offers_max=1))
    world.agent()
    world.framework(framework_info("holder"))
    world.settle()
    other = world.framework(framework_info("other"))
    assert found(explained(world, other.framework_id)) == [("role", reasons.PASS_FULL, 0)]


def test_n01_nobody_knows_a_framework_that_never_was_or_has_ended() -> None:
    world = World()
    scheduler = world.framework()
    request, effects = ask(world, FrameworkId("nobody"))
    assert only(effects, Reply) == [Reply(request, 404, "There is no framework 'nobody'.")]
    waiting, _ = ask(world, scheduler.framework_id)
    world.take(OperatorTeardown(request=world.request(), framework_id=scheduler.framework_id))
    ended = f"Framework '{scheduler.framework_id}' has ended."
    assert Reply(waiting, 404, ended) in world.advance(1.0)
    request, effects = ask(world, scheduler.framework_id)
    assert only(effects, Reply) == [Reply(request, 404, ended)]


class Silent(Stock):  # type: ignore[misc, valid-type]
    """Grants nothing, and says nothing."""

    name = "silent"

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        return ()


def test_n01_the_answer_is_never_empty_even_if_a_module_is_silent() -> None:
    world = World(allocator=Silent(AllocatorOptions()))
    world.agent()
    scheduler = world.framework()
    explanation = explained(world, scheduler.framework_id)
    assert found(explanation) == [("role", reasons.ALLOCATOR_SILENT, 0)]
    assert explanation.roles[0].obstacles[0].veto.culprit == "silent"
