"""Bare hosts become a cluster: real ones, with systemd, ZooKeeper and PostgreSQL, as LXC containers (N21, N22)."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesos_service.domain.resources import Resources
from tests.ansible.conftest import Converged
from tests.ansible.looking import active_agents, assert_nothing_changed, assert_nothing_is_left, main_pids
from tests.ansible.running import run_ansible
from vagrant.cluster import until
from vagrant.releases import VERSION, make_release
from vagrant.scenarios.__main__ import NAMES
from vagrant.scenarios.story import Story
from vagrant.testbed import play
from vagrant.workload import COMMAND, Workload

MESOS_SERVICE = Path(sys.executable).with_name("mesos-service")
IN_EVERY_RUN = ("restart_agents", "kill_leader", "trace_offer")
"""The other scenarios are for the long suite."""


def test_n21_a_cluster_runs_a_task(converged: Converged) -> None:
    """N21: asked through a master that may not even lead."""
    for master in converged.cluster.masters:
        done = subprocess.run(
            [str(MESOS_SERVICE), "run", "--master", f"{master.address}:5050", "--", "sh", "-c", "echo on $(hostname)"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() in {f"on {host.name}" for host in converged.cluster.agents}


def test_n21_the_second_run_changes_nothing(converged: Converged) -> None:
    """N21, with check mode before it: that too has nothing to say of a host that is as it should be."""
    checked = play(converged.inventory, "site", "--check", "--diff", "--limit", "node1", capture=True)
    assert checked.returncode == 0, checked.stdout[-4000:]
    assert_nothing_changed(checked.stdout, 1)
    again = play(converged.inventory, "site", capture=True)
    assert again.returncode == 0, again.stdout[-4000:]
    assert_nothing_changed(again.stdout, 3)


def test_n21_the_machines_say_that_it_is_true(converged: Converged) -> None:
    done = play(converged.inventory, "verify", capture=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert_nothing_changed(done.stdout, 3)
    assert len(set(re.findall(r"says that (\S+) leads", done.stdout))) == 1


def test_services_run_in_their_units(converged: Converged) -> None:
    """M-HA-13, M-AG-33: what ends is started again, watched, and the master can touch nothing but its own."""
    host = converged.cluster.masters[0]
    for unit in ("mesos-master", "mesos-agent"):
        shown = host.sh(f"systemctl show -p Type,Restart,WatchdogUSec,NotifyAccess {unit}").split()
        assert set(shown) == {"Type=notify", "Restart=always", "WatchdogUSec=30s", "NotifyAccess=main"}
    master = host.sh("systemctl show -p MainPID --value mesos-master").strip()
    assert host.sh(f"stat -c %U /proc/{master}").strip() == "mesos"
    touched = host.sh(f"nsenter -t {master} -m -- sh -c 'touch /usr/touched || echo refused' 2>/dev/null")
    assert touched.strip() == "refused"
    assert "password" not in host.sh("runuser -u nobody -- cat /etc/mesos-service/master.toml", check=False)


def test_prometheus_hears_everybody_and_has_nothing_to_say(converged: Converged) -> None:
    """Its pages are for its own host only, and the package's own service stays off."""
    host = next(host for host in converged.cluster.testbed.hosts.values() if "prometheus" in host.machine.groups)
    ask = "curl -sS 'http://127.0.0.1:9090/api/v1/query?query={}'"

    def answers(query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(host.sh(ask.format(query)))["data"]["result"]
        return found

    expected = {(job, name) for job in ("mesos_masters", "mesos_agents") for name in ("node1", "node2", "node3")}
    until(
        "everybody answers",
        lambda: {(one["metric"]["job"], one["metric"]["host"]) for one in answers("up==1")} == expected,
    )
    assert [one["value"][1] for one in answers("sum(mesos_master_elected)")] == ["1"]
    assert [one["value"][1] for one in answers("max(mesos_master_slaves_active)")] == ["3"]
    assert not answers("ALERTS%7Balertname=%22MesosNoLeader%22,alertstate=%22firing%22%7D")
    assert host.sh("systemctl is-enabled prometheus", check=False).strip() == "disabled"
    with pytest.raises(OSError):
        socket.create_connection((host.address, 9090), 2).close()


def test_ports_are_closed_to_strangers_and_stay_so(converged: Converged, tmp_path: Path) -> None:
    """A second address of this computer is a stranger; rules that somebody flushed are there again after a run."""
    # The one role of site.yml that closes ports: all of them would take four times as long.
    playbook = tmp_path / "common.yml"
    subset = ["!all", "distribution", "python", "virtual"]
    common = {"hosts": "node2", "become": True, "gather_subset": subset, "roles": ["mesos_common"]}
    playbook.write_text(yaml.safe_dump([common]))

    def run(**variables: object) -> None:
        given = json.dumps(variables)
        done = run_ansible("ansible-playbook", "-i", str(converged.inventory), "-e", given, str(playbook))
        assert done.returncode == 0, done.stdout[-4000:]

    bridge, host = converged.cluster.testbed.bridge, converged.cluster.testbed.hosts["node2"]
    stranger = host.address.rpartition(".")[0] + ".200"

    def reached(source: str, port: int) -> bool:
        try:
            socket.create_connection((host.address, port), 2, source_address=(source, 0)).close()
        except OSError:
            return False
        return True

    def open_to(source: str) -> list[int]:
        ports = (22, 2181, 3888, 4318, 5050, 5051)
        # At once: a closed port is known by its silence.
        with ThreadPoolExecutor() as pool:
            answers = pool.map(lambda port: reached(source, port), ports)
        return [port for port, answered in zip(ports, answers, strict=True) if answered]

    subprocess.run(["ip", "addr", "add", f"{stranger}/24", "dev", bridge], check=True)
    try:
        clients = converged.cluster.testbed.topology.gateway
        assert open_to(stranger) == [22]
        assert open_to(clients) == [22, 2181, 4318, 5050, 5051]
        host.sh("nft add table inet of_somebody; nft delete table inet mesos_service")
        assert reached(stranger, 5050)
        run()
        assert not reached(stranger, 5050)
        assert "of_somebody" in host.sh("nft list tables")
        # A text, as every value on a command line is.
        run(mesos_common_firewall="false")
        assert reached(stranger, 5050)
        assert host.sh("nft list tables").split() == ["table", "inet", "of_somebody"]
    finally:
        subprocess.run(["ip", "addr", "del", f"{stranger}/24", "dev", bridge], check=True)
        host.sh("nft delete table inet of_somebody", check=False)
        run()
    assert host.sh("nft list tables").split() == ["table", "inet", "mesos_service"]


def test_agents_are_an_inventory(converged: Converged, tmp_path: Path) -> None:
    """N21: hosts are listed from what the leader knows, whichever master is asked, and the dead are passed over."""
    assert active_agents(converged, tmp_path) == {host.name for host in converged.cluster.agents}
    file = tmp_path / "mesos_agents.yml"
    file.write_text("plugin: mesos_agents\nmasters: ['127.0.0.1:1']\n")
    said = run_ansible("ansible-inventory", "-i", str(file), "--list").stderr
    assert "no master says which agents there are" in " ".join(said.split())


@pytest.mark.parametrize("name", IN_EVERY_RUN)
def test_n21_scenarios(converged: Converged, name: str) -> None:
    """M-AG-33: among them, agents restart and their tasks are the same processes afterwards."""
    converged.cluster.wait_until_whole()
    import_module(f"vagrant.scenarios.{name}").run(converged.cluster, Story())
    converged.cluster.wait_until_whole()


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(NAMES) - set(IN_EVERY_RUN)))
def test_n22_scenarios_that_take_longer(converged: Converged, name: str) -> None:
    """N22: among them the upgrade of everything, and the way back, with tasks running."""
    converged.cluster.wait_until_whole()
    import_module(f"vagrant.scenarios.{name}").run(converged.cluster, Story())
    converged.cluster.wait_until_whole()


def test_another_wheelhouse_needs_another_version(converged: Converged, tmp_path: Path) -> None:
    """A version that runs is not replaced under its services."""
    other = make_release(VERSION, tmp_path)
    done = play(converged.inventory, "site", "-e", f"mesos_common_wheelhouse={other}", capture=True)
    assert done.returncode != 0
    assert "give the new one a version of its own" in " ".join(done.stdout.split())
    assert converged.cluster.whole()


@pytest.mark.long
def test_n21_a_run_that_broke_off_in_the_middle_is_run_again(converged: Converged, tmp_path: Path) -> None:
    """N21: a host loses power while a version is installed there. The run says so; the next one makes it whole."""
    converged.cluster.wait_until_whole()
    host, there = converged.cluster.testbed.hosts["node2"], f"/opt/mesos-service/{VERSION}"
    release = make_release(VERSION, tmp_path)
    given = ("--limit", host.name, "-e", f"mesos_common_version={VERSION}", "-e", f"mesos_common_wheelhouse={release}")
    with ThreadPoolExecutor(1) as pool:
        broken = pool.submit(play, converged.inventory, "site", *given, capture=True)
        half = f"test -e {there}/bin/pip && test ! -e {there}/.complete && echo half"
        until("the version is half there", lambda: host.sh(half, check=False), 300.0)
        host.pull_the_plug()
        done = broken.result(300)
    assert done.returncode != 0
    host.start()
    host.wait_until_reachable()
    assert host.sh(half, check=False)
    try:
        again = play(converged.inventory, "site", *given, capture=True)
        assert again.returncode == 0, again.stdout[-4000:]
        assert host.sh("readlink -f /opt/mesos-service/mesos-agent").strip() == there
        converged.cluster.wait_until_whole()
    finally:
        back = play(converged.inventory, "site", "--limit", host.name, capture=True)
        assert back.returncode == 0, back.stdout[-4000:]
        host.sh(f"rm -rf {there}")
    converged.cluster.wait_until_whole()


@pytest.mark.long
def test_m_ag_33_a_hundred_tasks_outlive_the_restart_of_all_agents_at_once(converged: Converged) -> None:
    """M-AG-33: they are the same processes of the same agents, and their framework hears of no end."""
    cluster = converged.cluster
    cluster.wait_until_whole()
    ids = {agent["id"] for agent in cluster.known_agents()}
    with Workload(cluster.zk, 100, needs=Resources.parse("cpus:0.05;mem:8")) as work:
        until("a hundred tasks run", work.all_run, 120.0)
        before = cluster.all_processes(COMMAND)
        assert len(before) == 100
        agents = main_pids(converged)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: host.sh("systemctl restart mesos-agent"), cluster.agents))
        cluster.wait_until_whole()
        assert all(agents[name][1] != pids[1] for name, pids in main_pids(converged).items())
        assert {agent["id"] for agent in cluster.known_agents()} == ids
        assert cluster.all_processes(COMMAND) == before
        assert not work.lost()
    until("their tasks end with their framework", lambda: not cluster.all_processes(COMMAND))


@pytest.mark.long
def test_n21_all_of_it_can_be_taken_away(converged: Converged) -> None:
    """N21: only when it is meant; then nothing is left, and nothing is there to be taken away again."""
    refused = play(converged.inventory, "reset", capture=True)
    assert refused.returncode != 0
    assert "add -e mesos_common_reset=true" in " ".join(refused.stdout.split())
    assert converged.cluster.whole()
    done = play(converged.inventory, "reset", "-e", "mesos_common_reset=true", capture=True)
    assert done.returncode == 0, done.stdout[-4000:]
    assert_nothing_is_left(converged)
    again = play(converged.inventory, "reset", "-e", "mesos_common_reset=true", capture=True)
    assert_nothing_changed(again.stdout, 3)
    back = play(converged.inventory, "site", capture=True)
    assert back.returncode == 0, back.stdout[-4000:]
    converged.cluster.wait_until_whole()
