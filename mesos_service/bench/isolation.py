"""``bench isolation``: what a web server suffers beside a hog, with and without control groups (Mesos paper, 6.5; P-7).

The paper ran MediaWiki on Apache beside a hog of 256 spinning processes, both with equal shares, and found latencies
550 % higher without isolation and 30 % higher with Linux containers. Here a pre-fork server and such a hog are tasks of
one agent that each ask for as many processors, and requests come at a fixed rate, whether or not answers do. Who asks
runs before everybody else (a real-time priority), since its own waiting is not what is measured. The rest is in a
group that outweighs whatever else runs on the machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from mesos_service.bench import prefork
from mesos_service.bench.agent import Submitter, launched_agent
from mesos_service.bench.plot import Bars
from mesos_service.bench.report import Report, percentile
from mesos_service.cgroups.group import PROCESSES_FILE, Group
from mesos_service.cgroups.hierarchy import Hierarchy, find, mounted
from mesos_service.cgroups.isolator import SUBTREE_FILE
from mesos_service.cgroups.steps import Make, Write, perform
from mesos_service.domain.errors import ConfigurationError
from mesos_service.local.ports import fixed_port

HOG_PROCESSES: Final = 256
WORKERS: Final = 16
REQUEST_SECONDS: Final = 0.005
"""What a request costs of an idle processor."""
REQUESTS_PER_SECOND: Final = 40
START_SECONDS_MAX: Final = 20.0
ANSWER_SECONDS_MAX: Final = 10.0
SHARES: Final = (0.5, 0.95, 0.99)
POSIX: Final = "posix/cpu,posix/mem"
CGROUPS: Final = "cgroups/cpu,cgroups/mem"


@dataclass(slots=True)
class Setting:
    """One way to run the server, and how long its answers took, in seconds."""

    name: str
    isolation: str
    hog: bool
    latencies: list[float] = field(default_factory=list)
    unanswered: int = 0

    def milliseconds(self, share: float) -> float:
        return percentile(self.latencies, share) * 1000


def settings() -> list[Setting]:
    """All of them, the one that others are compared with first."""
    return [
        Setting("alone", POSIX, hog=False),
        Setting("without_isolation", POSIX, hog=True),
        Setting("with_isolation", CGROUPS, hog=True),
    ]


async def measure(seconds: float = 20.0) -> Report:
    """The three settings, one after the other, each for so long.

    Raises:
        ConfigurationError: control groups take root.
    """
    if os.geteuid() != 0:
        raise ConfigurationError("the benchmark 'isolation' makes control groups, which takes root")
    report = Report("isolation")
    iterations = _iterations(REQUEST_SECONDS)
    found = settings()
    with _Heavy() as heavy:
        for setting in found:
            await _measure(setting, seconds, iterations, heavy)
    alone = found[0]
    for setting in found:
        for share in SHARES:
            report.figures[f"{setting.name}_p{share * 100:g}_ms"] = setting.milliseconds(share)
        report.figures[f"{setting.name}_unanswered"] = setting.unanswered
        if setting is not alone:
            rise = setting.milliseconds(0.95) / alone.milliseconds(0.95) - 1
            report.figures[f"{setting.name}_p95_rise_percent"] = rise * 100
    report.details = {
        "requests": {one.name: len(one.latencies) for one in found},
        "hog_processes": HOG_PROCESSES,
        "requests_per_second": REQUESTS_PER_SECOND,
        "request_cpu_ms": REQUEST_SECONDS * 1000,
    }
    report.legend = {
        "with_isolation_p95_rise_percent": "above 'alone'; the paper has 30 with isolation and 550 without",
        "..._unanswered": f"of {REQUESTS_PER_SECOND * seconds:g} requests, within {ANSWER_SECONDS_MAX:g} s",
    }
    report.plot = Bars(
        title=f"A web server beside {HOG_PROCESSES} spinning processes",
        unit="latency, ms (logarithmic)",
        groups=[one.name.replace("_", " ") for one in found],
        series={f"p{share * 100:g}": [one.milliseconds(share) for one in found] for share in SHARES},
    ).svg()
    return report


class _Heavy:
    """A group of the greatest weight, for this process while it starts others, which are born there.

    Raises:
        ConfigurationError: there are no control groups for processors.
    """

    def __init__(self) -> None:
        hierarchies = mounted(Path("/"), Path("/sys/fs/cgroup"))
        tree = find(hierarchies, 1, "cpu") or find(hierarchies, 2, "cpu")
        if tree is None:
            raise ConfigurationError("the benchmark 'isolation' needs control groups with the controller 'cpu'")
        self.name = f"mesos_bench_{os.getpid()}"
        self._tree = tree
        self._before = _own_group(tree)
        self._top = Group(tree.mount / self.name, tree.version)
        self._rest = Group(self._top.path / "rest", tree.version)

    def __enter__(self) -> _Heavy:
        weight = ("cpu.shares", "262144") if self._tree.version == 1 else ("cpu.weight", "10000")
        hand_on = [Write(self._tree.mount / SUBTREE_FILE, "+cpu")] if self._tree.version == 2 else []
        top = self._top.path
        perform([*hand_on, Make(top), Write(top / weight[0], weight[1]), Make(self._rest.path)])
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()
        for group in (self._rest, self._top):
            group.remove_if_empty()

    def enter(self) -> None:
        """From now on, be in there, and whoever is started."""
        perform([Write(self._rest.path / PROCESSES_FILE, str(os.getpid()))])

    def leave(self) -> None:
        """Be where it was before, alone."""
        perform([Write(self._before / PROCESSES_FILE, str(os.getpid()))])


def _own_group(tree: Hierarchy) -> Path:
    """Where this process is now."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if (tree.version == 1 and "cpu" in controllers.split(",")) or (tree.version == 2 and not controllers):
            return tree.mount / path.lstrip("/")
    return tree.mount


async def _measure(setting: Setting, seconds: float, iterations: int, heavy: _Heavy) -> None:
    flags = (f"--isolation={setting.isolation}", f"--cgroups_root={heavy.name}/mesos")
    heavy.enter()
    async with launched_agent(*flags) as (_, submitter):
        port = fixed_port()
        server = f"exec {sys.executable} -I -S {prefork.__file__} {port} {WORKERS} {iterations}"
        await submitter.begin("web", server, cpus=1, mem=256)
        await _await_answer(port)
        if setting.hog:
            spin = f"n=0; while [ $n -lt {HOG_PROCESSES} ]; do (while :; do :; done) & n=$((n + 1)); done; wait"
            await submitter.begin("hog", spin, cpus=1, mem=256)
            await _settle(submitter)
        heavy.leave()
        _run_first()
        try:
            await _ask(setting, port, seconds)
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


async def _settle(submitter: Submitter) -> None:
    """Until all of the hog spins: then its offspring has been there for a while."""
    assert submitter.is_running("hog"), "begin waits for that"
    await asyncio.sleep(3.0)


def _run_first() -> None:
    os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


async def _ask(setting: Setting, port: int, seconds: float) -> None:
    """Requests at a fixed rate, each on a connection of its own."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    asking: list[asyncio.Task[None]] = []
    for number in range(int(seconds * REQUESTS_PER_SECOND)):
        await asyncio.sleep(max(0.0, begin + number / REQUESTS_PER_SECOND - loop.time()))
        asking.append(asyncio.create_task(_request(setting, port)))
    await asyncio.gather(*asking)


async def _request(setting: Setting, port: int) -> None:
    begin = time.perf_counter()
    try:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            await _one_answer(port)
    except (TimeoutError, OSError):
        setting.unanswered += 1
        return
    setting.latencies.append(time.perf_counter() - begin)


async def _one_answer(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        if not (await reader.read()).endswith(b"ok\n"):
            raise ConnectionError("half an answer")
    finally:
        writer.close()


async def _await_answer(port: int) -> None:
    async with asyncio.timeout(START_SECONDS_MAX):
        while True:
            try:
                await _one_answer(port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                return


def _iterations(seconds: float) -> int:
    """How many turns of the server's loop take so long, by this process's processor time."""
    turns = 20_000
    best = float("inf")
    for _ in range(10):
        begin = time.process_time()
        prefork.work(turns)
        best = min(best, time.process_time() - begin)
    return int(turns * seconds / best)
