"""The same testbed by Vagrant: one topology for all providers, and a cluster by the one that can run here (N21)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.ansible.conftest import free_topology, why_no_hosts
from tests.ansible.looking import assert_nothing_changed
from tests.house.source import ROOT
from tests.support.real_parts import missing_part
from vagrant import hosts
from vagrant.cluster import Cluster
from vagrant.topology import DEFAULT, Topology, read

PROVIDERS: Final = ("virtualbox", "libvirt", "lxc")
_CONFIGURATION: Final = Path(__file__).with_name("vagrant_configuration.rb")
_CONTAINERS: Final = Path("/var/lib/lxc")
_UP_SECONDS_MAX: Final = 2400.0


def why_no_vagrant() -> str | None:
    """What is missing for Vagrant with its provider lxc; ``None`` where nothing is."""
    if shutil.which("vagrant") is None:
        return "vagrant not installed"
    plugins = subprocess.run(["vagrant", "plugin", "list"], capture_output=True, text=True, check=False).stdout
    missing = [name for name in ("vagrant-lxc", "vagrant-libvirt") if name not in plugins]
    return f"{', '.join(missing)} not installed" if missing else None


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which Vagrant keeps its boxes and its state in the test's own directory."""
    if (why := why_no_vagrant()) is not None:
        missing_part(f"Vagrant ({why})")
    return {
        **os.environ,
        "VAGRANT_HOME": str(tmp_path / "home"),
        "VAGRANT_DOTFILE_PATH": str(tmp_path / "state"),
        "VAGRANT_CHECKPOINT_DISABLE": "1",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }


def vagrant(
    environment: dict[str, str], *arguments: str, seconds_max: float = 120.0
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["vagrant", *arguments, "--no-tty"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds_max,
    )


def made_of_the_vagrantfile(environment: dict[str, str]) -> dict[str, dict[str, dict[str, Any]]]:
    """By provider and machine, as Vagrant has read it."""
    done = subprocess.run(
        ["ruby", "-W0", str(_CONFIGURATION), str(ROOT), *PROVIDERS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    made: dict[str, dict[str, dict[str, Any]]] = json.loads(done.stdout)
    return made


@pytest.mark.long
def test_n21_every_provider_gets_the_machines_of_the_topology(home: dict[str, str]) -> None:
    """Asked of Vagrant itself, so that also providers are tested that cannot run here."""
    done = vagrant(home, "validate", "--ignore-provider")
    assert done.returncode == 0, done.stderr
    topology = read()
    made = made_of_the_vagrantfile(home)
    assert set(made) == set(PROVIDERS)
    for provider, machines in made.items():
        assert list(machines) == list(topology.machines)
        for name, machine in machines.items():
            wanted, settings = topology.machines[name], machine["settings"]
            assert machine["hostname"] == name
            match provider:
                case "virtualbox":
                    assert ["modifyvm", "id", "--memory", str(wanted.memory_mb)] in [
                        command for _, command in settings["customizations"]
                    ]
                    assert machine["addresses"] == [wanted.address]
                case "libvirt":
                    assert settings["memory"] == wanted.memory_mb
                    assert machine["addresses"] == [wanted.address]
                case "lxc":
                    assert settings["container_name"] == f"{topology.name}-{name}"
                    assert ["net.0.ipv4.address", f"{wanted.address}/24"] in settings["customizations"]
                    assert ["cgroup.memory.limit_in_bytes", f"{wanted.memory_mb}M"] in settings["customizations"]
        # The last one sets up all of them, by the groups of the topology and at its addresses.
        *earlier, last = machines.values()
        assert not [machine["provisioners"] for machine in earlier if machine["provisioners"]]
        (play,) = last["provisioners"]
        assert (play["playbook"], play["limit"]) == ("ansible/playbooks/site.yml", "all")
        for group, names in play["groups"].items():
            assert names == [one.name for one in topology.machines.values() if group in one.groups]
        assert {group for one in topology.machines.values() for group in one.groups} == set(play["groups"])
        assert play["host_vars"] == {
            name: {"mesos_common_address": one.address} for name, one in topology.machines.items()
        }


def written(topology: Topology, path: Path) -> Path:
    """A file for ``topology``, which has been moved to a network of its own."""
    content = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    content.update(name=topology.name, network=str(topology.network))
    for name, machine in topology.machines.items():
        content["machines"][name]["address"] = machine.address
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def left_of(topology: Topology) -> list[str]:
    """What is on this computer that carries the testbed's name: bridge, containers, control groups."""
    found = [Path("/sys/class/net") / hosts.Testbed(topology, Path("/nonexistent")).bridge]
    found += _CONTAINERS.glob(f"{topology.name}-*")
    found += Path("/sys/fs/cgroup").glob(f"*/lxc*{topology.name}-*")
    return [str(path) for path in found if path.exists()]


@pytest.fixture
def machines(home: dict[str, str], tmp_path: Path, wheelhouse: None) -> Iterator[Topology]:
    """The testbed, made and set up by ``vagrant up`` alone; taken away however the test ends."""
    if (why := why_no_hosts()) is not None:
        missing_part(f"LXC hosts ({why})")
    topology = free_topology()
    home["TESTBED_TOPOLOGY"] = str(written(topology, tmp_path / "topology.yml"))
    try:
        up = vagrant(home, "up", "--provider=lxc", seconds_max=_UP_SECONDS_MAX)
        assert up.returncode == 0, up.stdout[-6000:] + up.stderr[-2000:]
        yield topology
    finally:
        destroyed = vagrant(home, "destroy", "--force", seconds_max=300.0)
    assert destroyed.returncode == 0, destroyed.stdout + destroyed.stderr
    assert not left_of(topology)
    again = vagrant(home, "destroy", "--force")
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.long
def test_n21_vagrant_up_makes_the_cluster_and_destroy_leaves_nothing(
    home: dict[str, str], machines: Topology, tmp_path: Path
) -> None:
    """N21: it runs a task, the second run changes nothing, and a machine that was off has its services again."""
    cluster = Cluster(hosts.Testbed(machines, tmp_path))
    cluster.wait_until_whole()
    for master in cluster.masters:
        command = [str(Path(sys.executable).with_name("mesos-service")), "run", "--master", f"{master.address}:5050"]
        done = subprocess.run(
            [*command, "--", "hostname"], capture_output=True, text=True, check=False, timeout=60, cwd=ROOT
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() in machines.machines
    again = vagrant(home, "provision", seconds_max=_UP_SECONDS_MAX)
    assert again.returncode == 0, again.stdout[-6000:]
    assert_nothing_changed(again.stdout, len(machines.machines))
    # A host that holds nothing that the others cannot do without.
    last = list(machines.machines)[-1]
    assert vagrant(home, "halt", last, seconds_max=180.0).returncode == 0
    assert not cluster.whole()
    back = vagrant(home, "up", last, "--no-provision", "--provider=lxc", seconds_max=300.0)
    assert back.returncode == 0, back.stdout + back.stderr
    cluster.wait_until_whole()
