"""A containerizer with real processes, and what was heard from it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from mesos_service.containers import keeper
from mesos_service.containers.containerizer import Containerizer, Members
from mesos_service.containers.kept import KeeperLink
from mesos_service.containers.launcher import PosixLauncher
from mesos_service.containers.plan import LaunchPlan, Streams, UriSpec
from mesos_service.containers.processes import read_stat
from mesos_service.containers.provisioner import Provisioner
from mesos_service.domain.containers import NOTHING, Wishes
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import Isolator, Limitation
from tests.support.waiting import PATIENCE

Result = TypeVar("Result")
Body = Coroutine[Any, Any, Result]  # Any: what a coroutine yields and takes is the event loop's business.
Run = Callable[[Body[None]], None]

SECONDS_MAX = 60.0 * PATIENCE
RESOURCES = Resources.scalars(cpus=1, mem=32)
SHELL = "/bin/sh"


def cid(name: str) -> ContainerId:
    """The container's id: no other on this machine, as always, for processes are told apart by it."""
    return ContainerId(f"{name}@{os.getpid()}")


def name_of(container_id: str) -> str:
    """The short word for it."""
    return container_id.rpartition("@")[0]


def run_asyncio(body: Body[Result]) -> Result:
    """Run with Python's own event loop."""
    return asyncio.run(asyncio.wait_for(body, SECONDS_MAX))


def run_uvloop(body: Body[Result]) -> Result:
    """Run with the loop that the services use."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(asyncio.wait_for(body, SECONDS_MAX))


async def until(condition: Callable[[], object]) -> None:
    """Come back when ``condition`` holds; the test's own time limit ends the wait."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens in other processes
        await asyncio.sleep(0.005)


def alive(pid: int) -> bool:
    """Whether it runs; zombies do not."""
    stat = read_stat(pid)
    return stat is not None and not stat.dead


def children_of_ours() -> set[int]:
    """Every child of this process and of its keepers, zombies included; the keepers themselves are none."""
    stats = [stat for path in Path("/proc").iterdir() if path.name.isdigit() and (stat := read_stat(int(path.name)))]
    children = {stat.pid for stat in stats if stat.ppid == os.getpid()}
    keepers = {pid for pid in children if keeper.__file__.encode() in command_line(pid)}
    return children - keepers | {stat.pid for stat in stats if stat.ppid in keepers}


def command_line(pid: int) -> bytes:
    """As the kernel has it; nothing of one that has gone meanwhile."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""


def open_descriptors() -> dict[str, str]:
    """What is open in this process, by number."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        try:
            found[path.name] = str(path.readlink())
        except FileNotFoundError:
            continue  # The listing's own.
    return found


class Room:
    """One containerizer; containers are named by short words and live below ``root``."""

    def __init__(
        self,
        root: Path,
        isolators: Sequence[Isolator] = (),
        host: Members | None = None,
        provisioner: Provisioner | None = None,
    ) -> None:
        self.root = root
        self.keeper = KeeperLink(root / ".keeper")
        self.exits: list[tuple[str, int | None]] = []
        self.limitations: list[tuple[str, Limitation]] = []
        self.containerizer = Containerizer(
            isolators,
            PosixLauncher(self.keeper),
            host=host,
            provisioner=provisioner,
            on_exit=lambda container_id, status: self.exits.append((name_of(container_id), status)),
            on_limitation=lambda container_id, limitation: self.limitations.append((name_of(container_id), limitation)),
        )

    def plan(
        self,
        name: str,
        *argv: str,
        program: str | None = None,
        missing_program_status: int | None = None,
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
        uris: tuple[UriSpec, ...] = (),
        parent: str | None = None,
        resources: Resources = RESOURCES,
        wishes: Wishes = NOTHING,
        directory: str | None = None,
    ) -> LaunchPlan:
        """A plan whose sandbox is there."""
        sandbox = self.root / name
        sandbox.mkdir(exist_ok=True)
        return LaunchPlan(
            container_id=cid(name),
            argv=argv,
            program=program,
            missing_program_status=missing_program_status,
            environment={"PATH": "/usr/bin:/bin", **(environment or {})},
            sandbox=sandbox,
            resources=resources,
            user=user,
            uris=uris,
            parent=None if parent is None else cid(parent),
            wishes=wishes,
            directory=directory,
        )

    async def start_keeper(self) -> None:
        """Have it run before anything is counted."""
        others = children_of_ours()  # Servers that tests share, which whoever came first in this process started.
        warm_up = await self.keeper.launch(
            "warm-up", ["/bin/true"], {}, Streams(None, 1, 2), gated=False, survives=False
        )
        await warm_up.exited
        self.keeper.reap(warm_up)
        await until(lambda: children_of_ours() <= others)

    async def launch(self, name: str, *argv: str) -> int:
        """Launch something plain."""
        return await self.containerizer.launch(self.plan(name, *argv))

    async def shell(self, name: str, line: str) -> int:
        """Launch a line for the shell."""
        return await self.launch(name, SHELL, "-c", line)

    async def exit_of(self, name: str) -> int:
        """Wait for the end of a container's first process; gives its raw wait status."""
        await until(lambda: any(who == name for who, _ in self.exits))
        [status] = [status for who, status in self.exits if who == name]
        assert status is not None, "somebody saw how it ended"
        return status

    async def outcome(self, plan: LaunchPlan) -> int:
        """Launch, wait, destroy; gives the exit code, or minus the signal."""
        await self.containerizer.launch(plan)
        status = await self.exit_of(name_of(plan.container_id))
        await self.containerizer.destroy(plan.container_id)
        return os.waitstatus_to_exitcode(status)

    async def destroy(self, name: str) -> None:
        """Destroy a container."""
        await self.containerizer.destroy(cid(name))

    def signal(self, name: str, signum: int) -> None:
        """Signal a container."""
        self.containerizer.signal(cid(name), signum)

    def text(self, name: str, file: str = "stdout") -> str:
        """What is in a file of a sandbox; nothing when it is not there yet."""
        path = self.root / name / file
        return path.read_text() if path.exists() else ""

    async def said(self, name: str, file: str = "stdout", lines: int = 1) -> list[str]:
        """Wait until a file of the sandbox has so many whole lines."""
        await until(lambda: self.text(name, file).count("\n") >= lines)
        return self.text(name, file).splitlines()


@asynccontextmanager
async def room(
    root: Path,
    isolators: Sequence[Isolator] = (),
    host: Members | None = None,
    provisioner: Provisioner | None = None,
) -> AsyncIterator[Room]:
    """A room that leaves no container behind, whatever happened in it."""
    made = Room(root, isolators, host, provisioner)
    try:
        yield made
    finally:
        for container_id in made.containerizer.containers():
            await made.containerizer.destroy(container_id)
        await made.keeper.close()
