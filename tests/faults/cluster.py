"""A cluster of real processes under a supervisor, the framework that loads it, and every way to harm it.

Every master reaches ZooKeeper and the database through cables of its own (``TcpProxy``), so that one of them can be cut
off and no other notices.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import psutil

from mesos_service.domain.tasks import TERMINAL_STATES
from mesos_service.http.client import Connection, ConnectionFault
from tests.faults.checker import Observed, Write, check
from tests.faults.facts import AnyFact, Journal, Launching, Updated, now, read_truth
from tests.support.ports import fixed_port
from tests.support.supervisor import Supervised
from tests.support.tcp_proxy import TcpProxy

WAIT_SECONDS: Final = 90.0
"""The longest that anything may take, on a machine that is busy with other things."""
_ANSWER_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.02
AGENT_CPUS: Final = 3.0

Json = dict[str, Any]  # Any: JSON documents


class Audit(Protocol):
    """Tells every write to the registry (``audit.py``)."""

    def begin(self) -> None:
        """Watch from now on; the registry's tables are there."""

    def writes(self) -> list[Write]:
        """All so far, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a cluster is made of.

    ``zookeeper_ports`` is empty for a master without election. ``registry`` makes the registry's URL of the port at
    which a master is to find the database; ``registry_port`` is the database's own, or ``None`` where it is a file.
    ``wrap`` puts something before a service's command line, by the service's name; ``work_dirs`` are those of agents
    that have theirs elsewhere.
    """

    masters: int = 2
    agents: int = 2
    zookeeper_ports: tuple[int, ...] = ()
    zookeeper_path: str = "/mesos"
    registry: Callable[[int], str] = lambda _: "in_memory"
    registry_port: int | None = None
    audit: Audit | None = None
    master_flags: Mapping[str, str] = field(default_factory=dict)
    agent_flags: Mapping[str, str] = field(default_factory=dict)
    load_flags: tuple[str, ...] = ()
    wrap: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    work_dirs: Mapping[str, Path] = field(default_factory=dict)


class Master(Supervised):
    """A master, its address, and its cables to what it depends on."""

    def __init__(self, number: int, directory: Path, plan: Plan, cables: AsyncExitStack) -> None:
        self.port = fixed_port()
        self.zookeeper_cables = [cables.enter_context(TcpProxy(port)) for port in plan.zookeeper_ports]
        self.database_cable = None if plan.registry_port is None else cables.enter_context(TcpProxy(plan.registry_port))
        flags = {
            "port": str(self.port),
            "work_dir": str(directory / "work"),
            "registry": plan.registry(0 if self.database_cable is None else self.database_cable.port),
            "allocation_interval": "100ms",
            "agent_ping_timeout": "750ms",
            "max_agent_ping_timeouts": "4",
            **plan.master_flags,
        }
        if self.zookeeper_cables:
            hosts = ",".join(cable.address for cable in self.zookeeper_cables)
            flags |= {"zk": f"zk://{hosts}{plan.zookeeper_path}", "zk_session_timeout": "3secs"} | dict(
                plan.master_flags
            )
        name = f"master-{number}"
        command = (*plan.wrap.get(name, ()), sys.executable, "-m", "mesos_service.cli.main", "master", *as_flags(flags))
        super().__init__(name, command, directory / "log")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def call(self, kind: str) -> Json | None:
        """An operator call's answer; ``None`` when it is not answered with 200, which only a leader does."""
        return await _post(self.port, {"type": kind})

    async def leads(self) -> bool:
        return await self.call("GET_AGENTS") is not None


class Agent(Supervised):
    """An agent."""

    def __init__(self, number: int, directory: Path, plan: Plan, master: str) -> None:
        name = f"agent-{number}"
        self.port = fixed_port()
        flags = {
            "port": str(self.port),
            "master": master,
            "work_dir": str(plan.work_dirs.get(name, directory / "work")),
            "resources": f"cpus:{AGENT_CPUS:g};mem:1024;disk:1024;ports:[31000-31009]",
            "registration_backoff_factor": "100ms",
            **plan.agent_flags,
        }
        command = (*plan.wrap.get(name, ()), sys.executable, "-m", "mesos_service.cli.main", "agent", *as_flags(flags))
        super().__init__(name, command, directory / "log")


def as_flags(flags: Mapping[str, str]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


class Cluster:
    """All of it, from entering the context to leaving it."""

    def __init__(self, directory: Path, plan: Plan) -> None:
        self._directory = directory
        self._plan = plan
        self._cables = AsyncExitStack()
        self.truth = self._made("truth")
        self.journal = Journal(directory / "journal")
        self.agents_before: dict[str, float] = {}
        self.masters: list[Master] = []
        self.agents: list[Agent] = []
        self.load: Supervised

    def _made(self, name: str) -> Path:
        directory = self._directory / name
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    async def __aenter__(self) -> Self:
        plan = self._plan
        self.masters = [
            Master(number, self._made(f"master-{number}"), plan, self._cables) for number in range(1, plan.masters + 1)
        ]
        found_by = ",".join(f"127.0.0.1:{port}" for port in plan.zookeeper_ports)
        known = ",".join(master.address for master in self.masters)
        at = f"zk://{found_by}{plan.zookeeper_path}" if found_by else known
        self.agents = [Agent(number, self._made(f"agent-{number}"), plan, at) for number in range(1, plan.agents + 1)]
        files = (f"--journal={self._directory / 'journal'}", f"--truth={self.truth}")
        command = (sys.executable, "-m", "tests.faults.load", f"--master={at}", *files, *plan.load_flags)
        self.load = Supervised("load", command, self._made("load") / "log", restarts="on-failure")
        try:
            for one in (*self.masters, *self.agents):
                one.start()
            await self._await_agents()
            if plan.audit is not None:
                await asyncio.to_thread(plan.audit.begin)
            self.load.start()
        except BaseException as error:
            await self.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if value is not None:
            for one in self.processes:
                value.add_note(f"-- {one.name} (ended with {one.ends}), the end of {one.log}:\n{one.log_end()}")
        for cable in self.cables:
            cable.heal()
        # What has not yet been asked to end nicely need not be: the run is over.
        await asyncio.gather(*(one.stop(signal.SIGKILL) for one in reversed(self.processes)))
        await asyncio.to_thread(self._end_tasks)
        await self._cables.aclose()

    def _end_tasks(self) -> None:
        """End what the agents have started: they know it by the directory of this cluster, and so do we."""
        mark = str(self._directory)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.pid != os.getpid() and (
                    process.cwd().startswith(mark) or any(mark in word for word in process.cmdline())
                ):
                    process.kill()

    @property
    def processes(self) -> list[Supervised]:
        return [*self.masters, *self.agents, *([self.load] if self.load else [])]

    @property
    def cables(self) -> list[TcpProxy]:
        database = [master.database_cable for master in self.masters if master.database_cable is not None]
        return [*(cable for master in self.masters for cable in master.zookeeper_cables), *database]

    # -- what is so ------------------------------------------------------------------------------------------
    async def until(self, what: str | Callable[[], str], condition: Callable[[], Awaitable[bool] | bool]) -> None:
        """Ask again and again until it is so.

        Raises:
            AssertionError: it did not come about within ``WAIT_SECONDS``.
        """
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                while True:
                    answer = condition()
                    if answer if isinstance(answer, bool) else await answer:
                        return
                    await asyncio.sleep(_PAUSE_SECONDS)
        except TimeoutError:
            text = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {WAIT_SECONDS:g} s: {text}") from None

    async def leading(self, but: Master | None = None) -> Master | None:
        """The master that leads just now, which is not ``but``; ``None`` when none answers as a leader."""
        others = [master for master in self.masters if master is not but]
        leading = await asyncio.gather(*(one.leads() for one in others))
        return next((one for one, leads in zip(others, leading, strict=True) if leads), None)

    async def leader(self, but: Master | None = None) -> Master:
        """The same, waited for."""
        found: list[Master] = []

        async def leads() -> bool:
            leading = await self.leading(but)
            found.extend(() if leading is None else (leading,))
            return bool(found)

        await self.until("a master leads", leads)
        return found[0]

    async def _await_agents(self) -> None:
        """Wait until all agents are registered, and remember them."""

        async def registered() -> bool:
            asked_wrongly = [one.name for one in self.processes if 2 in one.ends]
            assert not asked_wrongly, f"these refuse their flags: {asked_wrongly}"
            leader = await self.leader()
            self.agents_before = _cpus_by_agent(await leader.call("GET_AGENTS"))
            return len(self.agents_before) == len(self.agents)

        await self.until("all agents are registered", registered)

    async def writes(self) -> list[Write]:
        """Every write to the registry, where it is watched."""
        return [] if self._plan.audit is None else await asyncio.to_thread(self._plan.audit.writes)

    def facts(self) -> list[AnyFact]:
        return list(self.journal.facts())

    async def steady(self, since: float | None = None) -> None:
        """Wait until the load runs as it should: tasks that were launched after ``since`` (now) have ended on every
        agent, and on each a lasting one runs."""
        since = now() if since is None else since

        def runs() -> bool:
            facts = self.facts()
            launched = {one.task_id: one for one in facts if isinstance(one, Launching)}
            latest = {one.task_id: one.state for one in facts if isinstance(one, Updated)}
            ended_on = {
                launched[task_id].agent_id
                for task_id, state in latest.items()
                if state in ("TASK_FINISHED", "TASK_FAILED") and launched[task_id].at > since
            }
            lasting_on = {
                launch.agent_id
                for task_id, launch in launched.items()
                if launch.lasting and latest.get(task_id) == "TASK_RUNNING"
            }
            return len(ended_on) == len(lasting_on) == len(self.agents)

        await self.until("tasks run and end on every agent", runs)

    # -- the end ---------------------------------------------------------------------------------------------
    async def settle(self) -> None:
        """Wind the load down, and check every promise.

        Raises:
            AssertionError: naming each one that was broken.
        """
        await self.steady()
        (self._directory / "journal.end").touch()
        await self.until(
            lambda: f"the last tasks have ended: {', '.join(self._unfinished())}", lambda: self.load.ends[-1:] == [0]
        )
        after: dict[str, float] = {}

        async def are_there() -> bool:
            nonlocal after
            leader = await self.leading()
            after = {} if leader is None else _cpus_by_agent(await leader.call("GET_AGENTS"))
            return after.keys() == self.agents_before.keys()

        await self.until(
            lambda: f"those of {', '.join(self.agents_before)} are there, and not {', '.join(after)}", are_there
        )
        broken = check(
            Observed(
                facts=self.facts(),
                truth=read_truth(self.truth),
                agent_cpus=self.agents_before,
                agents_after=frozenset(after),
                writes=await self.writes(),
            )
        )
        assert not broken, "\n".join(broken)

    def _unfinished(self) -> list[str]:
        states = {
            one.task_id: one.state if isinstance(one, Updated) else ""
            for one in self.facts()
            if isinstance(one, Launching | Updated)
        }
        return [f"{task_id} {state}" for task_id, state in states.items() if state not in TERMINAL_STATES]


async def _post(port: int, call: Json) -> Json | None:
    """Make an operator call of a master; ``None`` when nobody answers it soon, or not with 200."""
    try:
        async with asyncio.timeout(_ANSWER_SECONDS):
            connection = await Connection.open("127.0.0.1", port)
            try:
                body = json.dumps(call).encode()
                answer = await connection.request("POST", "/api/v1", body, {"Content-Type": "application/json"})
            finally:
                connection.close()
    except (ConnectionFault, TimeoutError):
        return None
    document: Json | None = json.loads(answer.body) if answer.status == 200 else None
    return document


def _cpus_by_agent(answer: Json | None) -> dict[str, float]:
    """From the answer to GET_AGENTS: what each agent that is there has."""
    return {
        agent["agent_info"]["id"]["value"]: sum(
            one["scalar"]["value"] for one in agent["total_resources"] if one["name"] == "cpus"
        )
        for agent in (answer or {}).get("get_agents", {}).get("agents", ())
        if agent["active"]
    }
