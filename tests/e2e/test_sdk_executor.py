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

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.executor_socket import ExecutorSocket
from mesos_service.domain.errors import ConfigurationError
from mesos_service.http.asgi import Receive, Scope, Send
from mesos_service.local import LocalCluster
from mesos_service.sdk import Scheduler, custom_executor, task
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus
from tests.support.asking import patient_client

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
        async with asyncio.timeout(120), LocalCluster(agents=1, work_dir=tmp_path / "cluster") as cluster:
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
                asyncio.timeout(120),
                LocalCluster(agents=1, work_dir=tmp_path / "cluster", agent_flags=flags) as cluster,
            ):
                transport = httpx.AsyncHTTPTransport(uds=str(place))
                async with patient_client(transport=transport, base_url="http://agent") as client:
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

    # Before an agent is started, and its place taken from the one that runs.
    for name, why in (("long" * 30, "too long for a socket"), ("", "there can be no socket"), ("\0", "no socket")):
        asked = {"master": "127.0.0.1:5050", "work_dir": tmp_path, "http_executor_domain_sockets": True}
        config = AgentConfig.load({**asked, "domain_socket_location": f"{tmp_path}/{name}"})
        with pytest.raises(ConfigurationError, match=rf"{why}.*--domain_socket_location"):
            config.prepare(make=False)
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


def test_m_ex_07_what_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """By an agent that could not start, by one whose place another has taken, and where the other is busy."""

    async def nobody(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("nobody asks")

    async def body(place: Path) -> None:
        paths = ("/api/v1/executor",)
        refused = ExecutorSocket(place, nobody, paths)
        with socket.socket(socket.AF_UNIX) as other, socket.socket(socket.AF_UNIX) as asking:
            other.bind(str(place))
            other.listen(0)
            asking.connect(str(place))  # It takes no more: a further one would wait.
            with pytest.raises(ConfigurationError, match=r"somebody listens at .* already"):
                await asyncio.wait_for(refused.start(), 60)
            await refused.stop()
            assert is_there(place)
        first, second = ExecutorSocket(place, nobody, paths), ExecutorSocket(place, nobody, paths)
        await first.start()
        os.rename(place, place.with_name("aside"))  # noqa: PTH104 - pathlib's is not for coroutines, either
        await second.start()
        await first.stop()
        assert is_there(place), "it is the second one's"
        await second.stop()
        assert not is_there(place)

    with tempfile.TemporaryDirectory() as short:
        asyncio.run(body(Path(short, "agent.sock")))


@pytest.mark.skipif(os.geteuid() != 0, reason="being somebody else takes root")
def test_m_ex_07_executors_of_other_users_reach_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where nobody says where it is to be, too; whoever puts it where they cannot come is told."""

    async def body(directory: Path, **flags: object) -> str:
        asked = {"http_executor_domain_sockets": True, **flags}
        async with LocalCluster(agents=1, work_dir=directory / "c", agent_flags=asked):
            return reached_by_nobody(directory)

    def reached_by_nobody(directory: Path) -> str:
        (place,) = directory.rglob("agent.sock")
        with socket.socket(socket.AF_UNIX) as asking:
            os.seteuid(65534)
            try:
                return os.strerror(asking.connect_ex(str(place)))
            finally:
                os.seteuid(0)

    with tempfile.TemporaryDirectory() as short:
        directory = Path(short)
        directory.chmod(0o755)
        assert asyncio.run(body(directory)) == os.strerror(0)
        assert "do not reach" not in caplog.text
        (directory / "closed").mkdir(mode=0o700)
        away = directory / "closed" / "agent.sock"
        assert asyncio.run(body(directory, domain_socket_location=away)) == "Permission denied"
        assert f"they may not pass through {directory / 'closed'}" in caplog.text


def is_there(place: Path) -> bool:
    return place.is_socket()


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
