"""``solaris/projects`` against a userland that checks what it is told and remembers it (M-AG-07, N27).

``FakeUserland`` knows the syntax of ``projadd``, ``projmod``, ``projdel``, ``prctl``, ``pkill`` and ``getent`` as far
as their manual pages have it, and fails as they do. For a real Solaris or illumos there is ``test_solaris_live.py``.
"""

from __future__ import annotations

import asyncio
import getopt
import re
from collections.abc import Callable
from typing import Any

import pytest

from mesos_service.containers.containerizer import Members
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, ContainerState, Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config

KIND = load(ISOLATORS, "solaris/projects")
C = ContainerId("0d8e8a5e-c")
CONFIG = ContainerConfig(sandbox="/", resources=Resources.scalars(cpus=1.5, mem=64), limits={"cpus": 2000})
RCTL = re.compile(r"(project\.[a-z-]+)=\((privileged),(\d+),(none|deny)\)")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


class FakeUserland:
    """The project database, and who is in which project."""

    def __init__(self) -> None:
        self.projects: dict[str, tuple[int, str, dict[str, str]]] = {"system": (0, "", {}), "default": (3, "", {})}
        self.members: dict[str, int] = {}
        self.live: dict[str, dict[str, int]] = {}
        self.ran: list[str] = []

    async def run(self, command: tuple[str, ...]) -> tuple[int, str]:
        self.ran.append(" ".join(command))
        program, *arguments = command
        handlers: dict[str, Callable[[list[str]], tuple[int, str]]] = {
            "getent": self._getent,
            "projadd": self._projadd,
            "projmod": self._projmod,
            "projdel": self._projdel,
            "prctl": self._prctl,
            "pkill": self._pkill,
        }
        return handlers[program](arguments)

    def join(self, project: str) -> None:
        """``newtask -p``: a process more."""
        assert project in self.projects
        self.members[project] = self.members.get(project, 0) + 1

    def _getent(self, arguments: list[str]) -> tuple[int, str]:
        assert arguments == ["project"]
        return 0, "".join(f"{name}:{number}:{comment}:::\n" for name, (number, comment, _) in self.projects.items())

    def _attributes(self, options: list[tuple[str, str]]) -> dict[str, str]:
        found = {}
        for text in (value for option, value in options if option == "-K"):
            rctl = RCTL.fullmatch(text)
            plain = re.fullmatch(r"(rcap\.max-rss)=(\d+)", text)
            assert rctl or plain, f"no attribute: {text}"
            if rctl:
                # Shares bound nothing, so there is nothing to deny.
                assert (rctl[4] == "none") == (rctl[1] == "project.cpu-shares"), text
                assert int(rctl[3]) > 0
            name, _, value = text.partition("=")
            found[name] = value
        return found

    def _projadd(self, arguments: list[str]) -> tuple[int, str]:
        options, [name] = getopt.getopt(arguments, "no:p:c:U:G:K:f:")
        number, comment = int(dict(options)["-p"]), dict(options)["-c"]
        assert NAME.fullmatch(name) and ":" not in comment
        if name in self.projects or number in {one for one, _, _ in self.projects.values()}:
            return 4, f"projadd: ERROR: Duplicate project {name} or id {number}\n"
        self.projects[name] = (number, comment, self._attributes(options))
        return 0, ""

    def _projmod(self, arguments: list[str]) -> tuple[int, str]:
        options, [name] = getopt.getopt(arguments, "nop:c:U:G:K:f:l:sar")
        assert ("-s", "") in options, "the attributes are to be replaced, not added to"
        if name not in self.projects:
            return 6, f'projmod: ERROR: Project "{name}" does not exist\n'
        number, comment, _ = self.projects[name]
        self.projects[name] = (number, comment, self._attributes(options))
        return 0, ""

    def _projdel(self, arguments: list[str]) -> tuple[int, str]:
        [name] = arguments
        if self.projects.pop(name, None) is None:
            return 6, f'projdel: ERROR: Project "{name}" does not exist\n'
        assert not self.members.get(name), "deleted under its processes"
        return 0, ""

    def _prctl(self, arguments: list[str]) -> tuple[int, str]:
        options, [name] = getopt.getopt(arguments, "n:v:rxi:t:e:d:")
        given = dict(options)
        assert given["-i"] == "project" and given["-n"].startswith("project.")
        if not self.members.get(name):
            return 1, f"prctl: {name}: No controllable process found in task, project, or zone.\n"
        held = self.live.setdefault(name, {})
        if "-x" in given:
            held.pop(given["-n"], None)
        else:
            assert "-r" in given, "-v alone would add a second value"
            held[given["-n"]] = int(given["-v"])
        return 0, ""

    def _pkill(self, arguments: list[str]) -> tuple[int, str]:
        options, rest = getopt.getopt(arguments, "9J:")
        assert not rest
        return (0, "") if self.members.pop(dict(options)["-J"], 0) else (1, "")


class Busy(Members):
    """Every container has a process, or none has."""

    pids: tuple[int, ...] = ()

    def processes(self, container_id: ContainerId) -> tuple[int, ...]:
        return self.pids


@pytest.fixture
def userland(monkeypatch: pytest.MonkeyPatch) -> FakeUserland:
    monkeypatch.setattr("platform.system", lambda: "SunOS")
    return FakeUserland()


def make(userland: FakeUserland, host: Members | None = None, **values: Any) -> Isolator:  # Any: of its Config
    made = KIND(host or Members(), read_config(KIND, values))
    made._run = userland.run  # type: ignore[attr-defined]  # In place of the programs of the system.
    return made


def only(userland: FakeUserland) -> tuple[str, int, dict[str, str]]:
    [(name, (number, _, attributes))] = [one for one in userland.projects.items() if one[0].startswith("mesos.")]
    return name, number, attributes


def test_m_ag_07_elsewhere_it_says_where_it_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.system", lambda: "Linux")
    with pytest.raises(ConfigurationError, match=r"works on Solaris and illumos only, and this is Linux: take it out"):
        KIND(Members(), None)


def test_m_ag_07_a_whole_life(userland: FakeUserland) -> None:
    async def body() -> None:
        host = Busy()
        isolator = make(userland, host)
        info = await isolator.prepare(C, CONFIG)
        name, number, attributes = only(userland)
        assert info is not None and info.command_prefix == ("/usr/bin/newtask", "-p", name)
        assert number == 1000
        assert attributes == {
            "project.cpu-shares": "(privileged,15,none)",
            "project.cpu-cap": "(privileged,200,deny)",
            "project.max-lwps": "(privileged,4096,deny)",
            "rcap.max-rss": str(64 * 1024 * 1024),
        }
        await isolator.prepare(C, CONFIG)
        # Nobody is in it yet, so prctl would fail: the database is enough.
        await isolator.update(C, Resources.scalars(cpus=0.01, mem=128), {"cpus": -1})
        assert only(userland)[2] == {
            "project.cpu-shares": "(privileged,1,none)",
            "project.max-lwps": "(privileged,4096,deny)",
            "rcap.max-rss": str(128 * 1024 * 1024),
        }
        userland.join(name)
        host.pids = (1,)
        await isolator.update(C, Resources.scalars(cpus=3, pids=7), {"cpus": 500})
        assert userland.live[name] == {"project.cpu-shares": 30, "project.max-lwps": 7, "project.cpu-cap": 50}
        await isolator.update(C, Resources.scalars(cpus=3, mem=64), {"mem": -1})
        assert "project.cpu-cap" not in userland.live[name]
        assert "rcap.max-rss" not in only(userland)[2]
        await isolator.cleanup(C)
        await isolator.cleanup(C)
        assert set(userland.projects) == {"system", "default"} and not userland.members

    asyncio.run(body())


def test_n27_m_ag_07_the_plan_is_what_is_run(userland: FakeUserland) -> None:
    async def body() -> None:
        isolator = make(userland)
        made, begun = isolator.explain(C, CONFIG)
        assert not userland.ran
        info = await isolator.prepare(C, CONFIG)
        assert [line for line in userland.ran if line != "getent project"] == [made.replace("NUMBER", "1000")]
        assert info is not None and begun == f"newtask -p {info.command_prefix[-1]} COMMAND"

    asyncio.run(body())


def test_m_ag_07_numbers_are_the_next_free_ones_even_side_by_side(userland: FakeUserland) -> None:
    async def body() -> None:
        userland.projects["strange"] = (1001, "", {})
        isolator = make(userland)
        await asyncio.gather(*(isolator.prepare(ContainerId(name), CONFIG) for name in "abc"))
        assert sorted(number for number, _, _ in userland.projects.values()) == [0, 3, 1000, 1001, 1002, 1003]

    asyncio.run(body())


def test_m_ag_07_a_new_agent_knows_its_projects_and_deletes_what_never_ran(userland: FakeUserland) -> None:
    async def body() -> None:
        before = make(userland)
        for name in ("runs", "never"):
            await before.prepare(ContainerId(name), CONFIG)
        userland.projects["mesos.somebody-elses"] = (77, "never", {})
        after = make(userland)
        await after.recover([ContainerState(container_id=ContainerId("runs"), pid=1, config=CONFIG)], [])
        comments = {comment for name, (_, comment, _) in userland.projects.items() if name.startswith("mesos.")}
        assert comments == {"runs", "never"} and "mesos.somebody-elses" in userland.projects
        await after.cleanup(ContainerId("runs"))
        assert set(userland.projects) == {"system", "default", "mesos.somebody-elses"}

    asyncio.run(body())


def test_m_ag_07_what_fails_is_told_with_the_command(userland: FakeUserland) -> None:
    async def body() -> None:
        isolator = make(userland)
        await isolator.prepare(C, CONFIG)
        userland.projects = {name: one for name, one in userland.projects.items() if not name.startswith("mesos.")}
        with pytest.raises(OperatingFault, match=r"'projmod -s .*' failed with status 6: projmod: ERROR: Project"):
            await isolator.update(C, Resources.scalars(cpus=1), {})
        other = make(userland)
        userland.projects["mesos.x"] = (5, "", {})
        await other.cleanup(ContainerId("unknown"))
        assert "mesos.x" in userland.projects

    asyncio.run(body())
