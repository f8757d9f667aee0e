"""Clients that end what they send with their last request, and clients that ask and do not read: at every endpoint
(M-LE-01, M-OM-01, N17).

The endpoints are those of the OpenAPI documents and of the calls that masters and agents know, so that none is missed.
"""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections.abc import Iterator
from typing import Any, Final

import pytest

from mesos_service.agent.routes import openapi_documents as agent_documents
from mesos_service.agent.routes.operator import CALLS as AGENT_CALLS
from mesos_service.http.direct import DirectProtocol
from mesos_service.master.routes import openapi_documents as master_documents
from mesos_service.master.routes.operator import CALLS as MASTER_CALLS
from tests.contract.live import WithOneTask as Cluster
from tests.contract.sockets import exchanged, post

HEALTH: Final = post("/api/v1", b'{"type":"GET_HEALTH"}')
HEALTHY: Final = b'{"type":"GET_HEALTH","get_health":{"healthy":true}}'
SERVICES: Final = ("master", "agent")
STREAMS: Final = frozenset({"SUBSCRIBE", "LAUNCH_NESTED_CONTAINER_SESSION", "ATTACH_CONTAINER_OUTPUT"})


def reads(service: str) -> list[str]:
    documents = master_documents() if service == "master" else agent_documents()
    return [path for path, methods in documents.plain["paths"].items() if "get" in methods and "{" not in path]


def requests() -> Iterator[Any]:
    """Of each endpoint one."""
    for service, calls in (("master", MASTER_CALLS), ("agent", AGENT_CALLS)):
        for path in reads(service):
            yield pytest.param(service, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode(), id=f"{service}{path}")
        for one in calls:
            if one not in STREAMS:
                # Whatever changes something lacks its body, and is refused.
                yield pytest.param(service, post("/api/v1", json.dumps({"type": one}).encode()), id=f"{service} {one}")
    for service, path in (("master", "/api/v1/scheduler"), ("master", "/api/v1/agent"), ("agent", "/api/v1/executor")):
        yield pytest.param(service, post(path, b"{}"), id=path)
    for path in ("/teardown", "/quota", "/reserve", "/unreserve", "/create-volumes", "/destroy-volumes"):
        yield pytest.param("master", post(path, b"", kind="application/x-www-form-urlencoded"), id=path)
    for path in ("/maintenance/schedule", "/machine/down", "/machine/up"):
        yield pytest.param("master", post(path, b"nothing"), id=path)


def is_whole(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
    return head.startswith(b"HTTP/1.1 ") and (len(body) == int(length) if length else body.endswith(b"0\r\n\r\n"))


@pytest.mark.parametrize(("service", "sent"), list(requests()))
def test_m_le_01_who_ends_what_he_sends_is_answered(
    runner: asyncio.Runner, cluster: Cluster, service: str, sent: bytes
) -> None:
    """``nc -N`` and whoever else closes one direction of a connection and reads on until the other is closed."""
    address = cluster.master if service == "master" else cluster.agent
    found = runner.run(exchanged(address, sent, None, half_close=True))
    assert is_whole(found), found
    # And behind others, in their order.
    found = runner.run(exchanged(address, HEALTH + sent + HEALTH, None, half_close=True))
    first, answer, last = found.partition(HEALTHY)[0], found.partition(HEALTHY)[2], found[-len(HEALTHY) :]
    assert first.startswith(b"HTTP/1.1 200 ")
    assert last == HEALTHY
    assert is_whole(answer[: answer.rfind(b"HTTP/1.1 200 OK")]), found


@pytest.mark.parametrize("service", SERVICES)
def test_m_le_01_half_a_request_is_nobodys(runner: asyncio.Runner, cluster: Cluster, service: str) -> None:
    address = cluster.master if service == "master" else cluster.agent
    assert runner.run(exchanged(address, HEALTH[:-1], None, half_close=True)) == b""
    assert runner.run(exchanged(address, HEALTH[:40], None, half_close=True)) == b""


def test_m_sc_01_a_scheduler_that_ends_what_it_sends_has_gone(runner: asyncio.Runner, cluster: Cluster) -> None:
    """It cannot be told from one that has died, whose framework is to be let go at once."""
    info = {"user": "root", "name": "half closed", "failover_timeout": 3600}
    subscribe = post(
        "/api/v1/scheduler", json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
    )
    found = runner.run(exchanged(cluster.master, subscribe, None, half_close=True))
    assert found.startswith(b"HTTP/1.1 200 ") or found == b""

    async def names_active() -> bool:
        state = await exchanged(cluster.master, b"GET /frameworks HTTP/1.0\r\n\r\n", None)
        frameworks = json.loads(state.partition(b"\r\n\r\n")[2])["frameworks"]
        (one,) = (one for one in frameworks if one["name"] == "half closed")
        return bool(one["active"])

    async def until_gone() -> None:
        async with asyncio.timeout(60):
            while await names_active():
                pass

    runner.run(until_gone())


def test_m_om_01_a_stream_ends_with_what_its_reader_sends(runner: asyncio.Runner, cluster: Cluster) -> None:
    """Later, too: it is not left open for nobody."""

    async def played(address: str, call: dict[str, Any]) -> None:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.timeout(60):
                writer.write(post("/api/v1", json.dumps(call).encode()))
                await reader.readuntil(b"\n{")
                writer.write_eof()
                assert not (await reader.read()).endswith(b"0\r\n\r\n")
        finally:
            writer.close()

    runner.run(played(cluster.master, {"type": "SUBSCRIBE"}))
    containers = runner.run(
        exchanged(cluster.agent, post("/api/v1", b'{"type":"GET_CONTAINERS"}'), None, half_close=True)
    )
    (one,) = json.loads(containers.partition(b"\r\n\r\n")[2])["get_containers"]["containers"]
    attach = {"type": "ATTACH_CONTAINER_OUTPUT", "attach_container_output": {"container_id": one["container_id"]}}
    runner.run(played(cluster.agent, attach))


# -- who asks and does not read ------------------------------------------------------------------------------------


PIPELINED: Final = 100
ANSWERS_BYTES_MAX: Final = 128 * 1024
"""More than what the transport takes before it asks to wait, and far less than all of the larger answers."""
LAST: Final = b"GET /version?jsonp=the_last HTTP/1.1\r\n\r\n"


@pytest.mark.parametrize(("service", "sent"), list(requests()))
def test_n17_who_asks_again_and_again_and_reads_nothing_disturbs_nobody(
    runner: asyncio.Runner, cluster: Cluster, service: str, sent: bytes
) -> None:
    """What is kept for him is bounded, others are answered meanwhile, and he himself is when he reads at last."""
    address = cluster.master if service == "master" else cluster.agent
    host, _, port = address.rpartition(":")

    async def played() -> None:
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(stuck, (host, int(port)))
            sending = asyncio.ensure_future(loop.sock_sendall(stuck, PIPELINED * sent + LAST))
            others = await exchanged(address, HEALTH, HEALTHY)
            assert others.endswith(HEALTHY)
            assert kept_for(stuck.getsockname()) < ANSWERS_BYTES_MAX
            found = b""
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            async with asyncio.timeout(60):
                while not (b"the_last(" in found and found.endswith(b"})")):
                    piece = await loop.sock_recv(stuck, 1 << 20)
                    assert piece, found[-500:]
                    found += piece
                await sending
            assert kept_for(stuck.getsockname()) == 0
            assert found.count(b"HTTP/1.1 ") == PIPELINED + 1

    runner.run(played())


def kept_for(client: tuple[str, int]) -> int:
    """Bytes of answers that wait in this process, servers of the cluster included, for whoever has this address."""
    found = [
        one.transport.get_write_buffer_size()
        for one in gc.get_objects()
        if isinstance(one, DirectProtocol) and one.client == client and not one.transport.is_closing()
    ]
    assert len(found) == 1
    return sum(found)
