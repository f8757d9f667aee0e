"""A custom executor written with the SDK, as a real process under a real agent (M-EX-01, M-EX-02, M-SC-11)."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from mesos_service.agent.executor_socket import ExecutorSocket
from mesos_service.domain.errors import ConfigurationError
from mesos_service.http.asgi import Receive, Scope, Send
from mesos_service.local import LocalCluster
from mesos_service.sdk import Scheduler, custom_executor, task
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus

ROOT = Path(__file__).resolve().parents[2]

PROGRAM = """
import asyncio
from mesos_service.sdk.executor import Executor

class Echo(Executor):
    async def launch(self, task):
        await self.update(task.task_id.value, "TASK_RUNNING", data=b"started")

    async def message(self, data):
        await self.send(b"heard " + data)

    async def kill(self, task_id, grace_seconds):
        await self.update(task_id, "TASK_KILLED", "as the scheduler wished")

    async def shutdown(self):
        print("shut down", flush=True)

asyncio.run(Echo().run())
"""


class Conversation(Scheduler):
    """Two tasks on one executor: says a word to it, kills both, and ends."""

    def __init__(self, master: str, program: Path, beginning: str = "") -> None:
        super().__init__("conversation", master, failover_timeout_seconds=0)
        command = f"PYTHONPATH={ROOT} exec {beginning} {sys.executable} {program}"
        self.executor = custom_executor("echo", command, "cpus:0.1;mem:64")
        self.told: list[tuple[str, str, str]] = []
        self.messages: list[bytes] = []
        self.failures: list[tuple[str | None, int | None]] = []
        self._launched = False

    async def offers(self, offers: Sequence[Offer]) -> None:
        if self._launched:
            await self.decline(*offers)
            return
        self._launched = True
        pair = [task(name, offers[0], "cpus:0.1;mem:32", executor=self.executor) for name in ("a", "b")]
        await self.launch(offers[0], *pair)

    async def update(self, status: TaskStatus) -> None:
        self.told.append((status.task_id.value, status.state, status.message or ""))
        assert status.agent_id is not None
        if [state for _, state, _ in self.told] == ["TASK_RUNNING"] * 2:
            assert status.data == b"started"
            await self.send(status.agent_id.value, "echo", b"hello")
        if [state for _, state, _ in self.told].count("TASK_KILLED") == 2:
            await self.shutdown_executor("echo", status.agent_id.value)

    async def message(self, agent_id: str, executor_id: str, data: bytes) -> None:
        self.messages.append(data)
        await self.kill("a")
        await self.kill("b")

    async def failure(self, agent_id: str | None, executor_id: str | None, status: int | None) -> None:
        self.failures.append((executor_id, status))
        await self.teardown()


def test_m_ex_01_m_ex_02_m_sc_11_an_executor_and_its_scheduler_talk(tmp_path: Path) -> None:
    program = tmp_path / "echo.py"
    program.write_text(PROGRAM)

    async def run() -> Conversation:
        async with asyncio.timeout(40), LocalCluster(agents=1, work_dir=tmp_path / "cluster") as cluster:
            scheduler = Conversation(cluster.master, program)
            await scheduler.run()
            return scheduler

    has_talked(asyncio.run(run()), tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="making namespaces takes root")
def test_m_ex_07_an_executor_without_any_network_talks_by_a_unix_socket(tmp_path: Path) -> None:
    """Before and after another agent of the same place had been killed, which leaves the file behind."""
    program = tmp_path / "echo.py"
    program.write_text(PROGRAM)
    with tempfile.TemporaryDirectory() as short:
        place = Path(short, "agent.sock")
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(place))

        async def run() -> Conversation:
            flags = {"http_executor_domain_sockets": True, "domain_socket_location": place}
            async with (
                asyncio.timeout(40),
                LocalCluster(agents=1, work_dir=tmp_path / "cluster", agent_flags=flags) as cluster,
            ):
                transport = httpx.AsyncHTTPTransport(uds=str(place))
                async with httpx.AsyncClient(transport=transport, base_url="http://agent") as client:
                    assert [(await client.get(path)).status_code for path in ("/state", "/", "/api/v1")] == [404] * 3
                    assert (await client.post("/api/v1/executor", json={})).status_code == 400
                scheduler = Conversation(cluster.master, program, f"{shutil.which('unshare')} --net --")
                await scheduler.run()
                return scheduler

        has_talked(asyncio.run(run()), tmp_path)
        assert not place.exists()


def test_m_ex_07_a_socket_that_cannot_be_is_told(tmp_path: Path) -> None:
    async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nobody asks")

    async def body(place: Path) -> None:
        await ExecutorSocket(place, nobody, ("/api/v1/executor",)).start()

    with pytest.raises(ConfigurationError, match=r"too long for a socket.*--domain_socket_location"):
        asyncio.run(body(tmp_path / ("long" * 30)))
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as other:
        place = Path(short, "agent.sock")
        other.bind(str(place))
        other.listen()
        with pytest.raises(ConfigurationError, match=r"somebody listens at .* already"):
            asyncio.run(body(place))
        assert place.is_socket(), "it is left alone"
        Path(short, "file").write_text("of somebody")
        with pytest.raises(ConfigurationError, match=r"cannot listen at .*file"):
            asyncio.run(body(Path(short, "file")))
        assert Path(short, "file").read_text() == "of somebody"


def has_talked(scheduler: Conversation, tmp_path: Path) -> None:
    assert sorted(scheduler.told) == [
        ("a", "TASK_KILLED", "as the scheduler wished"),
        ("a", "TASK_RUNNING", ""),
        ("b", "TASK_KILLED", "as the scheduler wished"),
        ("b", "TASK_RUNNING", ""),
    ]
    assert scheduler.messages == [b"heard hello"]
    assert scheduler.failures == [("echo", 0)]
    (output,) = {found.resolve() for found in (tmp_path / "cluster").rglob("runs/*/stdout")}
    assert output.read_text().endswith("shut down\n")
