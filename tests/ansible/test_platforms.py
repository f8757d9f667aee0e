"""The platforms that the roles name are platforms that they work on, and hosts of one cluster may differ (N21)."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mesos_service import __version__
from tests.ansible.conftest import Converged, cluster_of, free_topology
from tests.ansible.looking import assert_nothing_changed, assert_nothing_is_left
from tests.house.source import ROOT
from vagrant.scenarios import reboot_host, restart_agents
from vagrant.scenarios.story import Story
from vagrant.testbed import play
from vagrant.topology import SUITES, TopologyMistake, read

OTHERS = ("trixie", "noble")
"""The testbed's own machines are of bookworm, and all other tests are of those."""
NAMES = {"bookworm": "Debian GNU/Linux 12", "trixie": "Debian GNU/Linux 13", "noble": "Ubuntu 24.04"}


def test_n21_the_roles_name_the_platforms_that_are_tried() -> None:
    for file in sorted((ROOT / "ansible" / "roles").glob("*/meta/main.yml")):
        platforms = yaml.safe_load(file.read_text())["galaxy_info"]["platforms"]
        assert {suite for platform in platforms for suite in platform["versions"]} == set(SUITES), file


def test_a_machine_of_no_platform_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "topology.yml"
    one = {"address": "192.168.59.11", "memory_mb": 512, "groups": [], "suite": "potato"}
    file.write_text(
        yaml.safe_dump({"name": "t", "suite": "noble", "network": "192.168.59.0/24", "machines": {"node1": one}})
    )
    with pytest.raises(TopologyMistake, match="node1: there is no box of 'potato', only of bookworm, trixie, noble"):
        read(file)


@pytest.fixture(scope="module")
def house(wheelhouse: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels for the Pythons of all platforms. This machine has one of them: hosts with the others run pip."""
    out = tmp_path_factory.mktemp("wheelhouse")
    environment = {**os.environ, "OUT": str(out), "PYTHONS": " ".join(SUITES.values())}
    subprocess.run(
        [str(ROOT / "scripts" / "wheelhouse.sh")], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    return out / f"mesos-service-{__version__}-wheelhouse.tar"


@pytest.fixture(scope="module", params=[*((suite,) for suite in OTHERS), tuple(SUITES)], ids="-".join)
def elsewhere(house: Path, request: pytest.FixtureRequest) -> Iterator[tuple[Converged, tuple[str, ...]]]:
    """A cluster on hosts of another platform; and one with a host of each."""
    suites: tuple[str, ...] = request.param
    with cluster_of(free_topology().of(*suites), house) as converged:
        yield converged, suites


@pytest.mark.long
def test_n21_a_cluster_of_another_platform(elsewhere: tuple[Converged, tuple[str, ...]], tmp_path: Path) -> None:
    """It runs a task, a second run changes nothing, verify finds it true, tasks outlive agents, and all of it goes."""
    converged, suites = elsewhere
    cluster = converged.cluster
    cluster.wait_until_whole()
    seen = [host.sh(". /etc/os-release && echo $PRETTY_NAME").strip() for host in cluster.testbed.hosts.values()]
    expected = [NAMES[host.machine.suite] for host in cluster.testbed.hosts.values()]
    assert all(name.startswith(wanted) for name, wanted in zip(seen, expected, strict=True)), seen
    assert {host.machine.suite for host in cluster.testbed.hosts.values()} == set(suites)
    master = f"--master={cluster.leader().address}:5050"
    command = [str(Path(sys.executable).with_name("mesos-service")), "run", master, "--", "hostname"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in cluster.testbed.hosts
    again = play(converged.inventory, "site", capture=True)
    assert again.returncode == 0, again.stdout[-4000:]
    assert_nothing_changed(again.stdout, 3)
    asked = play(converged.inventory, "verify", capture=True)
    assert asked.returncode == 0, asked.stdout[-4000:]
    assert_nothing_changed(asked.stdout, 3)
    restart_agents.run(cluster, Story())
    cluster.wait_until_whole()
    reboot_host.run(cluster, Story())
    cluster.wait_until_whole()
    reset = play(converged.inventory, "reset", "-e", "mesos_common_reset=true", capture=True)
    assert reset.returncode == 0, reset.stdout[-4000:]
    assert_nothing_is_left(converged)
