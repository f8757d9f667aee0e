"""``bench agent``: real processes on one agent with posix isolation, and as many again under control groups.

Three questions, as they were put to the peer: how many command tasks a second one agent runs; how long from ACCEPT to
TASK_RUNNING on an idle machine; and whether 5,000 tasks in one ACCEPT on one custom executor cost more each than
1,000 do.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from mesos_service.bench.greedy import JSON_HEADERS, Event
from mesos_service.bench.launch_bound import BOUNDS, bounds
from mesos_service.bench.processes import Running, running
from mesos_service.bench.report import Report, percentile
from mesos_service.http.client import Connection
from mesos_service.wire.recordio import RecordReader

CPUS = 0.001
MEM = 1
EXECUTOR_MEM = 32
BATCH_PREFIX = "bench-"
TERMINAL = frozenset({"TASK_FINISHED", "TASK_FAILED", "TASK_KILLED", "TASK_ERROR", "TASK_LOST", "TASK_DROPPED"})
QUICK: Final[Mapping[str, int]] = {"singles": 15, "bursts": 2, "burst": 200, "rounds": 2}
"""Sizes of :func:`measure` that take half a minute."""
Sizes = tuple[int, int, int, int, int, int]
"""Single commands, bursts, commands of a burst, tasks of a small and of a large ACCEPT, and how often the two."""


def _resources(cpus: float, mem: float) -> list[dict[str, object]]:
    return [
        {"name": "cpus", "type": "SCALAR", "scalar": {"value": cpus}},
        {"name": "mem", "type": "SCALAR", "scalar": {"value": mem}},
    ]


@dataclass(slots=True)
class Batch:
    """Tasks that were accepted together, and when each was heard of in which state."""

    accepted_at: float
    left: int
    running: list[float] = field(default_factory=list)
    states: dict[str, int] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Submitter:
    """A scheduler that launches what it is told to, on whatever is offered, and acknowledges at once."""

    def __init__(self) -> None:
        self._events = msgspec.json.Decoder(Event)
        self._offers: list[tuple[str, str, float]] = []
        self._offered = asyncio.Event()
        self._batch: Batch | None = None
        self._states: dict[str, str] = {}
        """What was last heard of tasks that were begun one by one."""
        self._told = asyncio.Event()
        self._counter = 0
        self._framework_id = ""
        self._calls: Connection | None = None
        self._stream: Connection | None = None
        self._headers: dict[str, str] = {}
        self._reader: asyncio.Task[None] | None = None

    async def start(self, port: int) -> None:
        self._calls = await Connection.open("127.0.0.1", port)
        self._stream = await Connection.open("127.0.0.1", port)
        info = {"user": "root", "name": "bench", "checkpoint": True, "capabilities": [{"type": "PARTITION_AWARE"}]}
        body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
        head, chunks = await self._stream.stream("POST", "/api/v1/scheduler", body, JSON_HEADERS)
        if head.status != 200:
            raise RuntimeError(f"SUBSCRIBE was refused: {head.status} {head.body!r}")
        self._headers = {**JSON_HEADERS, "Mesos-Stream-Id": head.headers["mesos-stream-id"]}

        async def read() -> None:
            reader = RecordReader()
            async for chunk in chunks:
                for record in reader.feed(chunk):
                    self._on_event(self._events.decode(record))

        self._reader = asyncio.create_task(read())

    def close(self) -> None:
        for connection in (self._calls, self._stream):
            if connection is not None:
                connection.close()
        if self._reader is not None:
            self._reader.cancel()

    async def run(self, count: int, executor: str | None = None) -> Batch:
        """Launch ``count`` tasks in one ACCEPT and wait until all have ended."""
        assert self._calls is not None
        # What earlier tasks held comes back in offers of its own: take all of them, once they are enough together.
        needed = count * MEM + EXECUTOR_MEM
        while sum(mem for _, _, mem in self._offers) < needed:
            self._offered.clear()
            await self._offered.wait()
        offers, self._offers = self._offers, []
        agent_id = offers[0][1]
        tasks = []
        for _ in range(count):
            self._counter += 1
            task: dict[str, object] = {
                "name": "bench",
                "task_id": {"value": f"{BATCH_PREFIX}{self._counter}"},
                "agent_id": {"value": agent_id},
                "resources": _resources(CPUS, MEM),
            }
            if executor is None:
                task["command"] = {"value": "true"}
            else:
                task["executor"] = {
                    "type": "CUSTOM",
                    "executor_id": {"value": executor},
                    "resources": _resources(0.1, EXECUTOR_MEM),
                    "command": {"value": f"exec {sys.executable} -m mesos_service.bench.executor"},
                }
            tasks.append(task)
        accept = {
            "offer_ids": [{"value": offer_id} for offer_id, _, _ in offers],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": tasks}}],
            "filters": {"refuse_seconds": 0},
        }
        body = self._call("ACCEPT", "accept", accept)
        batch = self._batch = Batch(time.perf_counter(), count)
        response = await self._calls.send("POST", "/api/v1/scheduler", body, self._headers)
        if response.status != 202:
            raise RuntimeError(f"ACCEPT was refused: {response.status} {response.body!r}")
        await batch.done.wait()
        return batch

    async def begin(self, name: str, command: str, *, cpus: float, mem: float) -> None:
        """Launch one task on what is offered, and wait until it runs; it goes on until its agent ends.

        Raises:
            RuntimeError: it came to something else.
        """
        assert self._calls is not None
        while sum(offered for _, _, offered in self._offers) < mem:
            self._offered.clear()
            await self._offered.wait()
        offers, self._offers = self._offers, []
        task = {
            "name": name,
            "task_id": {"value": name},
            "agent_id": {"value": offers[0][1]},
            "resources": _resources(cpus, mem),
            "command": {"value": command},
        }
        accept = {
            "offer_ids": [{"value": offer_id} for offer_id, _, _ in offers],
            "operations": [{"type": "LAUNCH", "launch": {"task_infos": [task]}}],
            "filters": {"refuse_seconds": 0},
        }
        self._batch = Batch(time.perf_counter(), 2)
        await self._calls.send("POST", "/api/v1/scheduler", self._call("ACCEPT", "accept", accept), self._headers)
        while not self.is_running(name):
            self._told.clear()
            await self._told.wait()
            if self._states.get(name) in TERMINAL:
                raise RuntimeError(f"Task '{name}' came to {self._states[name]}")

    def is_running(self, name: str) -> bool:
        """Whether that is what was last heard of the task."""
        return self._states.get(name) == "TASK_RUNNING"

    def _call(self, kind: str, name: str, body: object) -> bytes:
        return json.dumps({"framework_id": {"value": self._framework_id}, "type": kind, name: body}).encode()

    def _on_event(self, event: Event) -> None:
        if event.subscribed is not None:
            self._framework_id = event.subscribed.framework_id.value
        elif event.offers is not None:
            for offer in event.offers.offers:
                self._offers.append((offer.id.value, offer.agent_id.value, offer.scalar("mem")))
            self._offered.set()
        elif event.update is not None:
            status, batch = event.update.status, self._batch
            assert batch is not None and self._calls is not None
            if not status.task_id.value.startswith(BATCH_PREFIX):
                self._states[status.task_id.value] = status.state
                self._told.set()
            batch.states[status.state] = batch.states.get(status.state, 0) + 1
            if status.state == "TASK_RUNNING":
                batch.running.append(time.perf_counter() - batch.accepted_at)
            elif status.state in TERMINAL:
                batch.left -= 1
                if batch.left == 0:
                    batch.done.set()
            if status.uuid is not None and status.agent_id is not None:
                acknowledge = {
                    "agent_id": {"value": status.agent_id.value},
                    "task_id": {"value": status.task_id.value},
                    "uuid": status.uuid,
                }
                body = self._call("ACKNOWLEDGE", "acknowledge", acknowledge)
                self._calls.send("POST", "/api/v1/scheduler", body, self._headers)


async def measure(
    singles: int = 40,
    bursts: int = 3,
    burst: int = 400,
    small: int = 1000,
    large: int = 5000,
    rounds: int = 5,
    bounded: int = 0,
) -> Report:
    """All three; ``failed_tasks`` counts what did not finish and must be 0 for the others to mean anything.

    ``bounded``: so many launches of each loop that does nothing else (``launch_bound``), beside the figures.
    """
    report = Report("agent")
    # Removed when all is measured: an ext4 without a journal goes past what was deleted lately with every new file.
    with tempfile.TemporaryDirectory(prefix="mesos-service-bench-") as work:
        async with launched_agent("--isolation=posix/cpu,posix/mem", work_dir=f"{work}/posix") as (agent, submitter):
            await _measure(report, submitter, agent, (singles, bursts, burst, small, large, rounds))
        if os.geteuid() == 0:
            rates, costs = await _under_cgroups(bursts, burst, f"{work}/cgroups")
            report.figures["cgroup_launches_per_second"] = statistics.median(rates)
            report.figures |= costs
            report.details["cgroup_rates"] = rates
    if bounded:
        report.figures |= bounds(bounded)
        report.legend |= BOUNDS
    return report


@contextlib.asynccontextmanager
async def launched_agent(*flags: str, work_dir: str | None = None) -> AsyncIterator[tuple[Running, Submitter]]:
    """A master with one agent of plenty, and a scheduler. Without ``work_dir``, what it leaves is removed."""
    with (
        tempfile.TemporaryDirectory(prefix="mesos-service-bench-")
        if work_dir is None
        else contextlib.nullcontext(work_dir)
    ) as work:
        async with running(
            "master", "--registry=in_memory", "--logging_level=WARNING", "--offer_timeout=1hrs"
        ) as master:
            common = (
                f"--master=127.0.0.1:{master.port}",
                f"--work_dir={work}",
                "--resources=cpus:1000;mem:1000000;disk:1000000;ports:[31000-32000]",
                "--logging_level=WARNING",
            )
            async with running("agent", *common, *flags) as agent:
                submitter = Submitter()
                await submitter.start(master.port)
                try:
                    yield agent, submitter
                finally:
                    submitter.close()


async def _under_cgroups(bursts: int, burst: int, work_dir: str) -> tuple[list[float], dict[str, float]]:
    """Launches per second, by burst, with processor and memory bounded; every task has to finish. And what one takes of
    processor time: the agent, its keeper, and the processes of the task."""
    flags = ("--isolation=cgroups/cpu,cgroups/mem", f"--cgroups_root=mesos_bench_{os.getpid()}")
    rates: list[float] = []
    async with launched_agent(*flags, work_dir=work_dir) as (agent, submitter):
        await submitter.run(1)  # Before, there is no keeper.
        begun = (agent.cpu_seconds(), *agent.kept_cpu_seconds())
        for _ in range(bursts):
            batch = await submitter.run(burst)
            rates.append(burst / (time.perf_counter() - batch.accepted_at))
            if batch.states.get("TASK_FINISHED", 0) != burst:
                raise RuntimeError(f"Under control groups not every task finished: {batch.states}")
        used = (agent.cpu_seconds(), *agent.kept_cpu_seconds())
    names = (f"cgroup_launch_{whose}_cpu_us" for whose in ("agent", "keeper", "task"))
    per_launch = ((after - before) / (bursts * burst) * 1e6 for before, after in zip(begun, used, strict=True))
    return rates, dict(zip(names, per_launch, strict=True))


async def _measure(report: Report, submitter: Submitter, agent: Running, sizes: Sizes) -> None:
    singles, bursts, burst, small, large, rounds = sizes
    failed = 0

    def count_failures(batch: Batch, expected: int) -> None:
        nonlocal failed
        failed += expected - batch.states.get("TASK_FINISHED", 0)

    to_running: list[float] = []
    to_end: list[float] = []
    for _ in range(singles):
        batch = await submitter.run(1)
        to_running += batch.running
        to_end.append(time.perf_counter() - batch.accepted_at)
        count_failures(batch, 1)
    rates: list[float] = []
    cpu = agent.cpu_seconds()
    for _ in range(bursts):
        batch = await submitter.run(burst)
        rates.append(burst / (time.perf_counter() - batch.accepted_at))
        count_failures(batch, burst)
    cpu = agent.cpu_seconds() - cpu
    await submitter.run(1, executor="bench")  # Its start-up is not what is measured.
    # In turns, so that what else the machine does, and what the agent has grown to by then, falls on both sizes.
    walls: dict[int, list[float]] = {small: [], large: []}
    cpus: dict[int, list[float]] = {small: [], large: []}
    for _ in range(rounds):
        for count in (small, large):
            before = agent.cpu_seconds()
            batch = await submitter.run(count, executor="bench")
            walls[count].append((time.perf_counter() - batch.accepted_at) / count)
            cpus[count].append((agent.cpu_seconds() - before) / count)
            count_failures(batch, count)
    per_task = {count: statistics.median(times) for count, times in walls.items()}
    cpu_per_task = {count: statistics.median(times) for count, times in cpus.items()}
    report.figures = {
        "launches_per_second": statistics.median(rates),
        "accept_to_running_p50_ms": percentile(to_running, 0.5) * 1000,
        "accept_to_running_p95_ms": percentile(to_running, 0.95) * 1000,
        "accept_to_finished_p50_ms": percentile(to_end, 0.5) * 1000,
        "task_cost_ratio_5000_to_1000": per_task[large] / per_task[small],
        "task_cpu_ratio_5000_to_1000": cpu_per_task[large] / cpu_per_task[small],
        "executor_tasks_per_second_1000": 1 / per_task[small],
        "executor_tasks_per_second_5000": 1 / per_task[large],
        "agent_cpu_us_per_launch": cpu / (bursts * burst) * 1e6,
        "agent_rss_mb": agent.rss_mb(),
        "failed_tasks": failed,
    }
    report.details = {
        "burst": burst,
        "rates": rates,
        "small": small,
        "large": large,
        "us_per_task_small": [time * 1e6 for time in walls[small]],
        "us_per_task_large": [time * 1e6 for time in walls[large]],
        "agent_cpu_us_per_task_small": [time * 1e6 for time in cpus[small]],
        "agent_cpu_us_per_task_large": [time * 1e6 for time in cpus[large]],
    }
