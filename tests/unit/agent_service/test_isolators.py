"""What the flags make of isolators, and the plan that is printed of them (N27, M-AG-05)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.isolators import make_isolators, out_of_reach
from mesos_service.agent.main import run
from mesos_service.containers.containerizer import Members
from mesos_service.domain.errors import ConfigurationError
from tests.unit.cgroups.fake_kernel import FakeKernel

MODULE = '''"""Says what it was given."""
from pathlib import Path
from pydantic import BaseModel
from mesos_service.plugins.isolator import Isolator


class Config(BaseModel):
    runtime_dir: Path
    container_disk_watch_interval: float
    cgroups_root: str
    colour: str = "green"


class Tells(Isolator):
    """Holds nothing."""

    name = "test/tells"
    Config = Config

    def explain(self, container_id, config):
        return (f"{self.config!r} for {config.resources}",)
'''


def config(tmp_path: Path, **flags: Any) -> AgentConfig:  # Any: whatever the flags take
    return AgentConfig(master="127.0.0.1:5050", work_dir=tmp_path / "agent", **flags)


@pytest.fixture
def modules_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "mine" / "isolators"
    folder.mkdir(parents=True)
    (folder / "test_tells.py").write_text(MODULE)
    return folder.parent


def test_flags_reach_isolators_by_their_names(tmp_path: Path, modules_dir: Path) -> None:
    flags = {"container_disk_watch_interval": "90ms", "cgroups_root": "a/b", "modules_dir": str(modules_dir)}
    [made] = make_isolators(config(tmp_path, isolation="test/tells", **flags), Members())
    assert made.config.runtime_dir == tmp_path / "agent" / "runtime"
    assert made.config.container_disk_watch_interval == 0.09
    assert (made.config.cgroups_root, made.config.colour) == ("a/b", "green")


def test_n27_the_plan_is_printed_and_nothing_is_done(
    tmp_path: Path, modules_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = {"isolation": "test/tells,posix/cpu", "modules_dir": str(modules_dir)}
    assert run(config(tmp_path, dry_run_isolation="cpus:0.5;mem:64", **flags)) == 0
    first, told, second, nothing = capsys.readouterr().out.splitlines()
    assert (first, second, nothing) == ("test/tells:", "posix/cpu:", "  nothing")
    assert told.endswith("for cpus:0.5; mem:64")
    assert not (tmp_path / "agent").exists()


@pytest.mark.parametrize("wrong", ["", "/mesos", "a//b", "../etc", "a/."])
def test_m_ag_05_the_root_of_groups_is_a_name(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ValueError, match="name of a group"):
        config(tmp_path, cgroups_root=wrong)


def test_m_ag_05_all_is_what_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without cpu and mem, "all" would be a promise broken; what else is missing is told."""
    kernel = FakeKernel(tmp_path / "machine", {}, ("cpu", "memory", "pids"), monkeypatch)
    monkeypatch.setattr("mesos_service.cgroups.device_program.require_programs", lambda: None)
    settings = config(tmp_path, isolation="cgroups/all", cgroups_hierarchy=str(kernel.place))
    lines = [f"cgroup2 {kernel.place} cgroup2 rw 0 0"]
    table = tmp_path / "mounts"
    table.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr("mesos_service.cgroups.hierarchy.MOUNTS", str(table))
    made = [isolator.name for isolator in make_isolators(settings, Members())]
    assert made == ["cgroups/cpu", "cgroups/devices", "cgroups/mem", "cgroups/perf_event", "cgroups/pids"]
    assert "cgroups/all goes without cgroups/cpuset" in caplog.text
    assert {"cgroups/cpu", "cgroups/mem"} <= settings.options().isolation
    (kernel.place / "cgroup.controllers").write_text("cpu pids")
    with pytest.raises(ConfigurationError, match="'cgroups/mem' needs the control group controller 'memory'"):
        make_isolators(settings, Members())


def test_n29_modules_that_nobody_named_do_not_run(tmp_path: Path) -> None:
    """N29: an agent without root tells what it cannot have, and tries no code of others for that."""
    (tmp_path / "modules" / "isolators").mkdir(parents=True)
    module = tmp_path / "modules" / "isolators" / "takes_root.py"
    module.write_text(f"open({str(tmp_path / 'ran')!r}, 'w').close()\nraise PermissionError('only root')\n")
    given = config(tmp_path, modules_dir=str(tmp_path / "modules"))
    for why in out_of_reach(given, Members()):
        assert "takes_root" not in why
    assert not (tmp_path / "ran").exists()


def test_flags_that_no_isolator_heeds_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A profile of system calls that nobody installs would look like a promise."""
    flags = {"seccomp_profile_name": "default.json", "cgroups_pids_max": 10, "container_disk_watch_interval": "1secs"}
    make_isolators(config(tmp_path, isolation="posix/cpu,disk/du", **flags), Members())
    assert [record.getMessage() for record in caplog.records] == [
        "--cgroups_pids_max has no effect: 'cgroups/pids' would heed it, and is not in --isolation",
        "--seccomp_profile_name has no effect: 'linux/seccomp' would heed it, and is not in --isolation",
    ]
    caplog.clear()
    make_isolators(config(tmp_path, isolation="posix/cpu", cgroups_pids_max=4096), Members())
    assert not caplog.records, "what says no more than the default promises nothing"


def test_m_ag_02_the_linux_launcher_is_in_front_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = FakeKernel(tmp_path / "machine", {}, ("pids",), monkeypatch)
    table = tmp_path / "mounts"
    table.write_text(f"cgroup2 {kernel.place} cgroup2 rw 0 0\n")
    monkeypatch.setattr("mesos_service.cgroups.hierarchy.MOUNTS", str(table))
    given = {"launcher": "linux", "cgroups_hierarchy": str(kernel.place)}
    for isolation in ("posix/cpu,cgroups/pids", "linux/launcher,posix/cpu,cgroups/pids"):
        made = make_isolators(config(tmp_path, isolation=isolation, **given), Members())
        assert [isolator.name for isolator in made] == ["linux/launcher", "posix/cpu", "cgroups/pids"]
    table.write_text("")
    with pytest.raises(ConfigurationError, match="'linux/launcher' needs control groups, and none are mounted"):
        make_isolators(config(tmp_path, isolation="posix/cpu", **given), Members())


@pytest.mark.parametrize(
    ("system", "fits"),
    [("Linux", "cgroups/mem"), ("SunOS", "solaris/projects"), ("Darwin", "posix/mem")],
)
def test_a33_one_flag_names_what_fits_the_platform_and_what_does_not_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, fits: str
) -> None:
    """A33: control groups on Linux, projects on Solaris and illumos, elsewhere what only measures."""
    monkeypatch.setattr("platform.system", lambda: system)
    kernel = FakeKernel(tmp_path / "machine", {}, ("memory",), monkeypatch)
    table = tmp_path / "mounts"
    table.write_text(f"cgroup2 {kernel.place} cgroup2 rw 0 0\n" if system == "Linux" else "")
    monkeypatch.setattr("mesos_service.cgroups.hierarchy.MOUNTS", str(table))
    given = {"cgroups_hierarchy": str(kernel.place)}
    for name in ("cgroups/mem", "solaris/projects", "posix/mem"):
        settings = config(tmp_path, isolation=name, **given)
        if name in (fits, "posix/mem"):
            assert [one.name for one in make_isolators(settings, Members())] == [name]
        else:
            with pytest.raises(ConfigurationError, match=f"Isolator '{name}'"):
                make_isolators(settings, Members())
