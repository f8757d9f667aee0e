"""A cluster gets TLS and credentials where it stands, and all that is done to one is done to it (M-SE-16, M-SE-18).

The tests are in the order of such a cluster's life; the last takes it away.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.ansible.conftest import Converged
from tests.ansible.looking import (
    active_agents,
    assert_nothing_changed,
    assert_nothing_is_left,
    assert_secrets_are_kept,
    main_pids,
)
from tests.support.certificates import Authority
from vagrant.cluster import until
from vagrant.releases import VERSION, make_release
from vagrant.testbed import play

pytestmark = pytest.mark.long

MESOS_SERVICE = Path(sys.executable).with_name("mesos-service")
SECRETS = {"ops": "s3cret-of-ops", "agents": "s3cret-of-agents"}
COLLECTOR = Path(__file__).with_name("collector.py")
"""Stands in for a collector, of which no platform has a package: it checks and reads its configuration, serves with the
certificate that this names, and tells its log of who sent how much, and whether a secret came along."""


@dataclass(frozen=True)
class Secured:
    """A cluster with TLS and credentials, and what somebody needs to be let in."""

    converged: Converged
    authority: Authority
    variables: Path
    environment: dict[str, str]
    """Of whoever knows whom to believe and has a secret."""

    def play(self, playbook: str, *arguments: str) -> str:
        """Run it with the variables of the secured cluster; what it prints."""
        done = play(self.converged.inventory, playbook, "-e", f"@{self.variables}", *arguments, capture=True)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        assert not [secret for secret in SECRETS.values() if secret in done.stdout]
        return done.stdout

    def command(self, *command: str) -> list[str]:
        """``mesos-service run`` of a command, whoever leads."""
        return [str(MESOS_SERVICE), "run", "--master", self.converged.cluster.zk, "--", *command]


@pytest.fixture(scope="module")
def secured(converged: Converged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Certificates of an authority of its own, and a secret for everybody; afterwards the cluster has neither."""
    folder = tmp_path_factory.mktemp("secured")
    authority = Authority(folder)
    for host in converged.cluster.testbed.hosts.values():
        authority.vouch_for(host.name, f"IP:{host.address}")
    variables = folder / "variables.yml"
    content = {
        "mesos_common_tls_cert": f"{folder}/{{{{ inventory_hostname }}}}.pem",
        "mesos_common_tls_key": f"{folder}/{{{{ inventory_hostname }}}}.key",
        "mesos_common_tls_ca": str(authority.ca_file),
        "mesos_common_credentials": [{"principal": name, "secret": one} for name, one in SECRETS.items()],
    }
    variables.write_text(yaml.safe_dump(content))
    credential = folder / "ops"
    credential.write_text(f"ops {SECRETS['ops']}\n")
    known = {"MESOS_SSL_CA_FILE": str(authority.ca_file), "MESOS_CREDENTIAL": str(credential)}
    converged.cluster.wait_until_whole()
    try:
        one = Secured(converged, authority, variables, {**os.environ, **known})
        one.play("site", "--diff")
        yield one
    finally:
        back = play(converged.inventory, "site", capture=True)
        assert back.returncode == 0, back.stdout[-4000:]
        converged.cluster.wait_until_whole()


def test_m_se_16_m_se_18_a_cluster_is_secured_where_it_stands(secured: Secured) -> None:
    """A second run changes nothing, the hosts keep what is secret, and who has none is not let in."""
    assert_nothing_changed(secured.play("site"), 3)
    assert_secrets_are_kept(secured.converged.cluster.testbed.hosts["node1"])
    secured.play("verify")
    stranger = {name: value for name, value in secured.environment.items() if name != "MESOS_CREDENTIAL"}
    master = f"{secured.converged.cluster.masters[0].address}:5050"
    for environment, let_in in ((secured.environment, True), (stranger, False), (dict(os.environ), False)):
        command = [str(MESOS_SERVICE), "run", "--timeout", "30secs", "--master", master, "--", "true"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=environment)
        assert (done.returncode == 0) == let_in, done.stderr


def test_n21_the_agents_of_a_secured_cluster_are_an_inventory(secured: Secured, tmp_path: Path) -> None:
    ca_path = str(secured.authority.ca_file)
    asked = {"tls": True, "ca_path": ca_path, "principal": "ops", "secret": SECRETS["ops"]}
    names = {host.name for host in secured.converged.cluster.agents}
    assert active_agents(secured.converged, tmp_path, **asked) == names


def test_m_se_16_a_new_certificate_restarts_nothing(secured: Secured) -> None:
    """What connects from then on is shown the new one; check mode has nothing to say afterwards."""
    before = main_pids(secured.converged)
    host = secured.converged.cluster.testbed.hosts["node1"]
    renewed = secured.authority.vouch_for(host.name, f"IP:{host.address}")
    secured.play("site", "--limit", host.name)
    assert main_pids(secured.converged) == before
    new = ssl.PEM_cert_to_DER_cert(renewed.cert_file.read_text())
    for port in (5050, 5051):
        assert ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((host.address, port), timeout=10)) == new
    assert_nothing_changed(secured.play("site", "--check", "--limit", host.name), 1)


def test_m_ha_14_a_secured_cluster_is_upgraded_and_taken_back_under_a_task(secured: Secured, tmp_path: Path) -> None:
    """M-HA-14: the task ends as itself, after both, and its framework never had to be told anything again."""
    hosts = secured.converged.cluster.testbed.hosts.values()
    release = make_release(VERSION, tmp_path)
    old = str(secured.converged.cluster.testbed.topology.variables["mesos_common_version"])
    awaited = f"/tmp/over-{os.getpid()}"
    waiting = f"until test -e {awaited}; do sleep 0.2; done"
    command = secured.command("sh", "-c", f"echo begun; {waiting}; echo ended as it should")
    task = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=secured.environment)
    try:
        asked = f"pgrep -fc '[s]h -c echo begun; until test -e {awaited}'"
        until("the task runs", lambda: any(int(host.sh(asked, check=False) or 0) for host in hosts))
        for version, wheelhouse in ((VERSION, ["-e", f"mesos_common_wheelhouse={release}"]), (old, [])):
            secured.play("upgrade", "-e", f"mesos_common_version={version}", *wheelhouse)
            for host in hosts:
                links = host.sh("readlink /opt/mesos-service/mesos-master /opt/mesos-service/mesos-agent").split()
                assert links == [f"/opt/mesos-service/{version}"] * 2
        secured.play("verify")
        for host in hosts:
            host.sh(f"touch {awaited}")
        out, err = task.communicate(timeout=60)
        assert task.returncode == 0, err
        assert out.split("\n")[:2] == ["begun", "ended as it should"], out
    finally:
        task.kill()
        task.wait()
        for host in hosts:
            host.sh(f"rm -f {awaited}; rm -rf /opt/mesos-service/{VERSION}")


def test_m_se_16_a_collector_of_an_archive_serves_with_the_clusters_certificate(
    secured: Secured, tmp_path: Path
) -> None:
    """Masters and agents send it spans, and their secret to nobody; a second run changes nothing."""
    archive = tmp_path / "collector.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(COLLECTOR, "otelcol")
    chosen = tmp_path / "collector.yml"
    content = {
        "otel_collector_backend": "archive",
        "otel_collector_archive": str(archive),
        "otel_collector_version": "1.0",
        "otel_collector_checksum": hashlib.sha256(archive.read_bytes()).hexdigest(),
    }
    chosen.write_text(yaml.safe_dump(content))
    secured.play("site", "-e", f"@{chosen}")
    assert_nothing_changed(secured.play("site", "-e", f"@{chosen}"), 3)
    secured.play("verify", "-e", f"@{chosen}")
    cluster = secured.converged.cluster
    (host,) = (host for host in cluster.testbed.hosts.values() if "otel_collector" in host.machine.groups)

    def senders() -> set[str]:
        said = host.sh("journalctl -u otel-collector -o cat --no-pager")
        lines = [line.split() for line in said.splitlines() if line.startswith("took ")]
        assert not [line for line in lines if line[-1] != "anonymous"]
        return {line[1] for line in lines if int(line[2]) > 100}

    def traced() -> bool:
        with suppress(subprocess.TimeoutExpired):
            subprocess.run(
                secured.command("true"), capture_output=True, timeout=30, check=True, env=secured.environment
            )
        # The one that leads is among them; whichever agent ran the task is, too.
        return len(senders()) > 1

    until("a master and an agent send spans", traced, 120.0)
    secured.play("site")
    secured.play("verify")


def test_n21_a_secured_cluster_is_taken_away(secured: Secured) -> None:
    secured.play("reset", "-e", "mesos_common_reset=true")
    assert_nothing_is_left(secured.converged)
    assert_nothing_changed(secured.play("reset", "-e", "mesos_common_reset=true"), 3)
