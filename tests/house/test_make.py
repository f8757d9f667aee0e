"""What `make` promises of its targets: every part is reached, and one that fails fails the whole."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.support.histories import longer

PARTS = {
    "check": ("setup.sh dev", "ruff check", "ruff format --check", "mypy", "pytest tests/house"),
    "test": (
        *("setup.sh dev", "install_real_parts.sh", "ruff check", "ruff format --check", "mypy"),
        *("pytest -n 2 --dist loadfile -m 'not long'", "report_not_run.sh"),
    ),
    "test-all": (
        *("setup.sh dev", "install_real_parts.sh all", "ruff check", "ruff format --check", "mypy"),
        *("pytest -n 2 --dist loadfile", "report_not_run.sh"),
    ),
    "scenarios": (
        *("setup.sh dev", "rm -f dist", "hatchling build", "platform_wheel.sh", "wheelhouse.sh"),
        *("vagrant.testbed up", "vagrant.testbed converge site", "vagrant.scenarios"),
    ),
}


def made(target: str, folder: Path, failing: str = "", *variables: str) -> tuple[int, list[str]]:
    """The exit status of a target, and the commands that it ran; nothing is done but that ``failing`` fails."""
    log = folder / "log"
    log.unlink(missing_ok=True)
    shell = folder / "shell"
    fail = f'[ "$2" != {_quoted(failing)} ] || exit 3\n' if failing else ""
    shell.write_text(f'#!/bin/sh\nprintf "%s\\n" "$2" >>{log}\n{fail}')
    shell.chmod(0o755)
    command = ["make", "-f", str(ROOT / "Makefile"), f"SHELL={shell}", target, *variables]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, log.read_text().splitlines()


def _quoted(command: str) -> str:
    return "'" + command.replace("'", "'\\''") + "'"


@pytest.mark.parametrize("target", PARTS)
def test_every_part_of_a_target_is_reached(target: str, tmp_path: Path) -> None:
    status, commands = made(target, tmp_path)
    assert status == 0
    assert len(commands) == len(PARTS[target]), commands
    assert all(part in command for part, command in zip(PARTS[target], commands, strict=True)), commands
    # The long suites are what `make test-all` is for.
    assert not [command for command in commands if "not long" in command and target != "test"]


@pytest.mark.parametrize("target", PARTS)
def test_a_part_that_fails_fails_the_whole(target: str, tmp_path: Path) -> None:
    _, commands = made(target, tmp_path)
    for number, command in enumerate(commands):
        status, ran = made(target, tmp_path, failing=command)
        assert status != 0, command
        assert ran == commands[: number + 1]


@pytest.mark.parametrize("target", ["test", "test-all"])
def test_tests_can_be_chosen(target: str, tmp_path: Path) -> None:
    _, every = made(target, tmp_path)
    _, some = made(target, tmp_path, "", "TESTS=tests/unit tests/house")
    (changed,) = [command for command in some if command not in every]
    assert changed.split()[-2:] == ["tests/unit", "tests/house"]


@pytest.mark.parametrize(("asked", "seeds"), [("", 4), ("7", 7), ("all", 40), ("100", 40)])
def test_how_many_longer_histories_there_are_is_a_number(
    asked: str, seeds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HISTORIES", asked)
    assert longer(2000, 40) == range(2000, 2000 + seeds)
    assert len(longer(1, 5)) >= 1


@pytest.mark.parametrize("asked", ["0", "many", "-1"])
def test_a_number_of_histories_that_is_none_is_refused(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HISTORIES", asked)
    with pytest.raises(pytest.UsageError, match=f"HISTORIES is '{asked}': say how many of each kind, such as 20"):
        longer(2000, 40)
