"""The command line as a whole: which commands there are, how they end, and what they import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mesos_service
from mesos_service.cli.main import run


def ends(*arguments: str) -> int:
    return run(list(arguments))


@pytest.fixture(autouse=True)
def no_flags_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("MESOS_")]:
        monkeypatch.delenv(name)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("--version") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"mesos-service {mesos_service.__version__}"
    assert second in ("allocator kernel: compiled", "allocator kernel: python")


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("nothing") == 2
    assert "No such command" in capsys.readouterr().err


def test_check_config_checks_and_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work_dir = tmp_path / "work"

    assert ends("master", "--check_config", f"--work_dir={work_dir}", "--no-root_submissions", "--port=0") == 0
    assert capsys.readouterr().out == "the flags of the master are in order\n"
    assert not work_dir.exists(), "who only checks makes nothing"
    (tmp_path / "file").touch()
    (tmp_path / "lost").symlink_to(tmp_path / "nowhere")
    for place, says in (
        (tmp_path / "file", "is no directory"),
        (tmp_path / "file" / "below" / "it", "cannot make"),
        (tmp_path / "lost", "is no directory"),
        (tmp_path / "lost" / "below", "is no directory"),
        (tmp_path / ("long" * 100), "File name too long"),
        ("/nothing\0less", "there can be no path"),
    ):
        for service, *more in (("master",), ("agent", "--master=127.0.0.1:5050"), ("traces", "serve")):
            assert ends(service, *more, "--check_config", f"--work_dir={place}") == 2
            assert says in capsys.readouterr().err, service


def test_n27_a_plan_of_isolators_makes_no_working_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    work_dir = tmp_path / "work"
    flags = ("--master=127.0.0.1:5050", "--isolation=posix/cpu", f"--work_dir={work_dir}")
    assert ends("agent", *flags, "--dry_run_isolation=cpus:1") == 0
    assert capsys.readouterr().out == "posix/cpu:\n  nothing\n"
    assert not work_dir.exists(), "none of it is done"


def test_check_config_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("master", "--check_config", "--allocation_interval=5", "--port=no") == 2

    said = capsys.readouterr().err
    assert "mesos-service: --allocation_interval: '5' is not a duration" in said
    assert "mesos-service: --port:" in said


def test_check_config_reads_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "master.toml"
    file.write_text("nothing = 1\n", encoding="utf-8")

    assert ends("master", "--check_config", "--config", str(file)) == 2
    assert "'nothing' in" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--quorum=2", "--quorum", "--no-registry_strict", "--webui_dir=/srv"])
def test_a_flag_that_only_mesos_has_is_refused(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("master", flag) == 2
    assert "Mesos has this flag and mesos-service does not" in capsys.readouterr().err


def test_a_flag_that_nobody_has_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("agent", "--no_such_flag=1") == 2
    assert "No such option: --no_such_flag" in capsys.readouterr().err


def test_the_help_of_a_service_names_every_flag(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mesos_service.agent.config import AgentConfig

    monkeypatch.setenv("COLUMNS", "200")
    assert ends("agent", "--help") == 0

    said = capsys.readouterr().out
    assert [name for name in AgentConfig.model_fields if f"--{name}" not in said] == []


def test_nobody_listening_is_a_fault_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    # Port 1 is privileged and unassigned: nobody listens there.
    assert ends("agents", "--master=127.0.0.1:1") == 1

    said = capsys.readouterr().err
    assert said.startswith("mesos-service: no master answers at 127.0.0.1:1")
    assert len(said.splitlines()) == 1


def test_a_master_that_is_no_address_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("tasks", "--master=a:b") == 2
    assert "the port is a number" in capsys.readouterr().err


@pytest.mark.parametrize("pair", ["A", "=1"])
def test_run_wants_its_environment_in_pairs(pair: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("run", f"--env={pair}", "--", "true") == 2
    assert "is not of the form NAME=VALUE" in capsys.readouterr().err


def test_run_wants_a_duration_with_its_unit(capsys: pytest.CaptureFixture[str]) -> None:
    assert ends("run", "--timeout=5", "--", "true") == 2
    assert "--timeout: '5' is not a duration" in capsys.readouterr().err


def test_modules_are_listed_without_being_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "allocators"
    folder.mkdir()
    (folder / "mine.py").write_text("import nothing_of_this_name\n", encoding="utf-8")

    assert ends("module", "list", f"--modules_dir={tmp_path}", "-o", "json") == 0

    listed = json.loads(capsys.readouterr().out)
    assert {"kind": "allocator", "name": "mine", "origin": str(folder / "mine.py")} in listed
    assert "hierarchical_drf" in [module["name"] for module in listed]


def test_help_and_completion_import_nothing_heavy() -> None:
    code = (
        "import sys, mesos_service.cli.main as m; m.build();"
        "print([n for n in ('pydantic_settings', 'httpx', 'fastapi', 'numpy', 'opentelemetry') if n in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "[]"
