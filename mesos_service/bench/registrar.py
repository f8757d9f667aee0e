"""``bench registrar``: how long the registry takes to admit a cluster durably, all agents at once.

The time is that of the registrar: from the first operation handed over on the loop until the last one is told as
durable there, encoding and the loop's own work included. The processor time of this process in it is told apart: where
others take the processor it says more. PostgreSQL's is its server's own. Garbage is collected as in a master.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mesos_service.bench.postgresql import postgresql
from mesos_service.bench.report import Report
from mesos_service.core.registry.operations import AdmitAgent, RemoveAgent
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.attributes import parse_attributes
from mesos_service.domain.errors import MesosServiceError
from mesos_service.domain.ids import AgentId
from mesos_service.domain.resources import Resources
from mesos_service.memory import tame_garbage_collection
from mesos_service.registrar.sql import SqlRegistrar
from mesos_service.registrar.url import file_url

AGENTS = 50_000


def _operations(agents: int) -> list[AdmitAgent]:
    """As from agents that are all different machines: nothing of one can serve for another."""
    return [
        AdmitAgent(
            AgentId(f"7a0e3b5c-0000-4000-8000-000000000000-S{number}"),
            AgentInfo(
                hostname=f"agent-{number}.example.org",
                agent_id=AgentId(f"7a0e3b5c-0000-4000-8000-000000000000-S{number}"),
                ip="10.0.0.1",
                resources=Resources.parse(f"cpus:24;mem:{4096 + number};disk:65536;ports:[31000-32000]"),
                attributes=parse_attributes("rack:r17;kind:standard"),
                version="1.12.0",
                capabilities=frozenset({"MULTI_ROLE", "HIERARCHICAL_ROLE", "RESERVATION_REFINEMENT"}),
            ),
        )
        for number in range(agents)
    ]


class _Run:
    """One registrar, and what it has told."""

    def __init__(self, url: str) -> None:
        self._last = -1
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._registrar = SqlRegistrar(url, self._on_persisted, self._on_lost)

    def _on_persisted(self, number: int) -> None:
        if number == self._last:
            self._done.set_result(None)

    def _on_lost(self, error: MesosServiceError) -> None:
        self._done.set_exception(error)

    async def take(self) -> float:
        """Seconds to read what is there."""
        begin = time.perf_counter()
        await self._registrar.take(None, "bench")
        return time.perf_counter() - begin

    async def store(self, operations: Sequence[AdmitAgent | RemoveAgent]) -> tuple[float, float]:
        """Seconds until all are durable, and seconds of processor time."""
        self._done = asyncio.get_running_loop().create_future()
        self._last = len(operations) - 1
        begin, begin_cpu = time.perf_counter(), time.process_time()
        for number, operation in enumerate(operations):
            self._registrar.persist(number, operation)
        await self._done
        return time.perf_counter() - begin, time.process_time() - begin_cpu

    async def close(self) -> None:
        await self._registrar.close()


@dataclass(frozen=True, slots=True)
class _Measured:
    """Of one kind of database, by run."""

    admits: list[float]
    admits_cpu: list[float]
    reads: list[float]

    def figures(self, name: str) -> dict[str, float]:
        return {
            f"admit_50k_{name}_s": statistics.median(self.admits),
            f"admit_50k_{name}_cpu_s": statistics.median(self.admits_cpu),
            f"read_50k_{name}_s": statistics.median(self.reads),
        }


async def _measure(url: str, operations: list[AdmitAgent], runs: int) -> _Measured:
    """Admit all, and read them again as the next leader does, so many times."""
    admits: list[float] = []
    admits_cpu: list[float] = []
    reads: list[float] = []
    for _ in range(runs):
        run = _Run(url)
        await run.take()
        seconds, cpu_seconds = await run.store(operations)
        admits.append(seconds)
        admits_cpu.append(cpu_seconds)
        await run.close()
        again = _Run(url)
        reads.append(await again.take())
        await again.store([RemoveAgent(operation.agent_id) for operation in operations])
        await again.close()
    return _Measured(admits, admits_cpu, reads)


async def measure(agents: int = AGENTS, runs: int = 5) -> Report:
    """Admit ``agents`` durably in SQLite and in PostgreSQL, each ``runs`` times; medians."""
    report = Report("registrar")
    operations = _operations(agents)
    tame_garbage_collection()
    with tempfile.TemporaryDirectory(prefix="mesos-bench-") as directory:
        measured = await _measure(file_url(Path(directory)), operations, runs)
    report.figures |= measured.figures("sqlite")
    report.details["admit_sqlite_s"] = measured.admits
    with postgresql() as url:
        if url is None:
            report.details["postgresql"] = "not measured: PostgreSQL is not installed"
            report.legend["admit_50k_postgresql_s"] = "not measured: PostgreSQL is not installed"
        else:
            measured = await _measure(url, operations, runs)
            report.figures |= measured.figures("postgresql")
            report.details["admit_postgresql_s"] = measured.admits
    report.figures |= {"agents": agents, "runs": runs}
    return report
