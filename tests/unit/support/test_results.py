"""Results of tests that run elsewhere come back one by one, whatever happens to the rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import results
from tests.support.real_parts import ROOT

TESTS = """
import os
import pytest

def test_good(): pass

def test_bad(): assert 1 == 2

@pytest.fixture
def broken():
    yield
    raise RuntimeError("left something")

def test_good_that_leaves_something(broken): pass

def test_left_out(): pytest.skip("no such part")

def test_last_words(): os._exit(3)

def test_never(): pass
"""


def test_each_result_is_written_down_before_the_next_test_begins(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS)
    (tmp_path / "test_unreadable.py").write_text("import no_such_module\n")
    place = tmp_path / "results"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.support.results",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
    ]
    ended = subprocess.run(
        [*command, f"--rootdir={tmp_path}", "--continue-on-collection-errors", str(tmp_path)],
        env={"PYTHONPATH": str(ROOT), results.PLACE: str(place)},
        stdout=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 3
    told = results.read(place)
    assert {name.rpartition("::")[2]: one.outcome for name, one in told.items()} == {
        "test_unreadable.py": "failed",
        "test_good": "passed",
        "test_bad": "failed",
        "test_good_that_leaves_something": "failed",
        "test_left_out": "skipped",
        "test_last_words": "begun",
    }
    assert "assert 1 == 2" in told["test_some.py::test_bad"].text
    assert "left something" in told["test_some.py::test_good_that_leaves_something"].text
    assert "no such part" in told["test_some.py::test_left_out"].text
    assert "no_such_module" in told["test_unreadable.py"].text
    with place.open("a") as file:
        file.write('{"test": "half')
    assert results.read(place) == told
    assert results.read(tmp_path / "none") == {}
