"""``bench failover``: how long a cluster is without its master when the leader is killed, and when it hands over.

Two masters with real ZooKeeper and a real registry, emulated agents that each run a task, and frameworks. The clock
runs from the signal to the leader (SIGKILL; SIGTERM for handing over) until every agent and every framework is back
with the new leader, and a task that it has launched runs: the experiment "mean time to recovery" of the Mesos paper,
where it was 4 to 8 seconds with 200 to 4,000 emulated agents. The master that went is started again before the next
run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from mesos_service.bench.postgresql import postgresql
from mesos_service.bench.recovering import RecoveringFleet
from mesos_service.bench.report import Report, percentile
from mesos_service.bench.tenants import Prober, Tenant
from mesos_service.bench.zookeeper import ZooKeeper, is_installed
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.http.client import Connection, ConnectionFault
from mesos_service.local.ports import fixed_port
from mesos_service.local.processes import ServiceProcess
from mesos_service.memory import tame_garbage_collection

SIZES: Final = (200, 1000, 4000)
RUNS: Final = 10
"""Of each kind and size."""
FRAMEWORKS: Final = 10
AGENTS_PER_LINK: Final = 20
_BACK_SECONDS_MAX: Final = 60.0
_PAUSE_SECONDS: Final = 0.01
_STANDBY_SECONDS: Final = 2.0
"""The master that is to take over has stood by for as long, as one is that nobody has just started."""

ResultT = TypeVar("ResultT")


class NotBack(OperatingFault):
    """Something did not come back; the text says what."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """One run: seconds from the signal until each had happened."""

    leader_s: float
    """Another master answers as the leader."""
    frameworks_s: float
    first_agent_s: float
    agents_s: float
    """The last of them."""
    task_s: float
    """A task that was launched with the new leader runs."""

    @property
    def whole_s(self) -> float:
        return max(self.leader_s, self.frameworks_s, self.agents_s, self.task_s)

    def figures(self) -> dict[str, float]:
        names = ("leader_s", "frameworks_s", "first_agent_s", "agents_s", "task_s", "whole_s")
        return {name: round(getattr(self, name), 3) for name in names}


class _Masters:
    """Two masters; one that went is started again, as a supervisor would."""

    def __init__(self, zookeeper: str, registry: str) -> None:
        flags = {"zk": zookeeper, "registry": registry, "logging_level": "ERROR"}
        ports = (fixed_port(), fixed_port())
        self._services = {port: ServiceProcess("master", {"port": port, **flags}) for port in ports}

    async def start(self) -> None:
        for service in self._services.values():
            await service.start()

    async def stop(self) -> None:
        for service in self._services.values():
            await service.stop(graceful=False)

    async def leader(self, but: int | None = None) -> int:
        """The port of the master that leads, other than ``but``; waits for it."""
        while True:
            for port in self._services:
                if port != but and await _leads(port):
                    return port
            await asyncio.sleep(_PAUSE_SECONDS)

    async def end(self, port: int, *, orderly: bool) -> None:
        """SIGTERM or SIGKILL; returns when it has ended."""
        await self._services[port].stop(graceful=orderly)

    async def start_again(self, port: int) -> None:
        """Returns when it stands by."""
        await self._services[port].start()


async def _leads(port: int) -> bool:
    try:
        connection = await Connection.open("127.0.0.1", port, timeout_seconds=1)
    except ConnectionFault:
        return False
    try:
        body = b'{"type":"GET_MASTER"}'
        answer = await connection.request("POST", "/api/v1", body, {"Content-Type": "application/json"})
    except ConnectionFault:
        return False
    finally:
        connection.close()
    return answer.status == 200


async def measure(sizes: Sequence[int] = SIZES, runs: int = RUNS, agents_per_link: int = AGENTS_PER_LINK) -> Report:
    """Figures of the largest size; those of each are among the details, every run by itself.

    ``agents_per_link``: 1 as without relays, which costs this process and the masters two connections an agent.

    Raises:
        ConfigurationError: ZooKeeper is not installed.
    """
    if not is_installed():
        raise ConfigurationError("bench failover needs ZooKeeper: install the packages zookeeper and a Java (JRE)")
    # Each link tells that it has lost its master, which is the point.
    logging.getLogger("mesos_service").setLevel(logging.ERROR)
    report = Report("failover")
    for agents in sizes:
        registry, killed, handed_over = await _measure_size(agents, runs, agents_per_link)
        figures = {
            "recovery_p50_s": percentile([one.whole_s for one in killed], 0.5),
            "recovery_p95_s": percentile([one.whole_s for one in killed], 0.95),
            "handover_p50_s": percentile([one.whole_s for one in handed_over], 0.5),
            "handover_p95_s": percentile([one.whole_s for one in handed_over], 0.95),
        }
        report.figures |= figures | {
            "agents": agents,
            "agents_per_link": agents_per_link,
            "frameworks": FRAMEWORKS + 1,
            "runs": runs,
        }
        report.figures |= {f"{name.removesuffix('_s')}_{agents}_agents_s": value for name, value in figures.items()}
        report.details[f"{agents} agents"] = {
            "registry": registry,
            "agents per link": agents_per_link,
            "killed": [one.figures() for one in killed],
            "handed over": [one.figures() for one in handed_over],
        }
    report.legend = {
        "recovery_p95_s": "from SIGKILL to the leader until all agents and frameworks are back and a new task runs",
        "handover_p95_s": "the same from SIGTERM, at which the leader leaves in order",
        "agents_per_link": "so many share a link, as behind a relay; --agents-per-link=1 gives each its own",
        "agents": f"of the figures without a number in their name; sizes measured: {', '.join(map(str, sizes))}",
    }
    return report


async def _measure_size(agents: int, runs: int, agents_per_link: int) -> tuple[str, list[Recovery], list[Recovery]]:
    """The kind of registry, and what was measured: leaders killed, and leaders that handed over."""
    async with contextlib.AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mesos-service-bench-")))
        servers = ZooKeeper(directory)
        stack.callback(servers.stop)
        await asyncio.to_thread(servers.start)
        zookeeper = servers.url()
        registry = stack.enter_context(postgresql()) or f"sqlite:///{directory}/registry.sqlite"
        masters = _Masters(zookeeper, registry)
        stack.push_async_callback(masters.stop)
        await masters.start()
        cluster = await stack.enter_async_context(_cluster(masters, zookeeper, agents, agents_per_link))
        killed = [await cluster.lose(masters, orderly=False) for _ in range(runs)]
        handed_over = [await cluster.lose(masters, orderly=True) for _ in range(runs)]
    return registry.partition(":")[0], killed, handed_over


@contextlib.asynccontextmanager
async def _cluster(masters: _Masters, zookeeper: str, agents: int, agents_per_link: int) -> AsyncIterator[_Cluster]:
    """Agents that each run a task, and their frameworks."""
    share, rest = divmod(agents, FRAMEWORKS)
    tenants = [Tenant(f"tenant-{one}", zookeeper, share + (1 if one < rest else 0)) for one in range(FRAMEWORKS)]
    cluster = _Cluster(RecoveringFleet(zookeeper, agents, agents_per_link), tenants, Prober(zookeeper))
    await cluster.start(await masters.leader())
    try:
        yield cluster
    finally:
        await cluster.stop()


class _Cluster:
    """All but the masters."""

    def __init__(self, fleet: RecoveringFleet, tenants: list[Tenant], prober: Prober) -> None:
        self._fleet = fleet
        self._tenants = tenants
        self._prober = prober
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, leader: int) -> None:
        """Returns when every agent runs a task."""
        self._fleet.start()
        await _within("the agents", self._fleet.all_registered(leader))
        self._tasks = [asyncio.create_task(one.run()) for one in (*self._tenants, self._prober)]
        for tenant in self._tenants:
            await _within("the tasks", tenant.settled.wait())

    async def stop(self) -> None:
        for one in (*self._tenants, self._prober):
            one.stop()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._fleet.stop()

    async def lose(self, masters: _Masters, *, orderly: bool) -> Recovery:
        """End the leader, wait until all is as it was, and start the master again that went."""
        for tenant in self._tenants:
            tenant.back.clear()
        self._prober.probe()
        self._fleet.prepare()
        # What stands for thousands of agents is no reason to stop for all of them at once.
        tame_garbage_collection()
        old = await _within("the leader", masters.leader())
        begun = time.monotonic()
        ending = asyncio.create_task(masters.end(old, orderly=orderly))

        async def leader() -> float:
            new = await masters.leader(but=old)
            elected.set_result(new)
            return time.monotonic() - begun

        async def frameworks() -> float:
            await asyncio.gather(*(one.back.wait() for one in self._tenants), self._prober.back.wait())
            return time.monotonic() - begun

        async def first_agent() -> float:
            await self._fleet.some_registered(await elected, 1)
            return time.monotonic() - begun

        async def agents() -> float:
            await self._fleet.all_registered(await elected)
            return time.monotonic() - begun

        async def new_task() -> float:
            await self._prober.ran.wait()
            return time.monotonic() - begun

        elected: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        seconds = await asyncio.gather(
            _within("a leader", leader()),
            _within("the frameworks", frameworks()),
            _within("an agent", first_agent()),
            _within("the agents", agents()),
            _within("a new task", new_task()),
        )
        await ending
        await masters.start_again(old)
        await asyncio.sleep(_STANDBY_SECONDS)
        return Recovery(*seconds)


async def _within(what: str, happens: Coroutine[Any, Any, ResultT]) -> ResultT:
    try:
        async with asyncio.timeout(_BACK_SECONDS_MAX):
            return await happens
    except TimeoutError:
        raise NotBack(f"{what} did not come (back) within {_BACK_SECONDS_MAX:g} s") from None
