"""What a machine has to offer, where ``--resources`` does not say (M-AG-18; Mesos docs, "Attributes and resources").

Memory and disk leave something to the machine itself: 1 GB of memory and 5 GB of disk, or half of it where there is
little. What cannot be found out falls back to 1 cpu, 1 GB of memory and 10 GB of disk. GPUs are never guessed.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesos_service.domain.resource import Resource
from mesos_service.domain.resources import Resources
from mesos_service.domain.resources_text import parse_resources

_GB: Final = 1024**3
_MB: Final = 1024**2
FALLBACK_CPUS: Final = 1
FALLBACK_MEMORY_MB: Final = 1024
FALLBACK_DISK_MB: Final = 10 * 1024
PORTS: Final = "[31000-32000]"


@dataclass(frozen=True, slots=True)
class Machine:
    """What was measured; ``None`` where it could not be. Memory and disk in bytes."""

    cpus: int | None
    memory_bytes: int | None
    disk_bytes: int | None


def measure(work_dir: Path) -> Machine:
    """Look at this machine; disk is that of the file system which holds ``work_dir`` (or will hold it)."""
    existing = next((path for path in (work_dir, *work_dir.absolute().parents) if path.exists()), Path("/"))
    try:
        disk = shutil.disk_usage(existing).total
    except OSError:
        disk = None
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (OSError, ValueError):
        memory = 0
    return Machine(os.cpu_count(), memory if memory > 0 else None, disk)


def offered_memory_mb(total_bytes: int | None) -> int:
    """Megabytes of memory to offer on a machine with ``total_bytes``: all but 1 GB, or half below 2 GB."""
    if total_bytes is None:
        return FALLBACK_MEMORY_MB
    return (total_bytes - _GB if total_bytes >= 2 * _GB else total_bytes // 2) // _MB


def offered_disk_mb(total_bytes: int | None) -> int:
    """Megabytes of disk to offer on a file system of ``total_bytes``: all but 5 GB, or half below 10 GB."""
    if total_bytes is None:
        return FALLBACK_DISK_MB
    return (total_bytes - 5 * _GB if total_bytes >= 10 * _GB else total_bytes // 2) // _MB


def complete(flag: str, default_role: str, machine: Machine) -> Resources:
    """The total of an agent: what ``--resources`` says, and ``machine``'s part for each kind it does not name.

    ``cpus:0`` names cpus, so none are offered. Raises ``ConfigurationError`` for text that is not lawful.
    """
    given = parse_resources(flag, default_role)
    named = {resource.key.name for resource in given}
    detected = {
        "cpus": machine.cpus or FALLBACK_CPUS,
        "mem": offered_memory_mb(machine.memory_bytes),
        "disk": offered_disk_mb(machine.disk_bytes),
        "ports": PORTS,
    }
    text = ";".join(f"{name}:{amount}" for name, amount in detected.items() if name not in named)
    found: tuple[Resource, ...] = parse_resources(text, default_role)
    return Resources(resource for resource in (*given, *found) if resource.value)
