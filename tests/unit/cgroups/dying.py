"""An agent that dies at one step of a container's life.

``python -m tests.unit.cgroups.dying ROOT GROUP KIND DEED STEP``:
``KIND`` is what isolates: ``groups``, or ``all`` that there is, with a root file system of an image. ``DEED`` is
``launch`` or ``destroy``, or ``nested`` for the launch of a container in the one that runs already; in which steps are
counted.

Steps are what Python itself audits: files that are opened, made, removed and renamed, groups, sockets. At the
step with that number the process kills itself; 0 is never, and then the number of steps is printed, and the container
left running.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from mesos_service.containers.containerizer import Containerizer, Members
from mesos_service.containers.images import ImageStore
from mesos_service.containers.kept import KeeperLink
from mesos_service.containers.launcher import PosixLauncher
from mesos_service.containers.plan import LaunchPlan
from mesos_service.containers.provisioner import Provisioner, default_backend
from mesos_service.domain.containers import Image, IpcMode, Rlimit, Seccomp, Source, Volume, Wishes
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config

GROUPS = ("cgroups/cpu", "cgroups/mem", "cgroups/pids", "namespaces/pid", "posix/rlimits")
KINDS = {
    "groups": GROUPS,
    "all": (
        *GROUPS, "cgroups/devices", "namespaces/ipc", "linux/capabilities", "linux/nnp", "linux/seccomp", "disk/du",
        "filesystem/linux",
    ),
}  # fmt: skip
STEPS = ("open", "os.", "socket.", "subprocess.")
INSIDE = "/mnt/mesos/sandbox"
IMAGE = Image("busybox")
PROFILE = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["swapon"], "action": "SCMP_ACT_ERRNO"}]}
TREE = ("sh", "-c", "setsid sleep 1000 & sleep 1000 & wait")


def furnish(directory: Path, root_tar: bytes) -> None:
    """What agents of ``all`` that there is need beside their own ``root`` in ``directory``."""
    for name, file, content in (
        ("registry", f"{IMAGE.name}.tar", root_tar),
        ("profiles", "profile.json", json.dumps(PROFILE).encode()),
        ("data", "file", b""),
    ):
        (directory / name).mkdir()
        (directory / name / file).write_bytes(content)


def isolators(root: Path, group: str, kind: str, host: Members) -> list[Isolator]:
    """All of this agent and of the next."""
    made = []
    for name in KINDS[kind]:
        isolator = load(ISOLATORS, name)
        flags: dict[str, object] = {}
        if name.startswith("cgroups/"):
            flags = {"cgroups_root": group, "runtime_dir": root / "runtime"}
        elif name == "linux/seccomp":
            flags = {"seccomp_config_dir": root.parent / "profiles"}
        made.append(isolator(host, read_config(isolator, flags) if isolator.Config else None))
    return made


def images(root: Path) -> ImageStore:
    """Those that an agent has unpacked."""
    store = root / "store"
    store.mkdir(exist_ok=True)
    return ImageStore(root.parent / "registry", store, INSIDE)


def agent(root: Path, group: str, kind: str) -> tuple[Containerizer, KeeperLink]:
    """A containerizer with its keeper."""
    host = Members()
    keeper = KeeperLink(root / "keeper")
    provisioner = None
    if kind == "all":
        provisioner = Provisioner(images(root), root / "provisioner", default_backend(), INSIDE)
    made = isolators(root, group, kind, host)
    return Containerizer(made, PosixLauncher(keeper), host=host, provisioner=provisioner), keeper


def names(group: str) -> tuple[ContainerId, ContainerId]:
    """The container, and the one in it: no others of this machine have these names."""
    return ContainerId(f"{group}.dying"), ContainerId(f"{group}.guest")


def plan(root: Path, kind: str, container_id: ContainerId, parent: ContainerId | None = None) -> LaunchPlan:
    """What is launched: a tree of processes."""
    sandbox = root / container_id
    sandbox.mkdir(exist_ok=True)
    wishes = Wishes()
    if kind == "all":
        volumes = (
            Volume(source=Source.HOST, path=str(root.parent / "data"), container_path="/data"),
            Volume(source=Source.SANDBOX, path="own", container_path="/tmp", read_only=True),
        )
        wishes = Wishes(
            image=IMAGE,
            volumes=volumes,
            ipc_mode=IpcMode.PRIVATE,
            shm_megabytes=1,
            rlimits=(Rlimit("NOFILE", 100, 100),),
            bounding_capabilities=frozenset({"KILL", "SYS_CHROOT"}),
            seccomp=Seccomp("profile.json"),
        )
    if parent is not None:
        wishes = Wishes(seccomp=wishes.seccomp)
    return LaunchPlan(
        container_id=container_id,
        argv=TREE,
        environment={"PATH": "/usr/bin:/bin"},
        sandbox=sandbox,
        resources=Resources.scalars(cpus=0.1, mem=32),
        parent=parent,
        directory=INSIDE if kind == "all" else None,
        wishes=wishes,
        survives=parent is None,
    )


async def die(root: Path, group: str, kind: str, deed: str, step: int) -> None:
    """Launch or destroy, and count."""
    containerizer, _ = agent(root, group, kind)
    await containerizer.recover([])
    container, guest = names(group)
    what = plan(root, kind, container)
    steps = 0
    if kind == "all":
        await images(root).get(IMAGE)
    if deed != "launch":
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
        await containerizer.destroy(container)
    elif deed == "nested":
        await containerizer.launch(plan(root, kind, guest, container))
    else:
        await containerizer.launch(what)
    counting = False
    print(steps, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(die(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5])))
