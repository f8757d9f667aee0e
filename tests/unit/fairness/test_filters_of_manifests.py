"""Offer filters that only a manifest names (M-MO-01), in the journal of a master's allocations (N23)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesos_service.cli.main import run
from mesos_service.core.effects import Told
from mesos_service.core.master import filtering
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.frameworks import FilterSpec
from mesos_service.domain.ids import Role
from mesos_service.fairness.restating import Restater
from mesos_service.fairness.segments import filters_in, segments, start_of
from mesos_service.fairness.spelling import spell
from mesos_service.fairness.writer import JournalWriter
from mesos_service.plugins.manifest import Manifest, read_manifest, written
from tests.support.waiting import until
from tests.unit.fairness.runs import Never, Run

PICKY = """
from mesos_service.plugins.offer_filter import OfferFilter, filtered


class Picky(OfferFilter):
    name = "picky"
    api_version = 1

    def about_agent(self, agent, now):
        return filtered(self.name, "It ends in 0.") if agent.hostname.endswith("0") else None
"""
OWN = """
from mesos_service.plugins.loader import ALLOCATORS, load


class Own(load(ALLOCATORS, "hierarchical")):
    name = "own"
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """It names modules of other kinds, too, of which one needs what is not here."""
    (tmp_path / "policies.py").write_text(PICKY)
    (tmp_path / "others.py").write_text(OWN)
    (tmp_path / "device.py").write_text("import a_driver_that_only_agents_have\n")
    libraries = [
        {"name": "policies", "modules": [{"name": "picky"}]},
        {"file": str(tmp_path / "others.py"), "modules": [{"name": "own"}]},
        {"name": "device", "modules": [{"name": "device"}]},
    ]
    return read_manifest(json.dumps({"libraries": libraries}), "--modules", tmp_path)


def journal(manifest: Manifest) -> list[Told]:
    made = Run()
    spec = FilterSpec("picky")
    made.framework("f", "a", filters={Role("a"): (filtering.make(spec, filters_in((manifest,))),)})
    made.framework("g", "b")
    made.agents(4)
    for _ in range(30):
        made.go()
        made.give_back(lambda _: True, None)
    return made.guard.written


def test_m_mo_01_n23_filters_are_found_and_other_kinds_left(manifest: Manifest) -> None:
    assert "picky" in filters_in((manifest,))
    with pytest.raises(ConfigurationError, match="has no offer filter 'own'"):
        filters_in((manifest,))["own"]
    with pytest.raises(ConfigurationError, match="a_driver_that_only_agents_have"):
        filters_in((manifest,))["device"]
    assert "picky" not in filters_in(())
    again = read_manifest(written(manifest), "again")
    assert [(one.name, one.file) for one in again.modules] == [(one.name, one.file) for one in manifest.modules]


@pytest.mark.parametrize("is_told", [True, False])
def test_m_mo_01_n23_starts_of_segments_are_worked_out_with_them(
    tmp_path: Path, manifest: Manifest, is_told: bool
) -> None:
    """And without the manifest they are not: the test can fail."""
    told, path = journal(manifest), tmp_path / "journal"
    writer = JournalWriter(path, 2 * sum(len(spell(one)) for one in told), Never())
    for one in told:
        writer.write([one])
    writer.close()
    last = max(segments(path))
    helper = Restater((manifest,) if is_told else ())
    helper.start(path)
    until("the process to end", lambda: not helper.is_busy() or None)
    assert start_of(path, last).exists() == is_told


def test_m_mo_01_n23_certify_takes_the_manifest_of_the_master(
    tmp_path: Path, manifest: Manifest, capfd: pytest.CaptureFixture[str]
) -> None:
    path, there = tmp_path / "journal", tmp_path / "modules.json"
    (tmp_path / "offer_filters").mkdir()
    (tmp_path / "offer_filters" / "another.py").write_text("import what_nobody_installed\n")
    path.write_bytes(b"".join(map(spell, journal(manifest))))
    there.write_text(written(manifest))
    assert run(["certify", str(path), "--modules", f"file://{there}"]) == 0
    assert run(["certify", str(path), "--modules", written(manifest)]) == 0
    assert run(["certify", str(path), "--modules_dir", str(tmp_path)]) == 0, "manifests lie in folders, too"
    capfd.readouterr()
    assert run(["certify", str(path)]) != 0
    assert "no offer filter 'picky'" in capfd.readouterr().err
    assert run(["certify", str(path), "--modules", "{"]) != 0
    assert "--modules: this is no JSON" in capfd.readouterr().err
    assert run(["certify", str(path), "--modules", "/nowhere"]) != 0
    assert "--modules: cannot read /nowhere" in capfd.readouterr().err
