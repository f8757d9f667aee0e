"""Modules are read again while the master leads: the new ones decide, and nothing is lost (N09)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesos_service.core.events import Error
from mesos_service.core.master import filtering, invariants
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.journal import Journaled
from mesos_service.core.master.shadow import Followed, Shadow
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.messages import NewAllocator, ReplaceModules
from mesos_service.core.operator_messages import OperatorUpdateQuota, OperatorUpdateWeights
from mesos_service.core.watch import OutOfTime
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.frameworks import FilterSpec
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.master.config import MasterConfig
from mesos_service.master.modules import changed, make_allocator, reload
from mesos_service.master.time_limit import TimeLimit
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, Quota
from mesos_service.plugins.loader import ALLOCATORS, OFFER_FILTERS, load
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto
from tests.support.hanging import hang
from tests.unit.core.master.broken_modules import Stock, Trap, in_order, loop, lost
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import fact, facts
from tests.unit.core.master.world import Scheduler, World, running

Strict: type[Allocator] = load(ALLOCATORS, "strict_priority")
OPTIONS = AllocatorOptions()


def told(allocator: Allocator | None = None, shadow: Allocator | None = None, **filters: Any) -> ReplaceModules:
    new = [None if one is None else NewAllocator(one, one.config) for one in (allocator, shadow)]
    return ReplaceModules(allocator=new[0], shadow=new[1], offer_filters=filters)


def read_again(config: MasterConfig, watch: TimeLimit, world: World) -> bool:
    """What a signal does, but for the trial (``test_trial``)."""
    return reload(config, watch, world.state, world.take, changed(config, world.state))


# -- allocators ----------------------------------------------------------------------------------------------


def test_n09_the_new_allocator_decides_on_all_that_was_so() -> None:
    """Weights, quota, tasks and offers are known to it, and it decides by its own policy from the next pass on."""
    world = World()
    node = world.agent("cpus:2;mem:2048")
    low = world.framework(framework_info("low", roles=("low",)))
    running(world, node, low)
    high = world.framework(framework_info("high", roles=("high",)))
    running(world, world.agent("cpus:2;mem:2048"), high, "t2")
    world.agent("cpus:2;mem:2048")
    world.settle()
    weights = ((Role("high"), 5.0),)
    world.take(OperatorUpdateWeights(request=world.request(), weights=weights))
    quotas = ((Role("low"), Quota(guarantees={}, limits={"cpus": 3000})),)
    world.take(OperatorUpdateQuota(request=world.request(), quotas=quotas))
    world.settle()
    offered = {offer.offer_id for one in (low, high) for offer in one.offers}
    assert offered
    effects = world.take(told(Strict(OPTIONS)))
    assert fact(effects, "module.replaced").attributes == {"kind": "allocator", "name": "strict_priority"}
    assert type(world.state.allocator.module) is Strict and world.state.allocator.name == "strict_priority"
    assert {offer.offer_id for one in (low, high) for offer in one.offers} >= offered, "what is out stays good"
    invariants.check(world.state)
    for one in (low, high):
        one.decline(*one.offers, refuse_seconds=0)
    world.agent("cpus:8;mem:8192")
    world.advance(2.0)
    assert [offer.role for offer in low.offers] == [] and high.offers, "the higher priority takes all there is"
    assert {len(one.record.tasks) for one in (low, high)} == {1}
    in_order(world, [low, high])


@pytest.mark.parametrize("method", ["add_framework", "add_agent", "add_offer", "update_weights"])
@pytest.mark.parametrize("does", [lost, loop], ids=["raises", "hangs"])
def test_n09_one_that_does_not_take_what_is_so_leaves_its_place_to_the_one_before(
    method: str, does: Any, limit: TimeLimit
) -> None:
    world = World(Stock(OPTIONS), watch=limit)
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    world.take(OperatorUpdateWeights(request=world.request(), weights=((Role("role"), 2.0),)))
    world.agent()
    world.settle()
    offered = [offer.offer_id for offer in scheduler.offers]
    trap = Trap()
    trap.set(method, does, times=10**6)
    effects = world.take(told(trap.allocator()(OPTIONS)))
    said = fact(effects, "module.kept").attributes
    assert (said["name"], said["method"]) == ("trapped", method)
    assert "module.replaced" not in facts(effects) and "allocator.failed" not in facts(effects)
    assert type(world.state.allocator.module) is Stock and not world.state.allocator.broken
    assert [offer.offer_id for offer in scheduler.offers] == offered
    scheduler.decline(*scheduler.offers, refuse_seconds=0)
    world.advance(2.0)
    assert scheduler.offers and scheduler.record.tasks
    in_order(world, [scheduler])


def test_n09_a_module_that_keeps_failing_is_mended_without_a_restart() -> None:
    trap = Trap()
    world = trap.world()
    world.agent()
    scheduler = world.framework()
    trap.set("allocate", lost, times=10**6)
    world.advance(30.0)
    assert world.state.allocator.attempts > 2 and not scheduler.offers
    world.take(told(Stock(OPTIONS)))
    world.settle()
    assert scheduler.offers and world.state.allocator.attempts == 0
    in_order(world, [scheduler])


@pytest.mark.parametrize("which", ["new", "old"])
def test_n09_where_either_cannot_be_told_of_offers_these_are_taken_back(which: str) -> None:
    class Deaf(Stock):  # type: ignore[misc, valid-type]
        name = "deaf"
        add_offer = Allocator.add_offer

    new, old = (Deaf, Stock) if which == "new" else (Stock, Deaf)
    world = World(old(OPTIONS))
    world.agent()
    scheduler = world.framework()
    world.settle()
    (before,) = scheduler.offers
    effects = world.take(told(new(OPTIONS)))
    assert "module.replaced" in facts(effects) and before.offer_id not in world.state.offers
    world.settle()
    assert len(scheduler.offers) == 1
    in_order(world, [scheduler])


def test_n09_what_follows_is_made_of_the_configuration_of_the_new_one_whatever_it_keeps() -> None:
    made_of: list[object] = []

    class Forgetful(Stock):  # type: ignore[misc, valid-type]
        name = "forgetful"

        def __init__(self, options: AllocatorOptions, config: Any = None) -> None:  # Any: a module's own
            super().__init__(options, config)
            made_of.append(config)
            self.config = "something else"

    world = World()
    world.take(
        ReplaceModules(
            allocator=NewAllocator(Forgetful(OPTIONS, "slack=0.2"), "slack=0.2"), shadow=None, offer_filters={}
        )
    )
    assert type(world.state.allocator.module) is Forgetful
    assert made_of == ["slack=0.2", "slack=0.2"], "tried, and made anew to be told what is so"
    assert world.state.allocator.config == "slack=0.2"


def test_n09_a_shadow_is_replaced_and_the_one_that_decides_is_not() -> None:
    world = World()
    follower = Shadow(Guard(Stock(OPTIONS)))
    decides = Stock(OPTIONS)
    world.state.allocator = Followed(decides, follower)
    world.agent()
    scheduler = world.framework()
    world.settle()
    effects = world.take(told(shadow=Strict(OPTIONS)))
    assert fact(effects, "module.replaced").attributes == {"kind": "shadow", "name": "strict_priority"}
    assert world.state.allocator.module is decides and type(follower.guard.module) is Strict
    scheduler.decline(*scheduler.offers, refuse_seconds=0)
    passes = follower.passes
    world.advance(3.0)
    assert follower.passes > passes and follower.failures == 0 and follower.differing == 0


def test_n09_n23_the_journal_says_whose_decisions_follow() -> None:
    world = World()
    world.state.allocator = Journaled(Stock(OPTIONS))
    world.agent()
    world.framework()
    world.settle()
    world.state.allocator.written.clear()
    world.take(told(Strict(OPTIONS)))
    assert isinstance(world.state.allocator, Journaled)
    begun = [one for one in world.state.allocator.written if one.method == "begin"]
    assert [one.arguments[0] for one in begun] == ["strict_priority"], "a Began has the name first"


# -- offer filters -------------------------------------------------------------------------------------------


class Only(OfferFilter):
    name = "only"
    host = ""

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        return None if agent.hostname == self.host else filtered("only", "It is another.")


def only(host: str) -> type[OfferFilter]:
    return type("One", (Only,), {"host": host})


def picky_world(kind: type[OfferFilter]) -> tuple[World, Scheduler]:
    world = World(options=MasterOptions(offer_filters={"only": kind}))
    info = replace(framework_info("picky"), filters={Role("role"): (FilterSpec("only", {}),)})
    return world, world.framework(info)


def test_n09_what_a_changed_filter_says_holds_for_those_that_stand_already() -> None:
    world, picky = picky_world(only("nowhere"))
    here, there = world.agent().record, world.agent().record
    world.settle()
    assert picky.offers == []
    effects = world.take(told(only=only(there.info.hostname)))
    assert fact(effects, "module.replaced").attributes == {"kind": "offer_filter", "name": "only"}
    world.settle()
    wanted = {agent.agent_id for agent in (here, there) if agent.info.hostname == there.info.hostname}
    assert {offer.agent_id for offer in picky.offers} == wanted and wanted


def test_n09_a_changed_filter_that_refuses_its_parameters_changes_nothing() -> None:
    class Refusing(Only):
        def __init__(self, config: Any) -> None:  # Any: as in the base
            raise ConfigurationError("It wants a parameter.")

    world, picky = picky_world(only("nowhere"))
    world.agent()
    effects = world.take(told(only=Refusing))
    assert fact(effects, "module.kept").attributes["error"] == "It wants a parameter."
    world.advance(3.0)
    assert picky.offers == [], "it still does not want that agent"
    other = Scheduler(world, replace(framework_info("other"), filters={Role("role"): (FilterSpec("only", {}),)}))
    (said,) = other.hears(other.subscribe(), Error)
    assert "It wants a parameter." in said.message


class Hanging(Only):
    def __init__(self, config: Any) -> None:  # Any: as in the base
        hang()


class HangingLater(Only):
    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        hang()


@pytest.mark.parametrize("kind", [Hanging, HangingLater], ids=["constructor", "about_agent"])
def test_n09_a_filter_that_did_not_come_back_costs_its_time_once_until_its_file_changes(
    kind: type[OfferFilter], limit: TimeLimit
) -> None:
    options = MasterOptions(offer_filters={"only": kind}, watch=limit)
    world = World(options=options, watch=limit)
    world.agent()
    info = replace(framework_info("picky"), filters={Role("role"): (FilterSpec("only", {}),)})
    first = Scheduler(world, info)
    first.subscribe()
    world.settle()
    method = "__init__" if kind is Hanging else "about_agent"
    assert options.hung_filters == {kind: method}
    limit.limit_seconds = 1e9  # whoever is asked now would never come back
    second = Scheduler(world, replace(info, name="second"))
    (said,) = second.hears(second.subscribe(), Error)
    assert f"its {method}() did not come back before; it is not tried again until its file has changed" in said.message
    mended = only(next(iter(world.state.agents.values())).info.hostname)
    world.take(told(only=mended))
    assert world.state.options.hung_filters == {}
    third = world.framework(replace(info, name="third"))
    world.settle()
    assert third.offers or first.offers


AtLeast: type[OfferFilter] = load(OFFER_FILTERS, "at_least")
STANDS_STILL = ("about_agent", "about_free", "changes_at")


@pytest.mark.parametrize("method", STANDS_STILL)
def test_n10_a_built_in_filter_that_ran_into_a_machine_standing_still_is_asked_again(
    method: str, limit: TimeLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once is forgiven at once, more often costs the framework a rest, and nobody else is refused it."""
    asked = getattr(AtLeast, method)
    left = {1.0: 1, 2.0: 3, 3.0: 0}
    """How often it stands still, by the cpus that are wanted."""

    def answers(one: Any, *arguments: Any) -> Any:  # Any: as the method has them
        cpus = one.config.resources["cpus"]
        if left[cpus]:
            left[cpus] -= 1
            hang()
        return asked(one, *arguments)

    monkeypatch.setattr(AtLeast, method, answers)
    options = MasterOptions(offer_filters={"at_least": AtLeast}, watch=limit)
    world = World(Stock(OPTIONS), options=options, watch=limit)

    node = world.agent()

    def wants(cpus: int) -> Scheduler:
        filters = {Role("role"): (FilterSpec("at_least", {"resources": {"cpus": cpus}}),)}
        return world.framework(replace(framework_info(f"wants {cpus}"), filters=filters))

    def after(seconds: int) -> None:
        for _ in range(0, seconds, 5):
            world.advance(5.0)
            node.pong()

    def done(scheduler: Scheduler) -> None:
        scheduler.suppress()
        scheduler.decline(*scheduler.offers, refuse_seconds=0)

    once = wants(1)
    after(5)
    assert not left[1.0] and once.offers, "the first time is nobody's fault"
    done(once)
    thrice = wants(2)
    after(10)
    assert left[2.0] == 1 and not thrice.offers, "it rests"
    never = wants(3)
    world.settle()
    assert never.offers and not options.hung_filters, "nobody else is refused it"
    done(never)
    after(60)
    assert left[2.0] == 0 and not thrice.offers, "it was asked again, and rests for longer"
    after(100)
    assert not thrice.offers
    after(30)
    assert thrice.offers
    in_order(world, [once, thrice, never])


def test_n10_a_built_in_filter_may_stand_still_each_hour_for_a_year(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rests do not grow beyond what a number holds."""

    def late(*arguments: object) -> None:
        raise OutOfTime

    monkeypatch.setattr(AtLeast, "about_free", late)
    asked = filtering.make(FilterSpec("at_least", {"resources": {"cpus": 1}}), {"at_least": AtLeast})
    now = 1e9
    for number in range(2000):
        now += filtering.REST_SECONDS_MAX if number > 1 else 0.0
        asked.changes_at(now)
        with pytest.raises(OutOfTime):
            asked.about_free(Resources.EMPTY)
    assert asked.about_free(Resources.EMPTY) is not None, "it rests"


# -- files ---------------------------------------------------------------------------------------------------

ALLOCATOR = (
    "from mesos_service.plugins.loader import ALLOCATORS, load\n\n\n"
    "class Mine(load(ALLOCATORS, {base!r})):\n    name = 'mine'\n    which = {which}\n"
)
HANG = "from tests.support.hanging import hang\n"
FILTER = (
    "from mesos_service.plugins.offer_filter import OfferFilter\n\n\n"
    "class Own(OfferFilter):\n    name = 'own'\n    which = {which}\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for kind, file, text in (("allocators", "mine.py", ALLOCATOR), ("offer_filters", "own.py", FILTER)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / file).write_text(text.format(base="hierarchical", which=1))
    return tmp_path


def configured(folder: Path) -> tuple[MasterConfig, World]:
    flags = {"allocator": "mine", "modules_dir": str(folder), "offer_filters": "own"}
    config = MasterConfig.model_validate(flags)
    world = World(options=config.options())
    world.state.allocator = make_allocator(config)
    return config, world


def which(world: World) -> tuple[int, int]:
    return (
        world.state.allocator.module.which,  # type: ignore[attr-defined]
        world.state.options.offer_filters["own"].which,  # type: ignore[attr-defined]
    )


def test_n09_files_that_have_changed_are_read_again_and_others_stay(folder: Path, limit: TimeLimit) -> None:
    config, world = configured(folder)
    limit.limit_seconds = 60.0
    before = world.state.allocator.module
    assert not read_again(config, limit, world) and world.state.allocator.module is before
    (folder / "offer_filters" / "own.py").write_text(FILTER.format(which=2))
    assert read_again(config, limit, world)
    assert which(world) == (1, 2) and world.state.allocator.module is before
    (folder / "allocators" / "mine.py").write_text(ALLOCATOR.format(base="strict_priority", which=2))
    assert read_again(config, limit, world)
    assert which(world) == (2, 2) and isinstance(world.state.allocator.module, Strict.__mro__[1])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("class {", "SyntaxError"),
        ("import nothing_of_this_name", "ModuleNotFoundError"),
        ("raise SystemExit(0)", "SystemExit"),
        (f"{HANG}hang()", "were not imported within 0.2 s"),
        (
            ALLOCATOR.format(base="hierarchical", which=2) + "    def allocate(self):\n        return ()\n",
            "argument 'now'",
        ),
        (
            HANG
            + ALLOCATOR.format(base="hierarchical", which=2)
            + "    def __init__(self, options, config=None):\n        hang()\n",
            "__init__() did not come back within 0.2 s",
        ),
    ],
)
def test_n09_a_file_that_cannot_be_used_changes_nothing_not_even_what_is_right_beside_it(
    folder: Path, text: str, said: str, limit: TimeLimit
) -> None:
    config, world = configured(folder)
    (folder / "allocators" / "mine.py").write_text(text)
    (folder / "offer_filters" / "own.py").write_text(FILTER.format(which=2))
    with pytest.raises(ConfigurationError) as refused:
        read_again(config, limit, world)
    assert said in str(refused.value)
    assert which(world) == (1, 1)
    world.agent()
    scheduler = world.framework()
    world.settle()
    assert scheduler.offers


def test_n09_an_import_without_end_is_broken_off_at_a_masters_start(folder: Path) -> None:
    (folder / "allocators" / "mine.py").write_text("while True: pass")
    flags = {"allocator": "mine", "modules_dir": str(folder), "allocator_timeout": "200ms"}
    with pytest.raises(ConfigurationError, match=r"were not imported within 0.2 s"):
        MasterConfig.model_validate(flags).prepare()
