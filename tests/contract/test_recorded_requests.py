"""Requests to an idle master as bytes on a socket, and what came back byte by byte, but for the date: spellings of
paths, methods, queries, refusals of writes, and how answers are framed (M-LE-01, M-LE-02, M-OM-01).

What was recorded of clusters in other situations is in the tests of those.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from collections.abc import Iterator

import httpx
import pytest
import uvloop

from mesos_service.local import LocalCluster
from tests.contract.asked import REQUESTS, Request
from tests.contract.compare import DIFFERENT, METRICS_DIFFERENT
from tests.contract.derive_shapes import anonymous
from tests.contract.live import AGENT, passed_twice
from tests.contract.shapes import differences, exchange_shape, recorded
from tests.contract.sockets import exchanged


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as one:
        yield one


@pytest.fixture(scope="module")
def master(runner: asyncio.Runner) -> Iterator[str]:
    one = LocalCluster(agents=[AGENT], master_flags={"cluster": "recorded"})
    runner.run(one.__aenter__())
    runner.run(settled(one.master))
    yield one.master
    runner.run(one.__aexit__(None, None, None))


async def settled(address: str) -> None:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        await passed_twice(client, address)


async def asked(address: str, method: str, path: str, request: Request) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status line, headers as they were written, and the body; the connection is closed by us after it."""
    body = (request.body if isinstance(request.body, str) else json.dumps(request.body)).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: {address}\r\n{request.headers}"
    if request.content_type is not None:
        head += f"Content-Type: {request.content_type}\r\n"
    if body or method == "POST":
        head += f"Content-Length: {len(body)}\r\n"
    # Whatever comes after the answer is the next one, whose first word ends it.
    sent = f"{head}\r\n".encode() + body + b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    found = await exchanged(address, sent, b"404 Not Found.")
    if found.count(b"HTTP/1.1 ") > 1:
        found = found[: found.rindex(b"HTTP/1.1 404")]
    answer_head, _, answer_body = found.partition(b"\r\n\r\n")
    status, *lines = answer_head.decode("latin-1").split("\r\n")
    return status, [(name, value) for name, _, value in (line.partition(": ") for line in lines)], answer_body


@pytest.mark.parametrize("name", REQUESTS)
def test_m_le_01_it_is_answered_to_the_letter(runner: asyncio.Runner, master: str, name: str) -> None:
    wanted = recorded()["exchanges"][name]
    path = wanted["path"].replace("<id>", "nope")
    status, headers, body = runner.run(asked(master, wanted["method"], path, REQUESTS[name]))
    assert int(status.split(" ")[1]) == wanted["status"], body
    # Not their order: that of the coding of an answer is another one here, for nobody's harm.
    assert sorted(name for name, _ in headers) == sorted(wanted["headers"])
    told = dict(headers)
    assert told.get("Content-Type") == wanted.get("content_type")
    if wanted["method"] == "HEAD":
        assert body == b""
        return
    assert len(body) == int(told["Content-Length"])
    if told.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
        assert json.loads(body)["flags"]
    if "text" in wanted:
        assert anonymous(body.decode()) == wanted["text"]
    if "shape" in wanted:
        meant = METRICS_DIFFERENT if "metrics" in name else DIFFERENT
        found = [str(one) for one in differences(json.loads(body), exchange_shape(name), rename=anonymous)]
        assert [one for one in found if not any(re.fullmatch(pattern, one) for pattern in meant)] == []


def test_m_le_01_requests_are_framed_in_any_way_that_http_has(runner: asyncio.Runner, master: str) -> None:
    """Chunked, pipelined, of HTTP/1.0 or without a host; the connection stays unless the client says otherwise."""
    health = b'{"type":"GET_HEALTH"}'
    healthy = b'{"type":"GET_HEALTH","get_health":{"healthy":true}}'
    post = b"POST /api/v1 HTTP/1.1\r\nHost: x\r\ncOnTeNt-TyPe: application/json\r\n"
    for sent in (
        post + b"Transfer-Encoding: chunked\r\n\r\n15\r\n" + health + b"\r\n0\r\n\r\n",
        post
        + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n"
        + health[:5]
        + b"\r\n10\r\n"
        + health[5:]
        + b"\r\n0\r\n\r\n",
        post + b"Content-Encoding: identity\r\nContent-Length: 21\r\n\r\n" + health,
        post + b"Expect: 100-continue\r\nContent-Length: 21\r\n\r\n" + health,
    ):
        found = runner.run(exchanged(master, sent, healthy))
        assert b"HTTP/1.1 200 OK\r\nDate: " in found
        assert found.endswith(b"Content-Length: 51\r\n\r\n" + healthy)
    for sent in (b"GET /health HTTP/1.0\r\n\r\n", b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
        found = runner.run(exchanged(master, sent, b"the end"))
        assert found.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
        assert b"\r\nContent-Length: 0\r\n" in found
    pipelined = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /version HTTP/1.1\r\n\r\n"
    found = runner.run(exchanged(master, pipelined, b'"version":"1.12.0"'))
    assert found.count(b"HTTP/1.1 200 OK\r\nDate: ") == 2
    assert b"Connection" not in found


def test_m_sc_01_a_stream_begins_with_the_recorded_headers(runner: asyncio.Runner, master: str) -> None:
    info = {"user": "root", "name": "letters"}
    body = json.dumps({"type": "SUBSCRIBE", "subscribe": {"framework_info": info}}).encode()
    head = (
        "POST /master/api/v1/scheduler HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n"
    )
    sent = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    found = runner.run(exchanged(master, sent, b'"SUBSCRIBED"'))
    lines = found.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    names = [line.partition(":")[0] for line in lines[1:]]
    recorded_names = recorded()["streams"]["errors/subscribe-old-role-default"]["headers"]
    assert [name for name in names if name != "connection"] == recorded_names
    assert "Transfer-Encoding: chunked" in lines
