"""The testbed without Vagrant: ``python -m vagrant.testbed up | converge | ssh NAME | inventory | network | down``."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import yaml

from vagrant.hosts import Testbed, TestbedFault
from vagrant.topology import DEFAULT, TopologyMistake, read

ROOT: Final = Path(__file__).resolve().parent.parent
ANSIBLE: Final = ROOT / "ansible"
STATE: Final = ROOT / ".cache" / "testbed" / "state"


def write_inventory(testbed: Testbed, wheelhouse: Path | None = None) -> Path:
    """The inventory of the testbed, beside its other files; hosts install from ``wheelhouse``, or that of ``dist/``."""
    path = testbed.directory / "inventory.yml"
    version = str(testbed.topology.variables["mesos_common_version"])
    wheelhouse = wheelhouse or ROOT / "dist" / f"mesos-service-{version}-wheelhouse.tar"
    content = testbed.topology.inventory(testbed.key, variables={"mesos_common_wheelhouse": str(wheelhouse)})
    path.write_text(yaml.safe_dump(content, sort_keys=False, width=120), encoding="utf-8")
    return path


def play(inventory: Path, playbook: str, *arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Run one of ``ansible/playbooks`` with the Ansible of this interpreter's environment."""
    environment = {**os.environ, "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"), "ANSIBLE_NOCOWS": "1"}
    program = Path(sys.executable).with_name("ansible-playbook")
    command = [str(program), "-i", str(inventory), str(ANSIBLE / "playbooks" / f"{playbook}.yml"), *arguments]
    return subprocess.run(command, env=environment, cwd=ANSIBLE, text=True, check=False, capture_output=capture)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vagrant.testbed", description=__doc__)
    parser.add_argument("--topology", type=Path, default=DEFAULT)
    parser.add_argument("--state", type=Path, default=STATE, help="where machines and keys are kept")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("up", help="make and boot the machines")
    commands.add_parser("down", help="end and remove them")
    commands.add_parser("inventory", help="print the path of their inventory")
    network = commands.add_parser("network", help="only the bridge between them, as Vagrant's lxc provider wants it")
    network.add_argument("wanted", choices=["up", "down"], help="down removes it unless a machine is on it")
    ssh = commands.add_parser("ssh", help="log in on one, or run a command there")
    ssh.add_argument("name")
    ssh.add_argument("rest", nargs=argparse.REMAINDER)
    converge = commands.add_parser("converge", help="run a playbook on them: site, verify, upgrade, reset")
    converge.add_argument("playbook", nargs="?", default="site")
    converge.add_argument("rest", nargs=argparse.REMAINDER)
    given = parser.parse_args(arguments)
    try:
        testbed = Testbed(read(given.topology), given.state)
        return _perform(testbed, given)
    except (TestbedFault, TopologyMistake) as fault:
        print(f"testbed: {fault}", file=sys.stderr)
        return 1


def _perform(testbed: Testbed, given: argparse.Namespace) -> int:
    match given.command:
        case "up":
            testbed.up()
            print(write_inventory(testbed))
        case "down":
            testbed.down()
        case "network":
            if given.wanted == "up":
                testbed.make_bridge()
            else:
                testbed.remove_bridge(unless_used=True)
        case "inventory":
            print(write_inventory(testbed))
        case "ssh":
            if given.name not in testbed.hosts:
                raise TestbedFault(f"there is no machine '{given.name}', only {', '.join(testbed.hosts)}")
            return subprocess.run(testbed.hosts[given.name].ssh_command(*given.rest), check=False).returncode
        case "converge":
            return play(write_inventory(testbed), given.playbook, *given.rest).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
