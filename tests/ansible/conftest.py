"""Three hosts of their own for the tests, on a bridge that no other testbed has, and a cluster on them."""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.house.source import ROOT
from tests.support.real_parts import missing_part
from vagrant.cluster import Cluster
from vagrant.hosts import Testbed
from vagrant.testbed import play, write_inventory
from vagrant.topology import Topology, read


@dataclass(frozen=True)
class Converged:
    """A cluster that the roles have made of bare hosts, and how long that took."""

    cluster: Cluster
    inventory: Path
    seconds: float


def why_no_hosts() -> str | None:
    """What is missing for hosts on this machine; ``None`` where nothing is."""
    if os.geteuid() != 0:
        return "making them takes root"
    missing = [program for program in ("lxc-start", "mmdebstrap", "iptables", "ssh") if shutil.which(program) is None]
    return f"{', '.join(missing)} not installed" if missing else None


def free_topology() -> Topology:
    """The testbed's machines, in a network that this computer knows nothing of yet, under a name of its own.

    One process may have several clusters at a time, so the process alone does not name one.
    """
    routes = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, check=True).stdout
    taken = [ipaddress.IPv4Interface(line.split()[3]).network for line in routes.splitlines()]
    for number in range(os.getpid() % 200 + 20, 250):
        network = ipaddress.IPv4Network(f"10.78.{number}.0/24")
        if not any(network.overlaps(other) for other in taken):
            return read().moved(f"t{os.getpid()}n{number}", str(network))
    raise AssertionError("no network of 10.78.0.0/16 is free")


@pytest.fixture(scope="session")
def wheelhouse() -> None:
    """``dist/`` holds what is in this checkout now. Workers of one run take turns at it."""
    (ROOT / "dist").mkdir(exist_ok=True)
    with (ROOT / "dist" / ".turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", "wheel"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run([str(ROOT / "scripts" / "wheelhouse.sh")], cwd=ROOT, check=True, capture_output=True)


@contextlib.contextmanager
def cluster_of(topology: Topology, house: Path | None = None) -> Iterator[Converged]:
    """The first run of site.yml on bare hosts, from the wheelhouse of ``dist/`` or another one."""
    if (why := why_no_hosts()) is not None:
        missing_part(f"LXC hosts ({why})")
    # Not under pytest's own directory, of which it keeps the last three: a host is large.
    directory = Path(tempfile.mkdtemp(prefix="mesos-hosts-"))
    testbed = Testbed(topology, directory)
    try:
        testbed.up()
        start = time.monotonic()
        inventory = write_inventory(testbed, house)
        done = play(inventory, "site", capture=True)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        yield Converged(Cluster(testbed), inventory, time.monotonic() - start)
    finally:
        testbed.down()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def converged(wheelhouse: None) -> Iterator[Converged]:
    """A cluster of the testbed's topology."""
    with cluster_of(free_topology()) as cluster:
        yield cluster
