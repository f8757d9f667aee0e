"""What each role promises is written once and true: its variables, its order, its page; and all of it lints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from scripts.role_readmes import readme
from tests.ansible.running import ANSIBLE, ROLES, run_ansible
from tests.house.source import place
from vagrant import hosts
from vagrant.topology import TopologyMistake, read

PLAYBOOKS = sorted((ANSIBLE / "playbooks").glob("*.yml"))
ORDER = ["preflight", "install", "configure", "service", "verify"]


def test_the_collection_passes_the_production_profile() -> None:
    done = run_ansible("ansible-lint", "--offline", "--profile", "production")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=place)
def test_playbooks_parse(playbook: Path) -> None:
    done = run_ansible("ansible-playbook", "-i", "inventories/example", "--syntax-check", str(playbook))
    assert done.returncode == 0, done.stderr
    warnings = [line for line in done.stderr.splitlines() if "[WARNING]" in line]
    # upgrade.yml makes its two groups of masters when it runs.
    assert not [line for line in warnings if "Could not match supplied host pattern" not in line], done.stderr


@pytest.mark.parametrize("role", ROLES, ids=place)
def test_the_arguments_of_a_role_equal_its_defaults(role: Path) -> None:
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    options = specs["argument_specs"]["main"]["options"]
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert {name: option["default"] for name, option in options.items()} == defaults
    assert all(option["description"] and option["type"] for option in options.values())


@pytest.mark.parametrize("role", ROLES, ids=place)
def test_variables_carry_the_name_of_their_role(role: Path) -> None:
    """A variable of another role is one that this role may set for it, or that the other computes for all."""
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert not [name for name in defaults if not name.startswith(f"{role.name}_")]
    for file in (role / "vars").glob("*.yml"):
        names = yaml.safe_load(file.read_text(encoding="utf-8"))
        assert not [name for name in names if not name.removeprefix("__").startswith(f"{role.name}_")]


@pytest.mark.parametrize("role", ROLES, ids=place)
def test_every_role_reads_in_one_order(role: Path) -> None:
    tasks = yaml.safe_load((role / "tasks" / "main.yml").read_text(encoding="utf-8"))
    files = [
        task.get("ansible.builtin.import_tasks", task.get("ansible.builtin.include_tasks")).removesuffix(".yml")
        for task in tasks
    ]
    assert files == [name for name in ORDER if name in files]
    # A master and an agent are installed by mesos_common.
    assert {"preflight", "configure", "verify"} <= set(files)


@pytest.mark.parametrize("role", ROLES, ids=place)
def test_the_page_of_a_role_is_made_from_its_arguments(role: Path) -> None:
    page = role / "README.md"
    assert page.exists(), "run `make docs`"
    assert page.read_text(encoding="utf-8") == readme(role), "run `make docs`"


@pytest.mark.parametrize("role", ROLES, ids=place)
def test_secrets_have_no_default(role: Path) -> None:
    defaults = yaml.safe_load((role / "defaults" / "main.yml").read_text(encoding="utf-8"))
    assert not [name for name, value in defaults.items() if re.search("password|secret|token", name) and value]


def test_the_version_is_the_one_of_the_software() -> None:
    import mesos_service

    galaxy = yaml.safe_load((ANSIBLE / "galaxy.yml").read_text(encoding="utf-8"))
    assert galaxy["version"] == mesos_service.__version__
    assert read().variables["mesos_common_version"] == mesos_service.__version__


def test_a_topology_that_cannot_be_built_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "topology.yml"
    file.write_text("name: x\nnetwork: 10.1.0.0/24\nmachines: {a: {address: 10.2.0.1, memory_mb: 1, groups: []}}\n")
    with pytest.raises(TopologyMistake, match="is not a machine's address"):
        read(file)
    file.write_text("name: x\n")
    with pytest.raises(TopologyMistake, match="network"):
        read(file)


def test_a_program_that_the_testbed_lacks_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(hosts.TestbedFault, match=r"^lxc-start is not installed: apt-get install lxc mmdebstrap "):
        hosts.run("lxc-start", "-n", "node1")


def test_a_topology_moves_as_a_whole() -> None:
    moved = read().moved("other", "10.99.3.0/24")
    assert [machine.address for machine in moved.machines.values()] == ["10.99.3.11", "10.99.3.12", "10.99.3.13"]
    assert moved.gateway == "10.99.3.1"
