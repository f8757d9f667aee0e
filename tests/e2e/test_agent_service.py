"""Agents under a real master: tasks, executors, and nothing left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import httpx
import psutil
import uvloop

from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.sdk import tasks
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.wire.offers import Offer, OfferOperation
from mesos_service.wire.tasks import TaskInfo, TaskStatus
from tests.support.children import living_children, runs
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
NEEDS = "cpus:0.1;mem:16"


class Framework(Scheduler):
    """Keeps what it is told. Offers are held until somebody asks for one."""

    def __init__(self, master: str) -> None:
        super().__init__("e2e", master, failover_timeout_seconds=0)
        self.held: list[Offer] = []
        self.seen: dict[str, list[TaskStatus]] = {}
        self.failures: list[tuple[str | None, str | None, int | None]] = []
        self._news = asyncio.Event()

    async def offers(self, offers: Sequence[Offer]) -> None:
        self.held.extend(offers)
        self._news.set()

    async def rescind(self, offer_id: str) -> None:
        self.held = [offer for offer in self.held if offer.id.value != offer_id]

    async def update(self, status: TaskStatus) -> None:
        self.seen.setdefault(status.task_id.value, []).append(status)
        self._news.set()

    async def failure(self, agent_id: str | None, executor_id: str | None, status: int | None) -> None:
        self.failures.append((agent_id, executor_id, status))
        self._news.set()

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(30 * PATIENCE):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def an_offer(self) -> Offer:
        await self.until(lambda: self.held)
        return self.held.pop()

    async def run_tasks(self, make: Callable[[Offer], TaskInfo | OfferOperation]) -> Offer:
        """Use one offer for what ``make`` makes of it."""
        offer = await self.an_offer()
        made = make(offer)
        await self.accept([offer], [made if isinstance(made, OfferOperation) else tasks.launch(made)], refuse_seconds=0)
        return offer

    def states(self, task_id: str) -> list[str]:
        return [status.state.removeprefix("TASK_") for status in self.seen.get(task_id, [])]

    async def reaches(self, task_id: str, *states: str) -> TaskStatus:
        ended = {"FINISHED", "FAILED", "KILLED", "DROPPED", "ERROR", "LOST"}
        await self.until(lambda: len(self.states(task_id)) >= len(states) or ended.intersection(self.states(task_id)))
        assert self.states(task_id) == list(states), self.seen[task_id]
        return self.seen[task_id][-1]


FrameworkT = TypeVar("FrameworkT", bound=Framework)


@contextlib.asynccontextmanager
async def subscribed_as(kind: type[FrameworkT], cluster: LocalCluster) -> AsyncIterator[FrameworkT]:
    """A framework of this kind, until the end of the context."""
    framework = kind(cluster.master)
    running = asyncio.create_task(framework.run())
    try:
        yield framework
        await framework.teardown()
    finally:
        framework.stop()
        await asyncio.wait((running,))
        running.result()


def subscribed(cluster: LocalCluster) -> contextlib.AbstractAsyncContextManager[Framework]:
    return subscribed_as(Framework, cluster)


def play(scenario: Callable[[], Awaitable[None]], seconds: float = 90) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(scenario(), seconds * PATIENCE))
    assert not living_children(), "something outlived its cluster"


def task_processes() -> list[psutil.Process]:
    """What tasks run: everything but the keepers that keep it."""
    return [one for one in living_children() if not any(part.endswith("keeper.py") for part in one.cmdline())]


def entries(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


async def read(agent: str, path: str) -> str:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://{agent}/files/read", params={"path": path})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"])


async def until_reads(agent: str, path: str, text: str) -> None:
    async with asyncio.timeout(20):
        while await read(agent, path) != text:  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)


def latest(framework: Framework, executor_id: str) -> str:
    return f"/frameworks/{framework.framework_id}/executors/{executor_id}/runs/latest"


def test_m_ag_02_m_le_03_a_command_task_runs_and_its_output_can_be_read(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            await framework.run_tasks(lambda offer: tasks.task("hello", offer, NEEDS, "echo hello; echo again >&2"))
            last = await framework.reaches("hello", "STARTING", "RUNNING", "FINISHED")
            assert last.container_status is not None
            [agent] = cluster.agents
            assert await read(agent, f"{latest(framework, 'hello')}/stdout") == "hello\n"
            assert await read(agent, f"{latest(framework, 'hello')}/stderr") == "again\n"

    play(scenario)


def test_m_ex_06_a_group_runs_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            executor = tasks.default_executor("pod", "cpus:0.1;mem:32")
            await framework.run_tasks(
                lambda offer: tasks.launch_group(
                    executor,
                    tasks.task("main", offer, NEEDS, "sleep 0.1; exit 1"),
                    tasks.task("sidecar", offer, NEEDS, "sleep 1000"),
                )
            )
            failed = await framework.reaches("main", "STARTING", "RUNNING", "FAILED")
            assert failed.message == "Command exited with status 1"
            await framework.reaches("sidecar", "STARTING", "RUNNING", "KILLED")
            await framework.until(lambda: framework.failures)
            assert framework.failures[0][1:] == ("pod", 0)

    play(scenario)


EXECUTOR = """
import asyncio
from mesos_service.sdk.executor import Executor
from mesos_service.wire.tasks import TaskInfo

class Echo(Executor):
    async def launch(self, task: TaskInfo) -> None:
        await self.update(task.task_id.value, "TASK_RUNNING")
        print(task.data.decode(), flush=True)
        await self.update(task.task_id.value, "TASK_FINISHED", data=task.data)

asyncio.run(Echo().run())
"""


def test_m_ex_01_a_custom_executor_of_several_tasks(tmp_path: Path) -> None:
    script = tmp_path / "executor.py"
    script.write_text(EXECUTOR)

    async def scenario() -> None:
        async with LocalCluster(work_dir=tmp_path / "cluster") as cluster, subscribed(cluster) as framework:
            command = tasks.command_info([sys.executable, str(script)], environment={"PYTHONPATH": str(ROOT)})
            executor = tasks.custom_executor("echo", command, "cpus:0.1;mem:32")
            await framework.run_tasks(
                lambda offer: tasks.launch(
                    *(
                        tasks.task(f"e{number}", offer, NEEDS, executor=executor, data=f"task {number}".encode())
                        for number in range(3)
                    )
                )
            )
            for number in range(3):
                last = await framework.reaches(f"e{number}", "RUNNING", "FINISHED")
                assert last.data == f"task {number}".encode()
            out = await read(cluster.agents[0], f"{latest(framework, 'echo')}/stdout")
            assert out.split("\n")[:3] == ["task 0", "task 1", "task 2"]

    play(scenario)


def test_x56_teardown_leaves_no_process(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(work_dir=tmp_path) as cluster:
            async with subscribed(cluster) as framework:
                await framework.run_tasks(
                    lambda offer: tasks.task("stubborn", offer, NEEDS, "trap '' TERM; sleep 1000 & sleep 1000; sleep 1")
                )
                await framework.reaches("stubborn", "STARTING", "RUNNING")
                [service] = cluster.agent_services
                assert service.containerizer.containers()
            async with asyncio.timeout(20):
                while service.containerizer.containers() or task_processes():  # noqa: ASYNC110 - others' processes
                    await asyncio.sleep(0.01)

    play(scenario)


def test_an_agent_that_leaves_takes_its_tasks_along_and_its_offers_are_rescinded(tmp_path: Path) -> None:
    async def scenario() -> None:
        specs = [AgentSpec(resources="cpus:1;mem:64"), AgentSpec(resources="cpus:2;mem:64")]
        async with LocalCluster(specs, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            await framework.until(lambda: len(framework.held) == 2)
            leaving = next(offer for offer in framework.held if tasks.available(offer).scalar("cpus") == 1_000)
            await framework.accept([leaving], [tasks.launch(tasks.task("t", leaving, NEEDS, "sleep 1000"))])
            framework.held.remove(leaving)
            await framework.reaches("t", "STARTING", "RUNNING")
            await cluster.stop_agent(0)
            await framework.until(lambda: len(framework.states("t")) == 3)
            assert not task_processes()
            assert len(framework.held) == 1

    play(scenario)


def test_no_descriptor_is_left_when_a_cluster_ends(tmp_path: Path) -> None:
    def descriptors() -> int:
        return int(psutil.Process().num_fds())

    async def one_cluster() -> None:
        async with LocalCluster(2, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            await framework.run_tasks(lambda offer: tasks.task("t", offer, NEEDS, "true"))
            await framework.reaches("t", "STARTING", "RUNNING", "FINISHED")
            framework.seen.clear()

    play(one_cluster)
    before = descriptors()
    play(one_cluster)
    assert descriptors() <= before


def test_m_ag_16_an_agent_ends_for_good_by_signal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(work_dir=tmp_path, processes=True) as cluster, subscribed(cluster) as framework:
            await framework.run_tasks(lambda offer: tasks.task("t", offer, NEEDS, "sleep 1000"))
            await framework.reaches("t", "STARTING", "RUNNING")
            agent = next(one for one in living_children() if "agent" in one.cmdline())
            below = agent.children(recursive=True)
            assert below
            os.kill(agent.pid, signal.SIGUSR1)
            status = await cluster.ended()
            assert status == 0
            assert not any(map(runs, below))

    play(scenario)


def test_a_second_signal_ends_an_agent_at_once(tmp_path: Path) -> None:
    async def scenario() -> None:
        patient = AgentSpec(flags={"executor_shutdown_grace_period": "10mins"})
        async with (
            LocalCluster([patient], work_dir=tmp_path, processes=True) as cluster,
            subscribed(cluster) as framework,
        ):
            await framework.run_tasks(
                lambda offer: tasks.task(
                    "t",
                    offer,
                    NEEDS,
                    "trap 'echo told' TERM; echo ready; while :; do sleep 1; done",
                    kill_grace_seconds=600,
                )
            )
            await framework.reaches("t", "STARTING", "RUNNING")
            out = f"{latest(framework, 't')}/stdout"
            await until_reads(cluster.agents[0], out, "ready\n")
            agent = next(one for one in living_children() if "agent" in one.cmdline())
            below = agent.children(recursive=True)
            os.kill(agent.pid, signal.SIGUSR1)
            await until_reads(cluster.agents[0], out, "ready\ntold\n")
            os.kill(agent.pid, signal.SIGUSR1)
            assert await cluster.ended() == 1
            assert not any(map(runs, below))

    play(scenario)


def test_m_ha_15_one_command_is_a_cluster_that_tells_where_it_is_and_cleans_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mesos_service.cli.main", "local", "--agents", "2", "--port=0"),
            stderr=asyncio.subprocess.PIPE,
            env=environment,
        )
        assert process.stderr is not None
        said: list[str] = []
        while "Ctrl-C" not in (line := (await process.stderr.readline()).decode()):
            assert line, said
            said.append(line)
        assert sum(line.startswith("agent ") for line in said) == 2
        master = next(line.split()[1] for line in said if line.startswith("master "))
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{master}/health")).status_code == 200
            assert (await client.get(f"{master}/state")).json()["activated_slaves"] == 2
        assert entries(tmp_path)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(20):
            await process.stderr.read()
            assert await process.wait() == 0
        assert not entries(tmp_path)

    play(scenario)
