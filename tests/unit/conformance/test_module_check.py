"""``module check`` says in a sentence what is wrong with a module, and which method it is (N09)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mesos_service.cli.main import run as command
from mesos_service.conformance.allocators import CHECKS
from mesos_service.conformance.modules import check_module
from mesos_service.conformance.run import run_checks
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.loader import ALLOCATORS, builtin_modules_dir, load_file

STOCK = """
from mesos_service.plugins.loader import ALLOCATORS, load

Stock = load(ALLOCATORS, "hierarchical")

class Mine(Stock):
    name = "mine"

    def allocate(self, now, random, *, agents, limit=None, observer=None):
        grants = super().allocate(now, random, agents=agents, limit=limit, observer=observer)
        {body}
"""
FILTER = """
from mesos_service.plugins.offer_filter import OfferFilter, filtered

class Mine(OfferFilter):
    name = "mine"
    {body}
"""


def written(folder: Path, text: str, body: str) -> Path:
    file = folder / "mine.py"
    file.write_text(text.format(body=body))
    return file


def faults(file: Path) -> list[str]:
    return [one.fault for one in check_module(file)[2] if one.fault is not None]


@pytest.mark.parametrize("file", sorted(builtin_modules_dir().glob("[ao]*/*.py")), ids=lambda file: file.stem)
def test_n09_built_in_modules_conform(file: Path) -> None:
    assert faults(file) == []


@pytest.mark.parametrize(
    "body,said",
    [
        ("return [*grants, *grants]", "allocate() offered what is not there"),
        ("return grants[:1]", "agents "),
        ("raise KeyError('lost')", "allocate(), line 11, raised KeyError: 'lost'."),
        ("return list(super().allocate(now, random, agents=None))", "With agents=[one]"),
        ("return [grant._replace(role='other') for grant in grants]", "not allocated to 'other'"),
    ],
)
def test_n09_an_allocator_that_does_wrong_is_told_what(tmp_path: Path, body: str, said: str) -> None:
    assert any(said in fault for fault in faults(written(tmp_path, STOCK, body)))


def test_n09_an_endless_loop_is_broken_off_and_named(tmp_path: Path) -> None:
    """In each check: a machine that stands still may spoil one, and another hangs where the module does."""
    file = written(tmp_path, STOCK, "while True: pass")
    kind = load_file(ALLOCATORS, file)
    assert kind is not None
    found = [one.fault for one in run_checks(kind, CHECKS, str(file.resolve()), 0.2)]
    assert "allocate(), line 11, did not come back within 0.2 s: an endless loop, or far too slow." in found


@pytest.mark.parametrize(
    "body,said",
    [
        ("pass", "keeps nothing away"),
        ("def changes_at(self, now): return now", "is not later"),
        (
            "def about_free(self, free): return filtered(self.name, 'No.') if free.scalar('cpus') == 2000 else None",
            "takes a smaller one",
        ),
        ("def about_agent(self, agent, now): return object()", "raised AttributeError"),
    ],
)
def test_n09_a_filter_that_does_wrong_is_told_what(tmp_path: Path, body: str, said: str) -> None:
    assert any(said in fault for fault in faults(written(tmp_path, FILTER, body)))


@pytest.mark.parametrize(
    "text,said",
    [
        ("class Mine: pass", "no class that extends"),
        ("import nowhere_to_be_found", "cannot be imported: ModuleNotFoundError"),
        (FILTER.format(body="def about_agent(self, host, now): pass"), "'host' where argument 'agent' belongs"),
        (FILTER.format(body="api_version = 7"), "written for api_version 7; this version has 1"),
    ],
)
def test_m_mo_03_what_is_no_module_is_refused_with_a_sentence(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        check_module(file)


def test_n09_the_command_says_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = str(written(tmp_path, FILTER, "pass"))
    assert command(["module", "check", file]) == 1
    assert "WRONG it decides something: It has neither" in capsys.readouterr().out
    assert command(["module", "check", file, "-o", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["conforms"] is False
    good = str(builtin_modules_dir() / "offer_filters" / "at_least.py")
    assert command(["module", "check", good]) == 0
    assert "all 5 checks held" in capsys.readouterr().out
    assert command(["module", "check", str(tmp_path / "nothing.py")]) == 2
