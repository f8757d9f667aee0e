"""An agent that dies at one step of a container's life: ``python -m tests.unit.cgroups.dying ROOT GROUP DEED STEP``.

``DEED`` is ``launch`` or ``destroy``, in which steps are counted.

Steps are what Python itself audits: files that are opened, made, removed and renamed, groups, sockets. At the
step with that number the process kills itself; 0 is never, and then the number of steps is printed, and the container
left running.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

from mesos_service.containers.containerizer import Containerizer, Members
from mesos_service.containers.kept import KeeperLink
from mesos_service.containers.launcher import PosixLauncher
from mesos_service.containers.plan import LaunchPlan
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config

NAMES = ("cgroups/cpu", "cgroups/mem", "cgroups/pids", "namespaces/pid", "posix/rlimits")
STEPS = ("open", "os.", "socket.", "subprocess.")
CONTAINER = ContainerId("dying")


def isolators(root: Path, group: str, host: Members) -> list[Isolator]:
    """All of this agent and of the next."""
    made = []
    for name in NAMES:
        kind = load(ISOLATORS, name)
        flags = {"cgroups_root": group, "runtime_dir": root / "runtime"} if name.startswith("cgroups/") else {}
        made.append(kind(host, read_config(kind, flags) if kind.Config else None))
    return made


def agent(root: Path, group: str) -> tuple[Containerizer, KeeperLink]:
    """A containerizer with its keeper."""
    host = Members()
    keeper = KeeperLink(root / "keeper")
    return Containerizer(isolators(root, group, host), PosixLauncher(keeper), host=host), keeper


def plan(root: Path) -> LaunchPlan:
    """What is launched: a tree of processes."""
    sandbox = root / "sandbox"
    sandbox.mkdir(exist_ok=True)
    return LaunchPlan(
        container_id=CONTAINER,
        argv=("/bin/sh", "-c", "setsid sleep 1000 & sleep 1000 & wait"),
        environment={"PATH": "/usr/bin:/bin"},
        sandbox=sandbox,
        resources=Resources.scalars(cpus=0.1, mem=32),
        survives=True,
    )


async def die(root: Path, group: str, deed: str, step: int) -> None:
    """Launch or destroy, and count."""
    containerizer, _ = agent(root, group)
    await containerizer.recover([])
    what = plan(root)
    steps = 0
    if deed == "destroy":
        await containerizer.launch(what)
    counting = True

    def count(event: str, _: object) -> None:
        nonlocal steps
        if counting and event.startswith(STEPS):
            steps += 1
            if steps == step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    if deed == "destroy":
        await containerizer.destroy(CONTAINER)
    else:
        await containerizer.launch(what)
    counting = False
    print(steps, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(die(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))
