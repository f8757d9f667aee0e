"""Control groups on a kernel that was booted with version 2, and on one with both (M-AG-06).

What runs there are tests that run here, too, where they meet whatever this machine has.
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from tests.support.machine import HYBRID, UNIFIED, Guest, run_in_machine

pytestmark = pytest.mark.long
SECONDS_MAX = 5400
"""Of a whole machine, which is emulated as a rule."""
ONE_LOOP = ("-k", "not uvloop", "-m", "not long")
FILES = {
    "unified": (
        "tests/unit/cgroups/test_version_2.py",
        "tests/unit/cgroups/test_live.py",
        "tests/unit/cgroups/test_shared.py",
        "tests/unit/cgroups/test_hogs.py",
        "tests/e2e/test_nested_groups.py",
        "tests/e2e/test_all_control_groups.py",
        "tests/e2e/test_isolation.py",
    ),
    "hybrid": ("tests/unit/cgroups/test_version_2.py", "tests/unit/cgroups/test_live.py"),
}
GROUPS = {"unified": UNIFIED, "hybrid": HYBRID}
OTHER_VERSION = {"unified": "control groups of version 1", "hybrid": "control groups of version 2"}
"""Tests of devices are for one version each, and say so; the machine has those of the other."""


@functools.cache
def told_by(kind: str, directory: Path, files: tuple[str, ...]) -> Guest:
    """A machine is booted once, for all files that are asked for: ``-k hogs`` runs one of them alone."""
    return run_in_machine(directory, [*ONE_LOOP, *files], SECONDS_MAX, GROUPS[kind])


@pytest.fixture(scope="session")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where their files are."""
    return tmp_path_factory.mktemp("machines")


def asked_for(session: pytest.Session, kind: str) -> tuple[str, ...]:
    """The files that are to run in a machine of this kind."""
    chosen = [item.callspec.params for item in session.items if isinstance(item, pytest.Function) and is_here(item)]
    return tuple(str(params["file"]) for params in chosen if params["kind"] == kind)


def is_here(item: pytest.Function) -> bool:
    return item.path == Path(__file__) and hasattr(item, "callspec")


@pytest.mark.parametrize(("kind", "file"), [(kind, file) for kind, files in FILES.items() for file in files])
def test_m_ag_05_m_ag_06_tests_pass_in_a_machine(
    machines: Path, request: pytest.FixtureRequest, kind: str, file: str
) -> None:
    guest = told_by(kind, machines / kind, asked_for(request.session, kind))
    results = {name: result for name, result in guest.results.items() if name.startswith(file)}
    amiss = {
        name: result
        for name, result in results.items()
        if result.outcome != "passed" and not (result.outcome == "skipped" and OTHER_VERSION[kind] in result.text)
    }
    assert not amiss, "\n\n".join(f"{name} in the machine: {one.outcome}\n{one.text}" for name, one in amiss.items())
    assert any(result.outcome == "passed" for result in results.values()), guest.said[-10_000:]
    assert guest.status is not None, f"it did not come to its end:\n{guest.said[-10_000:]}"
