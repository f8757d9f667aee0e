"""``solaris/projects``: on Solaris and illumos, a project with bounds for each container (M-AG-07).

What cgroups are to Linux, projects are there: a process joins one with ``newtask``, its children inherit it, and
resource controls are the project's. Each container has a project ``mesos.CONTAINER`` in the project database, made
before it starts and deleted after it:

* ``projadd`` makes it, with ``project.cpu-shares`` (10 for a processor, never less than 1), ``rcap.max-rss`` in bytes,
  ``project.max-lwps``, and ``project.cpu-cap`` (100 for a processor) where there is a limit or ``hard_cap``;
* ``newtask -p PROJECT`` executes the command inside it;
* ``prctl`` changes what runs, ``projmod`` what the database says. ``prctl`` knows only projects that have processes,
  which is why one that has none is asked for nothing;
* ``pkill -9 -J PROJECT`` ends whoever is left, and ``projdel`` the project.

The first module of this kind, in 2011, had a pool of projects prepared by hand; these make themselves.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field

from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import (
    UNLIMITED,
    ContainerConfig,
    ContainerState,
    Host,
    Isolator,
    LaunchInfo,
)

SHARES_PER_CPU: Final = 10
CAP_PER_CPU: Final = 100
MEGABYTE: Final = 1024 * 1024
PREFIX: Final = "mesos."
GONE_STATUS: Final = 1
"""``pkill`` found nobody."""

Command = tuple[str, ...]
Run = Callable[[Command], Awaitable[tuple[int, str]]]
"""Executes a command; gives its exit status and what it wrote."""

log = logging.getLogger(__name__)


async def execute(command: Command) -> tuple[int, str]:
    """Run a program of the system to its end."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
    except OSError as error:
        raise OperatingFault(f"Cannot run {command[0]}: {error.strerror}") from error
    output, _ = await process.communicate()
    assert process.returncode is not None, "it has ended"
    return process.returncode, output.decode(errors="replace")


class Config(BaseModel):
    """How projects are made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    first_project_id: int = Field(1000, ge=100)
    """Numbers below 100 are the system's."""
    lwps_max: int = Field(4096, ge=1)
    """Threads of a container that names no bound ('pids' in its limits or resources)."""
    hard_cap: bool = False
    """Whether the request of processors is a ceiling too."""


@dataclass(frozen=True, slots=True)
class Controls:
    """Resource controls of a project; ``None`` is none."""

    shares: int
    rss_bytes: int | None
    lwps: int
    cap: int | None

    def live(self) -> tuple[tuple[str, int | None], ...]:
        """Those that ``prctl`` sets on processes; memory is held by ``rcapd``, which reads the database."""
        return (("project.cpu-shares", self.shares), ("project.max-lwps", self.lwps), ("project.cpu-cap", self.cap))

    def attributes(self) -> tuple[str, ...]:
        """As the project database has them."""
        written = [] if self.rss_bytes is None else [f"rcap.max-rss={self.rss_bytes}"]
        for name, value in self.live():
            if value is not None:
                action = "none" if name == "project.cpu-shares" else "deny"
                written.append(f"{name}=(privileged,{value},{action})")
        return tuple(sorted(written))


def project_of(container_id: ContainerId) -> str:
    """The project's name: letters, digits and dots, and always the same for a container."""
    return PREFIX + sha256(container_id.encode()).hexdigest()[:24]


def plan_made(project: str, number: int, comment: str, controls: Controls) -> Command:
    """The project, before anybody is in it."""
    attributes = [part for one in controls.attributes() for part in ("-K", one)]
    return ("projadd", "-p", str(number), "-c", comment, *attributes, project)


def plan_changed(project: str, controls: Controls) -> list[Command]:
    """New controls: in the database, then on those who run."""
    attributes = [part for one in controls.attributes() for part in ("-K", one)]
    commands: list[Command] = [("projmod", "-s", *attributes, project)]
    for name, value in controls.live():
        if value is None:
            commands.append(("prctl", "-n", name, "-x", "-i", "project", project))
        else:
            commands.append(("prctl", "-n", name, "-v", str(value), "-r", "-i", "project", project))
    return commands


def plan_ended(project: str) -> list[Command]:
    """Everybody in it, then the project itself."""
    return [("pkill", "-9", "-J", project), ("projdel", project)]


class SolarisProjects(Isolator):
    """Loads everywhere, and works on Solaris and illumos only: elsewhere :class:`ConfigurationError` says so."""

    name = "solaris/projects"
    Config: ClassVar[type[Any] | None] = Config
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else Config.model_validate({}))
        if platform.system() != "SunOS":
            raise ConfigurationError(
                f"Isolator 'solaris/projects' works on Solaris and illumos only, and this is {platform.system()}:"
                " take it out of --isolation"
            )
        self._run: Run = execute
        self._ours: set[ContainerId] = set()
        self._numbering = asyncio.Lock()

    def controls(self, resources: Resources, limits: Mapping[str, int]) -> Controls:
        """What these resources and limits mean."""
        asked = resources.quantities()
        cpus, memory = asked.get("cpus", 0), asked.get("mem", 0)
        ceiling = limits.get("cpus", cpus if self.config.hard_cap else UNLIMITED)
        bound = limits.get("mem", memory)
        lwps = limits.get("pids", asked.get("pids", self.config.lwps_max * 1000))
        return Controls(
            shares=max(1, cpus * SHARES_PER_CPU // 1000),
            rss_bytes=bound * MEGABYTE // 1000 if bound > 0 else None,
            lwps=self.config.lwps_max if lwps == UNLIMITED else max(1, lwps // 1000),
            cap=None if ceiling == UNLIMITED else max(1, ceiling * CAP_PER_CPU // 1000),
        )

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        """The commands, with the number that the project would have left open."""
        project = project_of(container_id)
        made = plan_made(project, 0, container_id, self.controls(config.resources, config.limits))
        return [" ".join(made).replace(" -p 0 ", " -p NUMBER ", 1), f"newtask -p {project} COMMAND"]

    async def recover(self, states: Sequence[ContainerState], orphans: Collection[ContainerId]) -> None:
        """Know the projects of the living again, and delete those of containers that never ran."""
        known = {*(state.container_id for state in states), *orphans}
        for name, _, comment in await self._projects():
            container_id = ContainerId(comment)
            if name != project_of(container_id):
                continue
            self._ours.add(container_id)
            if container_id not in known:
                log.info("Container %s of an agent before never ran: deleting its project", container_id)
                await self.cleanup(container_id)

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Make the project, and begin the command inside it."""
        project = project_of(container_id)
        controls = self.controls(config.resources, config.limits)
        async with self._numbering:
            if container_id not in self._ours:
                there = await self._projects()
                if any(name == project for name, _, _ in there):
                    raise OperatingFault(f"Project {project} is there already, and was made by somebody else")
                taken = {number for _, number, _ in there}
                number = next(n for n in range(self.config.first_project_id, 2**31) if n not in taken)
                await self._must(plan_made(project, number, container_id, controls))
                self._ours.add(container_id)
        return LaunchInfo(command_prefix=("/usr/bin/newtask", "-p", project))

    async def update(self, container_id: ContainerId, resources: Resources, limits: Mapping[str, int]) -> None:
        """New controls for what runs; nothing for a container that this isolator does not know."""
        if container_id not in self._ours:
            return
        in_database, *live = plan_changed(project_of(container_id), self.controls(resources, limits))
        await self._must(in_database)
        if self.host.processes(container_id):
            for command in live:
                await self._must(command)

    async def cleanup(self, container_id: ContainerId) -> None:
        """End whoever is left in the project, then the project."""
        if container_id not in self._ours:
            return
        end, delete = plan_ended(project_of(container_id))
        status, output = await self._run(end)
        if status not in (0, GONE_STATUS):
            raise OperatingFault(f"'{' '.join(end)}' failed with status {status}: {output.strip()}")
        await self._must(delete)
        self._ours.discard(container_id)

    async def _projects(self) -> list[tuple[str, int, str]]:
        """Name, number and comment of every project."""
        output = await self._must(("getent", "project"))
        rows = (line.split(":") for line in output.splitlines())
        return [(row[0], int(row[1]), row[2]) for row in rows if len(row) >= 3 and row[1].isdigit()]

    async def _must(self, command: Command) -> str:
        status, output = await self._run(command)
        if status != 0:
            raise OperatingFault(f"'{' '.join(command)}' failed with status {status}: {output.strip()}")
        return output
