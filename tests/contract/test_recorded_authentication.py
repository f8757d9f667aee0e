"""What was recorded of a cluster that asks who one is: statuses, headers in their order, and texts (M-OM-01, M-LE-01).

Left out is what was refused to a principal that had proved itself (403): there is no authorization here yet.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import uvloop

from mesos_service.master.config import MasterConfig
from mesos_service.master.service import MasterService
from tests.contract.derive_shapes import anonymous
from tests.contract.shapes import recorded
from tests.contract.sockets import exchanged

JSON: Final = "Content-Type: application/json\r\nAccept: application/json\r\n"


def _basic(text: str) -> str:
    return f"Authorization: Basic {base64.b64encode(text.encode()).decode()}\r\n"


WHO: Final = {"none": "", "bad": _basic("ops:wrong"), "ops": _basic("ops:s3cret"), "fw": _basic("fw:fwsecret")}
OTHERS: Final = {
    "auth/bearer": "Authorization: Bearer abc\r\n",
    "auth/malformed-authorization": "Authorization: Basic %%%\r\n",
}
SCHEDULERS: Final = {"auth/call-other-principal", "auth/call-without-credentials", "auth/accept-task-not-authorized"}
NAMES: Final = [name for name in recorded()["exchanges"] if name.startswith("auth/")]
ASKED: Final = [name for name in NAMES if name not in SCHEDULERS and recorded()["exchanges"][name]["status"] != 403]


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as one:
        yield one


@pytest.fixture(scope="module")
def master(runner: asyncio.Runner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    credentials: Path = tmp_path_factory.mktemp("secrets") / "credentials.json"
    known = [{"principal": "ops", "secret": "s3cret"}, {"principal": "fw", "secret": "fwsecret"}]
    credentials.write_text(json.dumps({"credentials": known}))
    credentials.chmod(0o600)
    flags = {
        "port": 0,
        "credentials": str(credentials),
        "authenticate_http_readonly": True,
        "authenticate_http_readwrite": True,
        "authenticate_http_frameworks": True,
        "http_framework_authenticators": "basic",
    }

    async def begun() -> MasterService:
        service = MasterService(MasterConfig.load(flags))
        await service.start()
        return service

    service = runner.run(begun())
    yield f"127.0.0.1:{service.port}"
    runner.run(service.stop())


def answer_of(found: bytes) -> tuple[int, list[tuple[str, str]], str]:
    """Status, headers as they were written, and text."""
    head, _, body = found.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    headers = [(name, value) for name, _, value in (line.partition(": ") for line in lines)]
    return int(status.split(" ")[1]), [one for one in headers if one[0] != "connection"], body.decode()


def request_of(name: str) -> bytes:
    """As it was recorded; the connection is closed after it."""
    wanted = recorded()["exchanges"][name]
    title = name.removeprefix("auth/")
    headers, body = OTHERS.get(name) or WHO[title.rpartition("-")[2]], ""
    if title.startswith("api-v1-"):
        headers, body = headers + JSON, json.dumps({"type": title.split("-")[2]})
    elif title.startswith("put-weights"):
        headers, body = headers + "Content-Type: application/json\r\n", '[{"role":"r","weight":2}]'
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    head = f"{wanted['method']} {wanted['path']} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}{length}\r\n"
    return (head + body).encode()


@pytest.mark.parametrize("name", ASKED)
def test_m_le_01_who_asks_is_let_in_or_not_as_recorded(runner: asyncio.Runner, master: str, name: str) -> None:
    wanted = recorded()["exchanges"][name]
    status, headers, text = answer_of(runner.run(exchanged(master, request_of(name), b"\r\n\r\nnever")))
    assert status == wanted["status"], text
    assert [one for one, _ in headers] == wanted["headers"]
    assert dict(headers).get("Content-Type") == wanted.get("content_type")
    if "text" in wanted and status != 200:
        assert anonymous(text) == wanted["text"]
    if status == 401:
        realm = dict(headers)["WWW-Authenticate"]
        is_write = name.startswith(("auth/api-v1", "auth/put"))
        assert realm == f'Basic realm="mesos-master-{"readwrite" if is_write else "readonly"}"'


def test_m_sc_01_a_scheduler_is_who_it_proved_to_be(runner: asyncio.Runner, master: str) -> None:
    """Its calls are nobody else's, and it may not say in its description that it is another."""

    def post(call: dict[str, Any], headers: str) -> bytes:
        body = json.dumps(call)
        head = f"POST /api/v1/scheduler HTTP/1.1\r\nHost: x\r\n{JSON}{headers}Content-Length: {len(body)}\r\n\r\n"
        return (head + body).encode()

    def subscribe(principal: str | None) -> dict[str, Any]:
        info = {"user": "root", "name": "a", "roles": ["ok"], "capabilities": [{"type": "MULTI_ROLE"}]}
        told = info if principal is None else info | {"principal": principal}
        return {"type": "SUBSCRIBE", "subscribe": {"framework_info": told}}

    async def played() -> None:
        host, _, port = master.rpartition(":")
        found = answer_of(
            await exchanged(master, post(subscribe("other"), WHO["fw"] + "Connection: close\r\n"), b"never")
        )
        reason = "Authenticated principal 'fw' does not match principal 'other' set in `FrameworkInfo`"
        assert found[0] == 400
        assert found[2] == f"Failed to validate scheduler::Call: {reason}"
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(post(subscribe("fw"), WHO["fw"]))
            head = await reader.readuntil(b"\r\n\r\n")
            stream = head.partition(b"Mesos-Stream-Id: ")[2].partition(b"\r\n")[0].decode()
            event = await reader.readuntil(b"}}}")
            framework_id = json.loads(event.partition(b"\r\n")[2].partition(b"\n")[2])["subscribed"]["framework_id"]
            for name, who in (("call-other-principal", "ops"), ("call-without-credentials", "none")):
                wanted = recorded()["exchanges"][f"auth/{name}"]
                call = {"type": "REVIVE", "framework_id": framework_id}
                sent = post(call, f"{WHO[who]}Mesos-Stream-Id: {stream}\r\nConnection: close\r\n")
                status, headers, text = answer_of(await exchanged(master, sent, b"never"))
                assert (status, text) == (wanted["status"], wanted["text"])
                assert [one for one, _ in headers] == wanted["headers"]
        finally:
            writer.close()

    runner.run(asyncio.wait_for(played(), 60))


def test_nothing_but_what_was_forbidden_is_left_out() -> None:
    left = set(NAMES) - set(ASKED) - SCHEDULERS
    assert {recorded()["exchanges"][name]["status"] for name in left} == {403}
    assert len(ASKED) == 37
