"""An allocator is held to what it promises (N23)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from mesos_service.cli.main import run
from mesos_service.core.effects import Told
from mesos_service.core.master.journal import Journaled
from mesos_service.domain.errors import ConfigurationError
from mesos_service.fairness.certificate import PROMISED_BY, Certificate, Certifier
from mesos_service.fairness.spelling import parse, spell
from mesos_service.master.config import MasterConfig
from mesos_service.master.modules import make_allocator
from mesos_service.plugins.allocator import (
    FAIR_SHARES,
    GUARANTEES,
    LIMITS,
    PROMISES,
    WORK_CONSERVING,
    Allocator,
    AllocatorOptions,
    Grant,
)
from mesos_service.plugins.loader import ALLOCATORS, load
from mesos_service.simulator.cluster import Cluster, Plan
from tests.support.written_modules import write_examples
from tests.unit.fairness.runs import Run

Priority: type[Allocator] = load(ALLOCATORS, "strict_priority")
WEIGHED = AllocatorOptions(min_allocatable=({"cpus": 10},), weights={"a": 2.0})  # type: ignore[dict-item] # a role


class Grabbing(Priority):  # type: ignore[misc,valid-type] # a class that was loaded
    """Lets nobody have what it could have: it grants to one framework only."""

    name = "grabbing"
    promises = frozenset({LIMITS})

    def allocate(self, *arguments: Any, **named: Any) -> Sequence[Grant]:
        granted = super().allocate(*arguments, **named)
        assert granted
        kept: list[Grant] = [one for one in granted if one.framework_id == "f1"]
        for one in granted:
            if one not in kept:
                super().recover(
                    one.framework_id, one.agent_id, one.resources, refuse_seconds=None, allocated=False, now=0.0
                )
        return kept


def certify(told: Sequence[Told], hold_to: frozenset[str] | None = None) -> Certificate:
    certifier = Certifier(600.0, hold_to)
    for one in told:
        certifier.take(one)
    return certifier.close()


def prioritized() -> Run:
    made = Run(Priority, WEIGHED)
    made.framework("f1", "a")
    made.framework("f2", "b")
    made.agents(4)
    made.go()
    return made


def test_n23_strict_priorities_are_as_promised_and_no_fair_shares() -> None:
    told = prioritized().guard.written
    found = certify(told)
    assert found.is_fair
    assert (found.allocator, found.promises) == ("strict_priority", (GUARANTEES, LIMITS, WORK_CONSERVING))
    assert found.not_promised["passed_over"] > 0
    held = certify(told, frozenset({FAIR_SHARES}))
    assert not held.is_fair
    assert {one.rule for one in held.findings} == {"passed_over"}
    assert certify(told, PROMISES).unfair == held.unfair


def test_n23_what_is_left_lying_is_wrong_where_it_was_promised_not_to_be() -> None:
    made = Run(Grabbing, WEIGHED)
    made.framework("f1", "a")
    made.framework("f2", "b")
    made.framework("f3", "c")
    made.agents(3)
    made.go()
    made.agents(1)
    made.give_back(lambda _: True, refuse_seconds=600.0)
    made.guard.revive(made.guard.module.ledger.frameworks["f2"].view.framework_id, ())  # type: ignore[attr-defined]
    made.now = 3.0
    told = made.guard.written
    made.go()
    found = certify(told)
    assert found.is_fair
    assert found.not_promised["left_over"] == 1
    assert [one.rule for one in certify(told, frozenset({WORK_CONSERVING})).findings] == ["left_over"]


def test_n23_what_nobody_may_do_is_no_matter_of_promises() -> None:
    assert set(PROMISED_BY.values()) == PROMISES
    assert PROMISED_BY.keys().isdisjoint({"not_free", "role", "unwanted", "agent_closed", "reserved", "capability"})


@pytest.mark.parametrize("name", ["hierarchical_drf", "strict_priority", "request_driven"])
def test_n23_each_allocator_of_ours_keeps_what_it_promises(name: str) -> None:
    """In histories with refusals, operations, failovers and drains."""
    keeps_its_promises(load(ALLOCATORS, name))


def test_n23_the_allocator_of_the_page_keeps_what_it_promises(tmp_path: Path) -> None:
    """It extends one that promises more than somebody can keep who makes one grant a pass."""
    write_examples(tmp_path)
    kind = load(ALLOCATORS, "one_at_a_time", (tmp_path,))
    keeps_its_promises(kind)
    made = Run(kind, WEIGHED)
    made.framework("f1", "a")
    made.agents(3)
    made.go()
    assert certify(made.guard.written).not_promised["left_over"] == 1


def keeps_its_promises(kind: type[Allocator]) -> None:
    for seed in (7, 8):
        told: dict[str, list[Told]] = {}
        Cluster(seed, kind, Plan(seconds=10.0, operations=0.3, drains=True), told).run()
        for journal in told.values():
            found = certify(journal)
            assert found.is_fair, found
            assert set(found.promises) == kind.promises


def test_n23_a_journal_of_before_is_held_to_everything() -> None:
    told = prioritized().guard.written
    begin = spell(told[0])
    old = begin[: begin.rindex(b",[")] + b"]}\n"
    again = parse(old, 1, {})
    assert again.arguments[2] == tuple(sorted(PROMISES))
    assert not certify([again, *told[1:]]).is_fair


def test_n23_a_promise_that_nobody_knows_is_none() -> None:
    class Boasting(Priority):  # type: ignore[misc,valid-type] # as above
        name = "boasting"
        promises = frozenset({"everything", LIMITS})

    made = Run(Boasting, WEIGHED)
    assert made.guard.written[0].arguments[2] == (LIMITS,)


@pytest.mark.parametrize("promises", ["frozenset({'kindness'})", "7", "{'limits'}", "None"])
def test_n09_promises_that_cannot_be_held_to_are_refused(tmp_path: Path, promises: str) -> None:
    (tmp_path / "allocators").mkdir()
    text = (
        "from mesos_service.plugins.loader import ALLOCATORS, load\n\n"
        f"class Mine(load(ALLOCATORS, 'hierarchical')):\n    name = 'mine'\n    promises = {promises}\n"
    )
    (tmp_path / "allocators" / "mine.py").write_text(text)
    with pytest.raises(ConfigurationError, match="'promises' is not a frozenset of some of fair_shares, guarantees"):
        load(ALLOCATORS, "mine", (tmp_path,))


def test_n09_n23_a_module_that_never_called_its_base_has_a_journal_too(tmp_path: Path) -> None:
    (tmp_path / "allocators").mkdir()
    text = (
        "from mesos_service.plugins.loader import ALLOCATORS, load\n\n"
        "class Mine(load(ALLOCATORS, 'hierarchical')):\n    name = 'mine'\n    promises = frozenset({'limits'})\n"
        "    def __init__(self, options, config=None):\n        self.promises = None\n"
    )
    (tmp_path / "allocators" / "mine.py").write_text(text)
    journal = str(tmp_path / "journal")
    flags = {"allocator": "mine", "modules_dir": str(tmp_path), "allocation_journal": journal, "weights": "a=2"}
    guard = make_allocator(MasterConfig.load(flags))
    assert isinstance(guard, Journaled)
    guard.broken = True
    assert guard.replace(), "with what the first one was made with"
    assert guard.replace()
    begun = [parse(spell(told), 1, {}).arguments for told in guard.written]
    assert begun[0] == ("mine", guard.options, (LIMITS,))
    assert begun == [begun[0]] * 3
    assert guard.options.weights == {"a": 2.0}


def test_n23_the_command_holds_to_what_it_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b"".join(map(spell, prioritized().guard.written)))
    assert run(["certify", str(path)]) == 0
    said = capfd.readouterr().out
    assert "strict_priority does not promise, and was not always so: passed_over (" in said
    assert "Lawful, and as promised: guarantees, limits, work_conserving." in said
    assert run(["certify", str(path), "--hold_to", "all"]) == 1
    assert "Not fair" in capfd.readouterr().out
    assert run(["certify", str(path), "--hold_to", "kindness"]) != 0
    assert "nobody promises 'kindness'; there are fair_shares" in capfd.readouterr().err
