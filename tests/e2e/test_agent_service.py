"""Agents under a real master: tasks, executors, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from pathlib import Path

import psutil

from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.sdk import tasks
from tests.e2e.frameworks import NEEDS, Framework, play, subscribed, task_processes
from tests.support.asking import patient_client
from tests.support.children import running_with, runs

ROOT = Path(__file__).resolve().parents[2]


def entries(folder: Path) -> list[str]:
    return [one.name for one in folder.iterdir()]


async def read(agent: str, path: str) -> str:
    async with patient_client() as client:
        answer = await client.get(f"http://{agent}/files/read", params={"path": path, "offset": "0"})
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"])


async def until_reads(agent: str, path: str, text: str) -> None:
    async with asyncio.timeout(60):
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
            go = tmp_path / "go"
            await framework.run_tasks(
                lambda offer: tasks.launch_group(
                    executor,
                    tasks.task("main", offer, NEEDS, f"while [ ! -e {go} ]; do sleep 0.05; done; exit 1"),
                    tasks.task("sidecar", offer, NEEDS, "sleep 1000"),
                )
            )
            for name in ("main", "sidecar"):
                await framework.reaches(name, "STARTING", "RUNNING")
            go.touch()
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
            async with asyncio.timeout(60):
                while service.containerizer.containers() or task_processes():  # noqa: ASYNC110 - others' processes
                    await asyncio.sleep(0.01)

    play(scenario)


def test_an_agent_that_leaves_takes_its_tasks_along_and_its_offers_are_rescinded(tmp_path: Path) -> None:
    async def scenario() -> None:
        specs = [AgentSpec(resources="cpus:1;mem:64"), AgentSpec(resources="cpus:2;mem:64")]
        async with LocalCluster(specs, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            await framework.until(lambda: len(framework.held) == 2)
            leaving = next(offer for offer in framework.held if tasks.available(offer).scalar("cpus") == 1_000)
            framework.held.remove(leaving)
            [other] = framework.held
            launched = tasks.launch(tasks.task("t", leaving, NEEDS, "sleep 1000"))
            await framework.accept([leaving], [launched], refuse_seconds=0)
            await framework.reaches("t", "STARTING", "RUNNING")
            # What the task has left is offered again, and rescinded with its agent.
            await framework.until(lambda: len(framework.held) == 2)
            await cluster.stop_agent(0)
            assert not task_processes()
            await framework.until(lambda: len(framework.states("t")) >= 3)
            await framework.until(lambda: [offer.id for offer in framework.held] == [other.id])

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
    # What tests before this one have left is not to go in between.
    gc.collect()
    before = descriptors()
    play(one_cluster)
    gc.collect()
    assert descriptors() <= before


def test_m_ag_16_an_agent_ends_for_good_by_signal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(work_dir=tmp_path, processes=True) as cluster, subscribed(cluster) as framework:
            await framework.run_tasks(lambda offer: tasks.task("t", offer, NEEDS, "sleep 1000"))
            await framework.reaches("t", "STARTING", "RUNNING")
            agent = running_with("agent")[0]
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
            agent = running_with("agent")[0]
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
        async with patient_client() as client:
            assert (await client.get(f"{master}/health")).status_code == 200
            assert (await client.get(f"{master}/state")).json()["activated_slaves"] == 2
        assert entries(tmp_path)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            await process.stderr.read()
            assert await process.wait() == 0
        assert not entries(tmp_path)

    play(scenario)
