"""Shares this machine out to several agents, so that together they do not offer more than there is."""

from __future__ import annotations

from typing import Final

from mesos_service.agent.detection import FALLBACK_CPUS, Machine, offered_disk_mb, offered_memory_mb
from mesos_service.domain.resources_text import parse_resources
from mesos_service.domain.values import format_milli

PORTS_FIRST: Final = 31000
PORTS_LAST: Final = 32000
CPUS_MILLI_MIN: Final = 1000
"""However many agents there are, each offers this much: a laptop's cluster is there to be tried, not to be fair."""


def complete_share(resources: str, index: int, agents: int, machine: Machine) -> str:
    """``resources`` of agent ``index`` of ``agents``, and its share of the machine for each kind it does not name.

    ``resources`` is text as in ``cpus:4;mem:4096``. Port ranges do not overlap. Raises ``ConfigurationError`` for
    text that is not lawful.
    """
    named = {resource.name for resource in parse_resources(resources)}
    count = PORTS_LAST - PORTS_FIRST + 1
    first = PORTS_FIRST + index * count // agents
    last = PORTS_FIRST + (index + 1) * count // agents - 1
    shares = {
        "cpus": format_milli(max((machine.cpus or FALLBACK_CPUS) * 1000 // agents, CPUS_MILLI_MIN)),
        "mem": str(offered_memory_mb(machine.memory_bytes) // agents),
        "disk": str(offered_disk_mb(machine.disk_bytes) // agents),
        "ports": f"[{first}-{last}]",
    }
    missing = [f"{name}:{amount}" for name, amount in shares.items() if name not in named]
    return ";".join([*([resources.strip(" ;")] if resources.strip(" ;") else []), *missing])
