"""A plugin for pytest that writes down each test's result as soon as there is one: ``-p tests.support.results``.

For tests that run where pytest's own words may be lost, such as in a machine that is ended from outside. The file is
named by the environment (``TESTS_RESULTS``); without it nothing is written.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

PLACE: Final = "TESTS_RESULTS"


@dataclass(slots=True)
class Result:
    """How one test fared."""

    outcome: str = "begun"
    """``passed``, ``failed`` or ``skipped``; ``begun`` when it never came to its end."""
    text: str = ""
    """Why it failed, or was skipped."""
    seconds: float = 0


def read(path: Path) -> dict[str, Result]:
    """The results by the tests' names, in their order."""
    found: dict[str, Result] = {}
    if not path.exists():
        return found
    for line in path.read_text().splitlines(keepends=True):
        if not line.endswith("\n"):
            break  # It was being written.
        told: dict[str, Any] = json.loads(line)  # Any: text and numbers
        result = found.setdefault(told["test"], Result())
        result.seconds += told["seconds"]
        if told["outcome"] != "passed" and result.outcome != "failed":
            result.outcome, result.text = told["outcome"], told["text"]
        elif told["when"] == "teardown" and result.outcome == "begun":
            result.outcome = "passed"
    return found


def pytest_runtest_logstart(nodeid: str) -> None:
    """A test begins."""
    _write({"test": nodeid, "when": "start", "outcome": "passed", "text": "", "seconds": 0})


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """One of its three parts has ended."""
    text = "" if report.passed else report.longreprtext or str(report.longrepr)
    more = "\n".join(f"--- {title}\n{content}" for title, content in report.sections) if report.failed else ""
    told = {"test": report.nodeid, "when": report.when, "outcome": report.outcome, "text": f"{text}\n{more}".rstrip()}
    _write({**told, "seconds": report.duration})


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file that cannot be read is a failure by its own name."""
    if report.failed:
        told = {"test": report.nodeid, "when": "collect", "outcome": "failed", "text": report.longreprtext}
        _write({**told, "seconds": 0})


def _write(told: Mapping[str, object]) -> None:
    place = os.environ.get(PLACE)
    if place is not None:
        with Path(place).open("a") as file:
            file.write(json.dumps(told) + "\n")
