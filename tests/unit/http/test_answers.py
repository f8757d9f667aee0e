"""JSONP, gzip, headers and refusals of reads, asked of a small application."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from mesos_service.http.answers import GZIP_BYTES_MIN, AnyMethod, accepts_gzip, empty_answer, legacy_answer
from mesos_service.http.faults import answer_faults
from tests.contract.asgi import transport

LONG = b'"' + b"x" * GZIP_BYTES_MIN + b'"'


def application() -> FastAPI:
    made = FastAPI(openapi_url=None)
    answer_faults(made)

    @made.get("/short", response_class=Response)
    async def short(request: Request) -> Response:
        return legacy_answer(request, b"{}")

    @made.get("/long", response_class=Response)
    async def long(request: Request) -> Response:
        return legacy_answer(request, LONG)

    @made.get("/number", response_class=Response)
    async def number(value: int) -> Response:
        return empty_answer()

    @made.get("/broken", response_class=Response)
    async def broken() -> Response:
        raise ZeroDivisionError("a secret of ours")

    @made.post("/write", response_class=Response)
    async def write() -> Response:
        return empty_answer()

    made.add_middleware(AnyMethod, paths=("/short",))
    return made


def ask(method: str, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport(application()), base_url="http://master") as client:
            client.headers.clear()
            return await client.request(method, path, headers=headers)

    return asyncio.run(asked())


def names(answer: httpx.Response) -> list[bytes]:
    return [name for name, _ in answer.headers.raw]


def test_old_paths_give_the_length_before_the_type() -> None:
    answer = ask("GET", "/short")
    assert (answer.content, names(answer)) == (b"{}", [b"Content-Length", b"Content-Type"])
    assert answer.headers["content-type"] == "application/json"


def test_jsonp_is_a_call_without_a_semicolon() -> None:
    answer = ask("GET", "/short?jsonp=jQuery.cb_1")
    assert (answer.text, answer.headers["content-type"]) == ("jQuery.cb_1({})", "text/javascript")
    assert answer.headers["content-length"] == str(len(answer.content))


@pytest.mark.parametrize("callback", ["alert(1)", "", "a b", "<script>", "1a", "a;b", "a%0Ab"])
def test_jsonp_takes_names_alone(callback: str) -> None:
    answer = ask("GET", f"/short?jsonp={callback}")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")


def test_long_answers_are_compressed_for_those_who_ask() -> None:
    plain, coded = ask("GET", "/long"), ask("GET", "/long", {"Accept-Encoding": "gzip, deflate"})
    assert (plain.content, "content-encoding" in plain.headers) == (LONG, False)
    assert names(coded) == [b"Content-Encoding", b"Content-Length", b"Content-Type"]
    assert coded.content == LONG
    assert int(coded.headers["content-length"]) < len(LONG) / 10
    short = ask("GET", "/short", {"Accept-Encoding": "gzip"})
    assert "content-encoding" not in short.headers


def test_what_is_compressed_is_gzip() -> None:
    async def raw() -> bytes:
        async with (
            httpx.AsyncClient(transport=transport(application()), base_url="http://master") as client,
            client.stream("GET", "/long", headers={"Accept-Encoding": "gzip"}) as answer,
        ):
            return b"".join([piece async for piece in answer.aiter_raw()])

    assert gzip.decompress(asyncio.run(raw())) == LONG


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        (None, False),
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("gzip;q=0, *", False),
        ("gzip; q=0.000", False),
        ("identity", False),
        ("*;q=0", False),
    ],
)
def test_accept_encoding_is_read_as_rfc_9110_says(header: str | None, accepted: bool) -> None:
    headers = [] if header is None else [(b"accept-encoding", header.encode())]
    assert accepts_gzip({"headers": headers}) is accepted


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
def test_reads_take_any_method(method: str) -> None:
    assert (ask(method, "/short").status_code, ask(method, "/short").content) == (200, b"{}")


def test_unknown_paths_are_refused_in_text() -> None:
    answer = ask("GET", "/nowhere")
    assert (answer.status_code, answer.text) == (404, "404 Not Found.")
    assert names(answer) == [b"Content-Type", b"Content-Length"]


def test_wrong_methods_are_told_the_right_one() -> None:
    answer = ask("GET", "/write")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.text == "405 Method Not Allowed. Expecting one of { 'POST' }, but received 'GET'."


def test_parameters_that_make_no_sense_are_named() -> None:
    answer = ask("GET", "/number?value=many")
    assert (answer.status_code, answer.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert answer.text.startswith("value: ")


def test_m_le_01_a_defect_is_told_without_its_reason_and_in_headers_spelled_as_all_others() -> None:
    async def asked() -> httpx.Response:
        made = httpx.ASGITransport(application(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=made, base_url="http://master") as client:
            return await client.get("/broken")

    answer = asyncio.run(asked())
    assert answer.status_code == 500
    assert [(bytes(name), value) for name, value in answer.headers.raw] == [
        (b"Content-Type", b"text/plain; charset=utf-8"),
        (b"Content-Length", b"%d" % len(answer.content)),
    ]
    assert "secret" not in answer.text
