"""Whom a run of site.yml goes on without when a host fails in the middle, and whom not (N21).

The playbook is the real one; its roles are stand-ins that note who did what, and fail where they are told to.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

from tests.ansible.looking import counts
from tests.ansible.running import ANSIBLE, ROLES, run_ansible

HOSTS = {
    "zookeeper": ("core1", "core2", "core3"),
    "mesos_masters": ("core1", "core2", "core3"),
    "postgresql": ("data",),
    "otel_collector": ("traces",),
    "prometheus": ("watch",),
    "mesos_agents": ("agent1", "agent2", "core3"),
}
PLAYED = {
    (group.removesuffix("s") if "mesos" in group else group, host) for group, hosts in HOSTS.items() for host in hosts
}
DONE = {("mesos_common", host) for hosts in HOSTS.values() for host in hosts} | PLAYED


class Site:
    """A site of hosts that are all this machine."""

    def __init__(self, folder: Path) -> None:
        self.log, self.inventory, self.roles = folder / "log", folder / "hosts.yml", folder / "roles"
        for role in ROLES:
            for tasks in ("preflight", "facts"):
                self._write(role.name, tasks, [])
            # The roles' own order: what is done by all hosts, then what may fail on one of them.
            fail: dict[str, object] = {
                "ansible.builtin.fail": {"msg": "broken"},
                "when": f"fails == inventory_hostname ~ ' {role.name}'",
            }
            note: dict[str, object] = {
                "ansible.builtin.lineinfile": {
                    "path": str(self.log),
                    "line": f"{role.name} {{{{ inventory_hostname }}}}",
                    "create": True,
                    "mode": "0644",
                },
                "throttle": 1,
            }
            self._write(role.name, "main", [fail, note])
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
        children = {group: {"hosts": dict.fromkeys(hosts, None)} for group, hosts in HOSTS.items()}
        self.inventory.write_text(yaml.safe_dump({"all": {"vars": local, "children": children}}))

    def _write(self, role: str, tasks: str, content: list[dict[str, object]]) -> None:
        file = self.roles / role / "tasks" / f"{tasks}.yml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content))

    def run(self, fails: str = "") -> tuple[int, set[tuple[str, str]], str]:
        """The exit status, who has done what in all runs until now, and what was said."""
        done = run_ansible(
            "ansible-playbook", "-i", str(self.inventory), "-e", json.dumps({"fails": fails}),
            str(ANSIBLE / "playbooks" / "site.yml"), ANSIBLE_ROLES_PATH=str(self.roles),
        )  # fmt: skip
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return done.returncode, {(role, host) for role, host in map(str.split, lines)}, done.stdout


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.mark.parametrize(
    ("host", "role", "untouched"),
    [
        pytest.param(
            "core2",
            "mesos_common",
            {"zookeeper", "postgresql", "mesos_master", "mesos_agent", "prometheus"},
            marks=pytest.mark.long,
        ),
        pytest.param(
            "core2",
            "zookeeper",
            {"postgresql", "mesos_master", "mesos_agent", "prometheus", "otel_collector"},
            marks=pytest.mark.long,
        ),
        pytest.param(
            "data",
            "postgresql",
            {"mesos_master", "mesos_agent", "prometheus", "otel_collector"},
            marks=pytest.mark.long,
        ),
        ("core2", "mesos_master", {"mesos_agent", "prometheus", "otel_collector"}),
    ],
)
def test_n21_nothing_is_done_after_a_host_that_others_decide_by_has_failed(
    site: Site, host: str, role: str, untouched: set[str]
) -> None:
    """Not even the rest of its own role on the other hosts."""
    status, did, said = site.run(f"{host} {role}")
    assert status != 0
    assert not {name for name, _ in did} & {*untouched, role}, said


@pytest.mark.parametrize(
    ("host", "role", "missing"),
    [
        pytest.param(
            "agent2", "mesos_common", {("mesos_common", "agent2"), ("mesos_agent", "agent2")}, marks=pytest.mark.long
        ),
        pytest.param("agent2", "mesos_agent", {("mesos_agent", "agent2")}, marks=pytest.mark.long),
        # It is a master too, and has done its part as one.
        ("core3", "mesos_agent", {("mesos_agent", "core3")}),
        # Ansible ends with a play that no host is left of, so whoever watches comes last.
        pytest.param(
            "traces", "otel_collector", {("otel_collector", "traces"), ("prometheus", "watch")}, marks=pytest.mark.long
        ),
    ],
)
def test_n21_the_cluster_goes_on_without_an_agent_or_whoever_watches(
    site: Site, host: str, role: str, missing: set[tuple[str, str]]
) -> None:
    """The run fails all the same, and says who; the next one does what is left."""
    status, did, said = site.run(f"{host} {role}")
    assert status != 0
    assert did == DONE - missing, said
    assert [name for name, count in counts(said).items() if count["failed"]] == [host]
    status, did, said = site.run()
    assert (status, did) == (0, DONE), said
