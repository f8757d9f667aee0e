"""Who listens at a port that is not his (M-AG-11)."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from mesos_service.containers.containerizer import Members
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resource import Resource, ResourceKey
from mesos_service.domain.resources import Resources
from mesos_service.domain.values import Ranges
from mesos_service.plugins.isolator import ContainerConfig
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from modules.isolators.network_ports import NetworkPorts, listening_ports
from tests.unit.containers.room import RESOURCES, cid, room, run_asyncio, until

LISTEN = """
import socket, sys, time
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(one.getsockname()[1] for one in held), flush=True)
time.sleep(1000)
"""


def make(host: Members, **flags: Any) -> NetworkPorts:  # Any: whatever its Config takes
    isolator = NetworkPorts(host, read_config(load(ISOLATORS, "network/ports"), flags))
    assert isinstance(isolator, NetworkPorts)
    return isolator


def with_ports(*ports: int) -> Resources:
    return RESOURCES + Resources([Resource(ResourceKey("ports"), Ranges.of((port, port) for port in ports))])


def test_m_ag_11_a_listener_at_a_strange_port_is_a_breach(tmp_path: Path) -> None:
    """A child of the shell listens, on two ports, of which the container is then given one."""

    async def body() -> None:
        host = Members()
        isolator = make(host, enforce_container_ports=True, container_ports_watch_interval=0.02)
        async with room(tmp_path, [isolator], host) as here:
            (tmp_path / "listen.py").write_text(LISTEN)
            await here.shell("c", f"{sys.executable} {tmp_path}/listen.py; true")
            ours, stray = map(int, (await here.said("c"))[0].split())
            await isolator.update(cid("c"), with_ports(ours), {})
            await until(lambda: here.limitations)
            [(_, told)] = here.limitations
            assert told.reason == "REASON_CONTAINER_LIMITATION"
            assert str(stray) in told.message

    run_asyncio(body())


def test_m_ag_11_ports_that_are_held_are_nobodys_business(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        host = Members()
        isolator = make(host, container_ports_watch_interval=0.02)
        async with room(tmp_path, [isolator], host) as here:
            with socket.create_server(("127.0.0.1", 0)) as others:
                plan = here.plan("c", sys.executable, "-c", LISTEN)
                await here.containerizer.launch(plan)
                first, second = map(int, (await here.said("c"))[0].split())
                await until(lambda: str(second) in caplog.text)
                strange = others.getsockname()[1]
                assert f"{strange}-{strange}" not in caplog.text, "another process' port is not the container's"
            assert not here.limitations, "without being told to enforce, it only tells"
            assert listening_ports(host.processes(cid("c"))) == {first, second}
            told, looks = len(caplog.records), 0
            look = isolator._stray

            def counted(container_id: ContainerId, ports: Collection[int]) -> Ranges:
                nonlocal looks
                looks += 1
                return look(container_id, ports)

            monkeypatch.setattr(isolator, "_stray", counted)
            await until(lambda: looks > 2)
            assert len(caplog.records) == told, "and tells once"
            await isolator.update(cid("c"), with_ports(first, second), {})
            looks = 0
            await until(lambda: looks > 2)
            assert len(caplog.records) == told

    caplog.set_level(logging.WARNING)
    run_asyncio(body())


def test_m_ag_11_only_the_ports_in_question_are_looked_at() -> None:
    host = Members()
    strange = {40000, 31500, 80}
    for flags, found in (
        ({}, "[80-80, 31500-31500, 40000-40000]"),
        ({"check_agent_port_range_only": True}, "[31500-31500]"),
        ({"check_agent_port_range_only": True, "resources": "ports:[70-90]"}, "[80-80]"),
        ({"container_ports_isolated_range": "[0-35000]"}, "[80-80, 31500-31500]"),
    ):
        isolator = make(host, **flags)
        assert isolator._stray(cid("c"), strange) == Ranges.parse(found)


def test_m_ag_11_the_kernels_table_is_read_as_it_is() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as four,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as six,
    ):
        ports = {four.getsockname()[1], six.getsockname()[1]}
        assert ports <= listening_ports([os.getpid()])
        with socket.create_connection(four.getsockname()) as client:
            assert client.getsockname()[1] not in listening_ports([os.getpid()])
    assert not ports & listening_ports([os.getpid()])
    assert listening_ports([2**22 - 1]) == set(), "nobody has that number"


@pytest.mark.parametrize(
    "flags",
    [
        {"check_agent_port_range_only": True, "container_ports_isolated_range": "[1-2]"},
        {"container_ports_isolated_range": "1-2"},
    ],
)
def test_m_ag_11_flags_that_make_no_sense_are_refused(flags: dict[str, object]) -> None:
    with pytest.raises((ConfigurationError, ValidationError)):
        make(Members(), **flags)


def test_n27_the_plan_says_what_is_looked_for() -> None:
    isolator = make(Members(), enforce_container_ports=True)
    config = ContainerConfig(sandbox="/", resources=with_ports(31000))
    [line] = isolator.explain(cid("c"), config)
    assert line == "look every 30 s where it listens: end the container if that is not at [31000-31000]"
