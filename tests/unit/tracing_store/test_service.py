"""The trace store over HTTP: what is taken, what is refused in which words, who may come in (N03)."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

import httpx
import pytest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from mesos_service.domain.errors import ConfigurationError
from mesos_service.tracing_store import service as service_module
from mesos_service.tracing_store.config import TracesConfig
from mesos_service.tracing_store.schema import StoreFault
from mesos_service.tracing_store.service import TracesService
from tests.support.ports import fixed_port
from tests.unit.tracing_store.exports import NOON, TRACE, body, span
from tests.unit.tracing_store.spans import AS_JSON

PROTOBUF = {"Content-Type": "application/x-protobuf"}
JSON = {"Content-Type": "application/json"}


Arguments = ParamSpec("Arguments")


def in_a_loop(test: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
    """A test that awaits; pytest sees its parameters."""

    @functools.wraps(test)
    def run(*arguments: Arguments.args, **named: Arguments.kwargs) -> None:
        asyncio.run(test(*arguments, **named))

    return run


@contextlib.asynccontextmanager
async def served(work_dir: Path, **flags: object) -> AsyncIterator[tuple[TracesService, httpx.AsyncClient]]:
    """A store, and a client that asks it."""
    service = TracesService(TracesConfig.load({"work_dir": work_dir, "port": 0, **flags}))
    await service.start()
    try:
        url = f"http://127.0.0.1:{service.port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as client:
            yield service, client
    finally:
        await service.stop()


@in_a_loop
async def test_n03_spans_are_taken_in_both_forms_and_read_back(tmp_path: Path) -> None:
    async with served(tmp_path) as (_, client):
        offer = span(1, attributes={"offer_id": "O1"})
        packed = gzip.compress(body(offer))
        taken = await client.post("/v1/traces", content=packed, headers=PROTOBUF | {"Content-Encoding": "gzip"})
        assert (taken.status_code, taken.headers["content-type"]) == (200, "application/x-protobuf")
        assert ExportTraceServiceResponse.FromString(taken.content) == ExportTraceServiceResponse()
        taken = await client.post("/v1/traces", json=AS_JSON)
        assert (taken.status_code, taken.json()) == (200, {})

        trace = (await client.get(f"/api/v1/traces/{TRACE}")).json()
        assert [(one["name"], one["host"]) for one in trace["spans"]] == [
            ("master.offer", "node1"),
            ("agent.launch", "node2"),
        ]
        assert trace["spans"][1]["start_unix_nano"] == str(NOON)
        assert trace["spans"][1]["attributes"]["tries"] == 3
        for question in ("offer=O1", "task=t1", "slowest=true&limit=1", "span=agent.launch", ""):
            (found,) = (await client.get(f"/api/v1/traces?{question}")).json()["traces"]
            assert (found["trace_id"], found["spans"], found["errors"]) == (TRACE, 2, 1)
        assert (await client.get("/api/v1/traces?offer=O2")).json() == {"traces": []}
        counts = (await client.get("/metrics/snapshot")).json()
        assert (counts["traces/spans"], counts["traces/spans_received"]) == (2, 2)
        assert "mesos_traces_spans_received_total 2.0" in (await client.get("/metrics")).text
        assert (await client.get("/health")).status_code == 200
        assert (await client.get("/version")).json()["service_version"]
        assert (await client.get("/flags")).json()["flags"]["max_size"] == "1GB"


@in_a_loop
async def test_a_span_that_is_no_good_is_told_and_the_others_are_taken(tmp_path: Path) -> None:
    wrong = span(2)
    wrong.span_id = b"x"
    async with served(tmp_path) as (_, client):
        answer = await client.post("/v1/traces", content=body(wrong, span(1)), headers=PROTOBUF)
        partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
        assert (answer.status_code, partial.rejected_spans) == (200, 1)
        assert partial.error_message.startswith("span 'master.offer': its span id is not 8 bytes")
        counts = (await client.get("/metrics/snapshot")).json()
        assert (counts["traces/spans"], counts["traces/spans_rejected"]) == (1, 1)


@pytest.mark.parametrize(
    ("method", "path", "headers", "sent", "status", "said"),
    [
        ("POST", "/v1/traces", PROTOBUF, b"\xff\xff", 400, "no ExportTraceServiceRequest in protobuf"),
        ("POST", "/v1/traces", JSON, b"{", 400, "no export of traces in JSON"),
        ("POST", "/v1/traces", {"Content-Type": "text/plain"}, b"", 415, "not 'text/plain'"),
        ("POST", "/v1/traces", {}, b"", 415, "the content type is application/x-protobuf or application/json"),
        ("POST", "/v1/traces", JSON | {"Content-Encoding": "br"}, b"", 415, "not 'br'"),
        ("POST", "/v1/traces", PROTOBUF | {"Content-Encoding": "gzip"}, b"plain", 400, "the body is not gzip"),
        ("GET", "/v1/traces", JSON, b"", 405, "with POST, not GET"),
        ("POST", "/v1/traces/more", JSON, b"{}", 404, "sent to /v1/traces"),
        ("POST", "/v1/traces", PROTOBUF, bytes(5_000_000), 413, "more than 4194304 bytes"),
        (
            "POST",
            "/v1/traces",
            PROTOBUF | {"Content-Encoding": "gzip"},
            gzip.compress(bytes(5_000_000)),
            413,
            "more than 4194304 bytes",
        ),
    ],
)
@in_a_loop
async def test_a_bad_export_is_refused_in_the_form_in_which_it_came(
    tmp_path: Path, method: str, path: str, headers: dict[str, str], sent: bytes, status: int, said: str
) -> None:
    async with served(tmp_path, max_size="16MB") as (_, client):
        answer = await client.request(method, path, content=sent, headers=headers)
        assert answer.status_code == status
        if headers.get("Content-Type") == "application/x-protobuf":
            refusal: Status = Status.FromString(answer.content)
            assert (refusal.code, said in refusal.message) == (3, True)
        else:
            assert (answer.json()["code"], said in answer.json()["message"]) == (3, True)
        # Nobody else is disturbed by it.
        assert (await client.post("/v1/traces", content=body(span(1)), headers=PROTOBUF)).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/api/v1/traces/xyz", 400, "trace_id"),
        ("/api/v1/traces/" + "0" * 32, 404, "There is no such trace."),
        ("/api/v1/traces?limit=0", 400, "limit"),
        ("/api/v1/traces?limit=1001", 400, "limit"),
        ("/api/v1/traces?slowest=perhaps", 400, "slowest"),
        ("/nothing", 404, "404 Not Found."),
    ],
)
@in_a_loop
async def test_a_bad_question_is_refused_in_words(tmp_path: Path, path: str, status: int, said: str) -> None:
    async with served(tmp_path) as (_, client):
        answer = await client.get(path)
        assert (answer.status_code, said in answer.text) == (status, True)
        assert answer.headers["content-type"].startswith("text/plain")


@in_a_loop
async def test_nothing_can_be_called_as_a_script(tmp_path: Path) -> None:
    """What reads traces with somebody's credentials must not be fooled by another site's page."""
    async with served(tmp_path) as (_, client):
        answer = await client.get("/api/v1/traces?jsonp=steal")
        assert answer.json() == {"traces": []}
        assert answer.headers["content-type"] == "application/json"


@in_a_loop
async def test_who_sends_and_who_reads_proves_who_he_is_where_that_is_wanted(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.write_text("collector secret\n")
    credentials.chmod(0o600)
    flags = {
        "http_credentials": str(credentials),
        "authenticate_http_readonly": "true",
        "authenticate_http_readwrite": "true",
    }
    async with served(tmp_path, **flags) as (_, client):
        sent = body(span(1))
        for path in ("/api/v1/traces", "/metrics", "/flags", "/docs", "/openapi.json", "/nothing"):
            refused = await client.get(path)
            assert refused.status_code == 401, path
            assert refused.headers["www-authenticate"] == 'Basic realm="mesos-traces-readonly"'
        refused = await client.post("/v1/traces", content=sent, headers=PROTOBUF)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (
            401,
            'Basic realm="mesos-traces-readwrite"',
        )
        assert (await client.get("/health")).status_code == 200
        client.auth = httpx.BasicAuth("collector", "secret")
        assert (await client.post("/v1/traces", content=sent, headers=PROTOBUF)).status_code == 200
        assert len((await client.get("/api/v1/traces")).json()["traces"]) == 1


@in_a_loop
async def test_more_than_can_be_written_is_sent_away_for_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "QUEUE_OCTETS_MAX", 0)
    async with served(tmp_path) as (_, client):
        answer = await client.post("/v1/traces", content=body(span(1)), headers=PROTOBUF)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
        assert (await client.get("/metrics/snapshot")).json()["traces/requests_refused"] == 1


@in_a_loop
async def test_a_client_that_goes_away_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    async with served(tmp_path) as (service, client):
        for sent in (
            b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{",
        ):
            _, writer = await asyncio.open_connection("127.0.0.1", service.port)
            writer.write(sent)
            await writer.drain()
            writer.close()
            await writer.wait_closed()
        assert (await client.get("/metrics/snapshot")).json()["traces/spans"] == 0


@in_a_loop
async def test_a_port_or_a_file_that_is_taken_is_told_and_the_other_is_let_go(tmp_path: Path) -> None:
    async with served(tmp_path) as (service, _):
        port = fixed_port()
        with pytest.raises(StoreFault, match="another trace store"):
            TracesService(TracesConfig.load({"work_dir": tmp_path, "port": port}))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
        assert service.port != port


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, "--work_dir: is needed"),
        ({"max_size": "1MB"}, "--max_size: it has to be 16MB at least"),
        ({"max_age": "0secs"}, "--max_age: must be longer than 0"),
        ({"max_age": "5"}, "--max_age: '5' is not a duration"),
        ({"authenticate_http_readonly": "true"}, "needs --http_credentials"),
        ({"ssl_cert_file": "/x.pem"}, "are needed together"),
        ({"zk": "zk://x"}, "the traces has no such flag"),
    ],
)
def test_a_wrong_flag_is_told(tmp_path: Path, flags: dict[str, object], said: str) -> None:
    given = flags if not flags else {"work_dir": tmp_path, **flags}
    with pytest.raises(ConfigurationError, match=said):
        TracesConfig.load(given)


def test_the_api_is_described() -> None:
    from mesos_service.tracing_store.app import openapi_documents

    document = openapi_documents().plain
    assert {"/api/v1/traces", "/api/v1/traces/{trace_id}", "/metrics"} <= set(document["paths"])
    assert "StoredTrace" in document["components"]["schemas"]
    json.dumps(document)
