"""The testbed's machines as ``topology.yml`` names them, and the Ansible inventory that follows from them."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import yaml

USER: Final = "vagrant"
"""Who logs in on every machine; may become root."""
SUITES: Final = {"bookworm": "3.11", "trixie": "3.13", "noble": "3.12"}
"""The platforms that machines can be of, as ``vagrant/box/build`` calls them, each with the version of its Python."""
DEFAULT: Final = Path(__file__).with_name("topology.yml")


USUAL: Final = "bookworm"
"""The platform of machines of which nothing else is said."""


class TopologyMistake(Exception):
    """What is written cannot be built; the text says what to change."""


@dataclass(frozen=True, slots=True)
class Machine:
    """One host: its memory in megabytes, its groups of the inventory, and its platform, one of ``SUITES``."""

    name: str
    address: str
    memory_mb: int
    groups: tuple[str, ...]
    suite: str


@dataclass(frozen=True, slots=True)
class Topology:
    """All hosts, by name, on one bridge. ``variables`` are those of all hosts in the inventory."""

    name: str
    network: ipaddress.IPv4Network
    machines: Mapping[str, Machine]
    variables: Mapping[str, object]

    @property
    def gateway(self) -> str:
        """The bridge's own address: the computer's side of the network."""
        return str(self.network.network_address + 1)

    def moved(self, name: str, network: str) -> Topology:
        """The same machines under another name and in another /24, so that two testbeds do not meet."""
        there = ipaddress.IPv4Network(network)
        first, old = int(there.network_address), int(self.network.network_address)
        machines = {
            machine.name: replace(
                machine, address=str(ipaddress.IPv4Address(first + int(ipaddress.IPv4Address(machine.address)) - old))
            )
            for machine in self.machines.values()
        }
        return replace(self, name=name, network=there, machines=machines)

    def of(self, *suites: str) -> Topology:
        """The same machines, of other platforms: in turns where several are given."""
        each = zip(self.machines.values(), itertools.cycle(suites), strict=False)
        return replace(self, machines={machine.name: replace(machine, suite=suite) for machine, suite in each})

    def inventory(self, key: Path, *, variables: Mapping[str, object] | None = None) -> dict[str, object]:
        """An inventory for Ansible, as the value of a YAML file. ``key`` is the private key to log in with."""
        hosts = {
            machine.name: {"ansible_host": machine.address, "mesos_common_address": machine.address}
            for machine in self.machines.values()
        }
        groups = sorted({group for machine in self.machines.values() for group in machine.groups})
        return {
            "all": {
                "hosts": hosts,
                "vars": {
                    "ansible_user": USER,
                    "ansible_ssh_private_key_file": str(key),
                    "ansible_python_interpreter": "/usr/bin/python3",
                    # The machines are made anew each time, at the same addresses.
                    "ansible_ssh_common_args": "-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no"
                    " -o LogLevel=ERROR",
                    **self.variables,
                    **(variables or {}),
                },
                "children": {
                    group: {
                        "hosts": {machine.name: {} for machine in self.machines.values() if group in machine.groups}
                    }
                    for group in groups
                },
            }
        }


def read(path: Path = DEFAULT) -> Topology:
    """Read a topology.

    Raises:
        TopologyMistake: it is no topology, or an address is not in its network.
    """
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    try:
        network = ipaddress.IPv4Network(content["network"])
        usual = str(content.get("suite", USUAL))
        machines = {name: _machine(str(name), given, network, usual) for name, given in content["machines"].items()}
        return Topology(str(content["name"]), network, machines, content.get("vars") or {})
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TopologyMistake(f"{path}: {type(error).__name__}: {error}") from error


# Any: what a YAML file holds is known when it has been read.
def _machine(name: str, given: Any, network: ipaddress.IPv4Network, usual: str) -> Machine:
    address = ipaddress.IPv4Address(given["address"])
    if address not in network or address in (network.network_address + 1, network.broadcast_address):
        raise ValueError(f"{name}: {address} is not a machine's address in {network}")
    suite = str(given.get("suite", usual))
    if suite not in SUITES:
        raise ValueError(f"{name}: there is no box of '{suite}', only of {', '.join(SUITES)}")
    return Machine(name, str(address), int(given["memory_mb"]), tuple(given["groups"]), suite)
