"""Modules that mean harm: they end the process, change what they are shown, or are no files (N09).

``test_guard.py`` has those that fail by mistake.
"""

from __future__ import annotations

import asyncio
import json
import os
import pickle
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mesos_service.conformance import run
from mesos_service.conformance.modules import check_module
from mesos_service.core.events import Error
from mesos_service.core.master.guard import Guard
from mesos_service.core.master.shielding import shielded
from mesos_service.core.master.state import MasterOptions
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.frameworks import FilterSpec
from mesos_service.domain.ids import AgentId, FrameworkId, Role, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.master.config import MasterConfig
from mesos_service.master.modules import make_allocator
from mesos_service.master.time_limit import TimeLimit
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, FrameworkView, Quota
from mesos_service.plugins.loader import ALLOCATORS, available, load
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.plugins.revocation import RunningTask, Situation
from tests.support.hanging import hang
from tests.unit.core.master.broken_modules import EVENTS, Stock, Trap, filtered_world, in_order, why
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.told import fact
from tests.unit.core.master.world import Scheduler, World, running


class Peculiar(BaseException):
    """As little an ``Exception`` as those that end a process."""


ENDS = (SystemExit(0), KeyboardInterrupt(), GeneratorExit(), asyncio.CancelledError(), Peculiar("mine"), MemoryError())


def raising(what: BaseException) -> Callable[[Any], Any]:
    def does(work: Callable[[], Any]) -> Any:
        raise what

    return does


@pytest.mark.parametrize("what", ENDS, ids=lambda what: type(what).__name__)
@pytest.mark.parametrize("method", ["allocate", "add_agent", "recover"])
def test_n09_a_module_cannot_end_the_process(method: str, what: BaseException, patient: TimeLimit) -> None:
    trap = Trap()
    world = trap.world(patient)
    node = world.agent()
    scheduler = world.framework()
    running(world, node, scheduler)
    world.agent()
    world.settle()
    trap.set(method, raising(what))
    EVENTS[method](world, node, scheduler)
    world.settle()
    assert (trap.times, trap.instances) == (0, 2)
    assert scheduler.record.tasks
    in_order(world, [scheduler])


@pytest.mark.parametrize("what", ENDS, ids=lambda what: type(what).__name__)
def test_n09_who_tries_is_named(what: BaseException, patient: TimeLimit) -> None:
    trap = Trap()
    world = trap.world(patient)
    world.agent()
    world.framework()
    trap.set("allocate", raising(what))
    told = fact(world.settle(), "allocator.failed").attributes
    assert (told["allocator"], told["method"]) == ("trapped", "allocate")
    assert str(told["error"]).startswith(type(what).__name__)


def test_n09_somebody_at_the_keyboard_still_ends_a_simulation() -> None:
    trap = Trap()
    world = trap.world()
    world.agent()
    world.framework()
    trap.set("allocate", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        world.settle()


@pytest.mark.parametrize("what", ENDS, ids=lambda what: type(what).__name__)
def test_n09_nor_can_a_filter(what: BaseException) -> None:
    world, scheduler = filtered_world(None, lambda: raising(what)(None))
    world.agent()
    world.settle()
    assert scheduler.offers == []
    assert why(world, scheduler).startswith(f"The module failed in about_agent(): {type(what).__name__}: ")


def harm(value: Any) -> None:
    """Change whatever of it can be changed, as deep as it goes."""
    if is_dataclass(value):
        for one in fields(value):
            harm(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            harm(one)
    elif isinstance(value, tuple | frozenset):
        for one in value:
            harm(one)
    for method in ("clear", "pop"):
        try:
            getattr(value, method)()
        except (AttributeError, TypeError, KeyError, IndexError):
            continue


class Vandal(Stock):  # type: ignore[misc, valid-type]
    """Does its work, and then spoils what it was shown."""

    name = "vandal"

    def __init__(self, options: AllocatorOptions, config: Any = None) -> None:  # Any: as in the base
        super().__init__(options, config)
        harm(options)

    def __getattribute__(self, attribute: str) -> Any:
        found = super().__getattribute__(attribute)
        if attribute not in vars(Allocator):
            return found

        def spoiling(*arguments: Any, **named: Any) -> Any:
            answer = found(*arguments, **named)
            for one in (*arguments, *named.values()):
                harm(one)
            return answer

        return spoiling if callable(found) else found


def test_n09_what_a_module_is_shown_it_cannot_change() -> None:
    """Neither what it is told of once, nor what it is to be made of anew."""
    options = AllocatorOptions(weights={Role("role"): 2.0})
    guard = Guard(Stock(options))
    guard.module = Vandal(shielded(options))
    guard.own = False
    held = {FrameworkId("f"): Resources.parse("cpus:1").allocated_to("role")}
    quota = Quota(guarantees={"cpus": 1000}, limits={"cpus": 2000})
    view = FrameworkView(
        framework_id=FrameworkId("f"), roles=frozenset({Role("role")}), min_allocatable={Role("role"): ({"cpus": 1},)}
    )
    agent = AgentView(agent_id=AgentId("x"), hostname="x", total=Resources.parse("cpus:4;mem:64"))
    weights, hosts, shapes = {Role("role"): 3.0}, {"x"}, [{"cpus": 1000}]
    touched = {AgentId("x")}
    task = RunningTask(
        framework_id=FrameworkId("f"),
        task_id=TaskId("t"),
        agent_id=AgentId("x"),
        role=Role("role"),
        frees={"cpus": 1000},
        unit=("t",),
        at_risk={"cpus": 1000},
        age_seconds=1.0,
    )
    situation = Situation(quotas={Role("role"): quota}, consumed={Role("role"): {"cpus": 1000}}, running=(task,))
    shown = (options, held, quota, view, weights, hosts, shapes, touched, situation)
    before = repr(shown)
    guard.add_framework(view, {}, True)
    guard.add_agent(agent, held)
    guard.update_framework(view)
    guard.update_quota(Role("role"), quota)
    guard.update_weights(weights)
    guard.update_whitelist(hosts)
    guard.request_resources(FrameworkId("f"), shapes)
    guard.revocations(situation)
    assert [one.agent_id for one in guard.allocate(0.0, Random(1), agents=touched)] == ["x"]
    assert guard.failures == [] and repr(shown) == before
    guard.broken = True
    assert guard.replace()
    assert repr(options) == repr(guard.options) and guard.module.options.weights == {"role": 2.0}


@pytest.mark.parametrize(
    "body",
    [
        "self.options = self.config = None",
        "super().__init__(options, config)\n        self.options = 'mine'",
        "pass",
    ],
)
def test_n09_what_a_module_keeps_by_the_names_of_its_options_is_its_own(tmp_path: Path, body: str) -> None:
    """Metrics, journal and the next instance are told of the master's, with which it was started."""
    folder = tmp_path / "allocators"
    folder.mkdir()
    (folder / "keeper.py").write_text(
        "from mesos_service.plugins.loader import ALLOCATORS, load\n\n\n"
        "class Keeper(load(ALLOCATORS, 'hierarchical')):\n"
        "    name = 'keeper'\n\n"
        "    def __init__(self, options, config=None):\n"
        f"        {body}\n"
    )
    flags = {"allocator": "keeper", "modules_dir": str(tmp_path), "weights": "role=2"}
    for more in ({}, {"shadow_allocator": "keeper"}, {"allocation_journal": str(tmp_path / "journal")}):
        guard = make_allocator(MasterConfig.model_validate({**flags, **more}))
        assert guard.options.weights == {"role": 2.0}
        guard.broken = True
        assert guard.replace()
        assert guard.options.weights == {"role": 2.0}


def test_n09_what_a_module_is_shown_it_may_copy() -> None:
    """To keep it, to write it down, or to change the copy."""
    options = AllocatorOptions(weights={Role("role"): 2.0}, quotas={Role("role"): Quota(guarantees={"cpus": 1})})
    shown = shielded(options)
    for copied in (deepcopy(shown), pickle.loads(pickle.dumps(shown))):
        assert copied == options
        copied.weights[Role("role")] = 3.0
        copied.quotas[Role("role")].guarantees["cpus"] = 2
    assert json.loads(json.dumps(shown.weights)) == {"role": 2.0}
    assert dict(shown.weights) | {"other": 1.0} == shown.weights | {"other": 1.0}
    assert (
        shown
        == options
        == AllocatorOptions(weights={Role("role"): 2.0}, quotas={Role("role"): Quota(guarantees={"cpus": 1})})
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.update(a=1),
        lambda one: one.__setitem__("a", 1),
        lambda one: one.__delitem__("role"),
        lambda one: one.__ior__({"a": 1}),
        lambda one: one.setdefault("a", 1),
        lambda one: one.pop("role"),
        lambda one: one.popitem(),
        lambda one: one.clear(),
    ],
)
def test_n09_no_method_changes_a_mapping_that_is_shown(change: Callable[[Any], object]) -> None:
    shown = shielded({"role": {"cpus": 1}})
    for one in (shown, shown["role"]):
        with pytest.raises(TypeError, match="for reading"):
            change(one)
    assert shown == {"role": {"cpus": 1}}


def test_n09_a_filter_whose_constructor_hangs_is_refused_and_named(limit: TimeLimit) -> None:
    class Hanging(OfferFilter):
        name = "hanging"

        def __init__(self, config: Any) -> None:  # Any: as in the base
            hang()

    world = World(options=MasterOptions(offer_filters={"hanging": Hanging}, watch=limit), watch=limit)
    info = replace(framework_info("picky"), filters={Role("role"): (FilterSpec("hanging", {}),)})
    picky = Scheduler(world, info)
    (said,) = picky.hears(picky.subscribe(), Error)
    assert "The offer filter 'hanging' cannot be made: it did not come back within 0.2 s." in said.message
    other = world.framework(framework_info("other"))
    world.agent()
    world.settle()
    assert len(other.offers) == 1


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("hang()", "did not come back within 0.2 s"),
        ("raise SystemExit(0)", "raised SystemExit: 0"),
        ("raise KeyError('lost')", "raised KeyError: 'lost'"),
        ("options.weights.clear()", "raised TypeError: what the master shows is for reading"),
    ],
)
def test_n09_an_allocator_that_cannot_be_made_ends_the_start_with_a_sentence(
    tmp_path: Path, line: str, said: str, limit: TimeLimit
) -> None:
    folder = tmp_path / "allocators"
    folder.mkdir()
    (folder / "unmade.py").write_text(
        "from mesos_service.plugins.loader import ALLOCATORS, load\n"
        "from tests.support.hanging import hang\n\n\n"
        "class Unmade(load(ALLOCATORS, 'hierarchical')):\n"
        "    name = 'unmade'\n\n"
        "    def __init__(self, options, config=None):\n"
        "        super().__init__(options, config)\n"
        f"        {line}\n"
    )
    config = MasterConfig.model_validate({"allocator": "unmade", "modules_dir": str(tmp_path)})
    with pytest.raises(ConfigurationError, match=r"The allocator 'unmade' cannot be made: __init__\(\) " + said):
        make_allocator(config, limit)


# -- files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "allocators"
    made.mkdir()
    return made


@pytest.mark.parametrize("line", ["raise SystemExit(0)", "import sys; sys.exit('away')", "raise GeneratorExit"])
def test_n09_a_file_whose_import_would_end_the_process_is_refused(folder: Path, line: str) -> None:
    (folder / "ends.py").write_text(line)
    with pytest.raises(ConfigurationError, match=r"'ends' in .* cannot be imported: (SystemExit|GeneratorExit)"):
        load(ALLOCATORS, "ends", [folder.parent])


def test_n09_an_import_without_end_is_broken_off_by_the_check(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "CHECK_SECONDS", 0.2)
    file = folder / "loops.py"
    file.write_text("while True: pass")
    with pytest.raises(ConfigurationError, match=r"loops.py was not imported within 0.2 s"):
        check_module(file)


def test_n09_files_that_nobody_asked_for_are_in_nobodys_way(folder: Path) -> None:
    """A pipe, a link to nowhere, a directory, bytes that are no text, and text that no parser takes."""
    os.mkfifo(folder / "pipe.py")
    (folder / "nowhere.py").symlink_to(folder / "gone")
    (folder / "directory.py").mkdir()
    (folder / "latin.py").write_bytes(b"# \xe9\xff\nname = '\xff'\n")
    (folder / "deep.py").write_text("x = " + "(" * 100_000 + ")" * 100_000)
    (folder / "nul.py").write_bytes(b"name = 'a'\0")
    assert load(ALLOCATORS, "hierarchical", [folder.parent]).name == "hierarchical_drf"
    found = {one.name for one in available(ALLOCATORS, [folder.parent])}
    assert found >= {"latin", "deep", "nul"} and not found & {"pipe", "nowhere", "directory"}
    for name in ("latin", "deep", "nul"):
        with pytest.raises(ConfigurationError, match=rf"'{name}' in .* cannot be imported"):
            load(ALLOCATORS, name, [folder.parent])


def test_n09_a_link_is_the_file_that_it_leads_to(folder: Path) -> None:
    """So a module may live elsewhere, as long as its name is that of the link."""
    real = folder.parent / "elsewhere.py"
    real.write_text(
        "from mesos_service.plugins.loader import ALLOCATORS, load\n\n\n"
        "class Linked(load(ALLOCATORS, 'hierarchical')):\n    name = 'linked'\n"
    )
    (folder / "linked.py").symlink_to(real)
    assert load(ALLOCATORS, "linked", [folder.parent]).name == "linked"
