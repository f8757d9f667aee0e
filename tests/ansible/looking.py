"""What tests ask of a run of the roles, and of the hosts that it made into a cluster."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from tests.ansible.conftest import Converged
from tests.ansible.running import run_ansible
from vagrant.hosts import Host


def counts(output: str) -> dict[str, dict[str, int]]:
    """What the recap of a run says of each host."""
    _, _, recap = output.partition("PLAY RECAP")
    lines = re.findall(r"^(\S+)\s+: (.*)$", recap, flags=re.MULTILINE)
    return {host: {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line)} for host, line in lines}


def assert_nothing_changed(output: str, hosts: int) -> None:
    said = counts(output)
    assert len(said) == hosts, output[-3000:]
    changes = [line for line in output.splitlines() if line.startswith(("changed:", "TASK"))]
    assert all(host["changed"] == 0 and host["failed"] == 0 for host in said.values()), "\n".join(changes)


def active_agents(converged: Converged, folder: Path, **options: object) -> set[str]:
    """The hosts that the dynamic inventory lists, whichever master it has to ask; none where any of them refuses."""
    found = []
    for master in converged.cluster.masters:
        file = folder / "mesos_agents.yml"
        masters = ["127.0.0.1:1", f"{master.address}:5050"]
        file.write_text(yaml.safe_dump({"plugin": "mesos_agents", "masters": masters, **options}))
        done = run_ansible("ansible-inventory", "-i", str(file), "--graph", "mesos_agents_active")
        found.append(set(re.findall(r"--(\w+)$", done.stdout, flags=re.MULTILINE)))
    return set.intersection(*found)


def main_pids(converged: Converged) -> dict[str, list[str]]:
    """Of each host, the processes that are its master and its agent."""
    asked = "systemctl show -p MainPID --value mesos-master mesos-agent"
    return {host.name: host.sh(asked).split() for host in converged.cluster.testbed.hosts.values()}


def assert_secrets_are_kept(host: Host) -> None:
    """Who may read what on a host; tasks of anybody may read whom to believe."""
    listed = host.sh("cd /etc/mesos-service && stat -c '%n %a %U:%G' tls/* *.json *.toml").splitlines()
    assert listed == [
        "tls/ca.pem 644 root:mesos",
        "tls/cert.pem 644 root:mesos",
        "tls/key.pem 640 root:mesos",
        "agent-credential.json 600 root:root",
        "credentials.json 640 root:mesos",
        "agent.toml 640 root:mesos",
        "master.toml 640 root:mesos",
    ]
    assert "BEGIN" in host.sh("runuser -u nobody -- cat /etc/mesos-service/tls/ca.pem")
    for file in ("tls/key.pem", "agent-credential.json", "credentials.json"):
        assert host.sh(f"runuser -u nobody -- cat /etc/mesos-service/{file} 2>/dev/null", check=False) == ""
    assert "s3cret" not in host.sh("journalctl --no-pager; cat /proc/[0-9]*/cmdline | tr '\\0' ' '", check=False)


def assert_nothing_is_left(converged: Converged) -> None:
    """After ``reset``: no file, no table of the firewall and no process."""
    for host in converged.cluster.testbed.hosts.values():
        places = " ".join(
            f"{place}/{name}*"
            for place in ("/opt", "/etc", "/var/lib", "/etc/systemd/system", "/run", "/usr/local/bin")
            for name in ("mesos", "otel")
        )
        assert host.sh(f"ls -d {places}", check=False) == ""
        assert host.sh("nft list tables") == ""
        assert host.sh("pgrep -fa 'mesos[-_]service|otelco[l]'", check=False) == ""
        assert host.sh("getent passwd mesos", check=False) == ""
