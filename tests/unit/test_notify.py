"""What a supervisor hears: a datagram socket stands for systemd's, as sd_notify(3) describes it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesos_service.notify import ALIVE, READY, STOPPING, Supervisor
from mesos_service.runner import serve_until_signalled


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(60)
        yield receiver


def hear(receiver: socket.socket) -> str:
    return receiver.recv(1024).decode()


class Idle:
    """A service with nothing to do."""

    async def start(self) -> None: ...
    async def stop(self) -> None: ...


def test_m_ha_13_a_service_says_when_it_is_ready_and_when_it_ends(
    systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", systemd.getsockname())

    async def over() -> int:
        return 3

    assert asyncio.run(serve_until_signalled(Idle(), over)) == 3
    assert [hear(systemd), hear(systemd)] == [READY, STOPPING]
    assert "NOTIFY_SOCKET" not in os.environ, "tasks must not speak for the agent"


def test_m_ha_13_a_turning_loop_feeds_the_watchdog(systemd: socket.socket) -> None:
    environment = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "30000", "WATCHDOG_PID": str(os.getpid())}

    async def live() -> list[str]:
        supervisor = Supervisor(environment)
        supervisor.ready()
        heard = [await asyncio.to_thread(hear, systemd) for _ in range(4)]
        supervisor.stopped()
        return heard

    assert asyncio.run(live()) == [READY, ALIVE, ALIVE, ALIVE]
    assert environment == {}


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"},
    ],
    ids=str,
)
def test_a_watchdog_that_does_not_wait_for_us_is_not_fed(environment: dict[str, str]) -> None:
    supervisor = Supervisor(environment)
    assert supervisor.watchdog_seconds is None
    supervisor.ready()


def test_a_supervisor_that_is_gone_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Supervisor({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).ready()
    assert "was not told READY=1" in caplog.text


def test_an_abstract_socket_is_reached() -> None:
    name = f"mesos-service-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(60)
        Supervisor({"NOTIFY_SOCKET": f"@{name}"}).tell(STOPPING)
        assert hear(receiver) == STOPPING
