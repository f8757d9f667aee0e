"""Calls answered without a task: what goes that way, what does not, and that nobody can tell the difference."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import pytest
import uvloop

from mesos_service.http import direct
from mesos_service.http.asgi import ACCEPTED, Answered, Call, HotPath, Receive, Scope, Send, respond_text
from mesos_service.http.calls import receive_call, respond_answered
from mesos_service.http.direct import CALLS_A_TURN_MAX, DirectProtocol, Head, read_head
from mesos_service.http.server import HttpServer, bind

PATH = "/api/v1/scheduler"
PLAIN = "Content-Type: application/json\r\n"
LIMIT = 1024 * 1024
"""More than is read at once, as the limits of the real endpoints are."""


class Endpoint:
    """Answers with what the body says; ``at_once`` has what came the short way, and ``all`` what came at all.

    ``held`` is answered only when the test says so; ``refused`` is a 403; ``boom`` is a defect of ours.
    """

    def __init__(self) -> None:
        self.at_once: list[bytes] = []
        self.all: list[bytes] = []
        self.came: asyncio.Queue[bytes] = asyncio.Queue()
        self.release = asyncio.Event()

    def answer(self, call: Call, /) -> Answered | None:
        if call.body == b"held":
            return None
        answered = self._answer(call)
        self.at_once.append(call.body)
        return answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        call = await receive_call(scope, receive, send, limit=LIMIT)
        if call is None:
            return
        if call.body == b"held":
            self._note(call.body)
            await self.release.wait()
            await respond_text(send, 200, "at last")
            return
        await respond_answered(send, self._answer(call))

    def _answer(self, call: Call) -> Answered:
        if call.body == b"boom":
            raise ZeroDivisionError("a defect")
        self._note(call.body)
        return (403, f"not for {call.headers.stream_id}") if call.body == b"refused" else ACCEPTED

    def _note(self, body: bytes) -> None:
        self.all.append(body)
        self.came.put_nowait(body)


class AlwaysAsgi:
    """The same endpoint without the short way."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._endpoint(scope, receive, send)


async def _elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    await respond_text(send, 404, "elsewhere")


@contextlib.asynccontextmanager
async def serving(endpoint: Endpoint, *, short: bool = True) -> AsyncIterator[int]:
    application = HotPath(_elsewhere, {PATH: endpoint if short else AlwaysAsgi(endpoint)})
    server = HttpServer(application, bind("127.0.0.1", 0))
    await server.start()
    try:
        yield server.port
    finally:
        endpoint.release.set()
        await server.stop()


def request(body: bytes, headers: str = PLAIN, path: str = PATH) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


async def answer_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
    assert length is not None
    return int(head.split()[1]), await reader.readexactly(int(length[1]))


def run(
    scenario: Callable[[], Awaitable[None]],
    loop_factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop,
) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(60):
            await scenario()

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(bounded())


# -- which way it goes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop_factory", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_calls_in_one_read_are_answered_in_order_whichever_way_each_of_them_goes(
    loop_factory: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with serving(endpoint) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            chunked = f"POST {PATH} HTTP/1.1\r\nHost: x\r\n{PLAIN}Transfer-Encoding: chunked\r\n\r\n".encode()
            writer.write(
                request(b"one")
                + request(b"refused", PLAIN + "Mesos-Stream-Id: s\r\n")
                + chunked
                + b"5\r\nthree\r\n0\r\n\r\n"
                + request(b"four")
                + request(b"", path="/state")
                + request(b"six")
            )
            answers = [await answer_of(reader) for _ in range(6)]
            assert answers == [(202, b""), (403, b"not for s"), (202, b""), (202, b""), (404, b"elsewhere"), (202, b"")]
            assert endpoint.all == [b"one", b"refused", b"three", b"four", b"six"]
            writer.write(request(b"seven"))
            assert await answer_of(reader) == (202, b"")
            assert endpoint.at_once == [b"one", b"refused", b"seven"], "behind a chunked one all are uvicorn's"
            writer.close()

    run(scenario, loop_factory)


def test_what_comes_behind_a_call_that_is_held_waits_for_it() -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with serving(endpoint) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"held"))
            assert await endpoint.came.get() == b"held"
            writer.write(request(b"behind"))
            _, other = await asyncio.open_connection("127.0.0.1", port)
            other.write(request(b"somebody else"))
            assert await endpoint.came.get() == b"somebody else"
            endpoint.release.set()
            assert [await answer_of(reader) for _ in range(2)] == [(200, b"at last"), (202, b"")]
            writer.close()
            other.close()

    run(scenario)


def test_a_call_may_come_in_any_pieces() -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with serving(endpoint) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            whole = request(b"a call")
            for cut in range(1, len(whole)):
                for piece in (whole[:cut], whole[cut:]):
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
                assert await answer_of(reader) == (202, b"")
            assert endpoint.all == [b"a call"] * (len(whole) - 1)
            writer.close()

    run(scenario)


def test_a_client_that_sends_all_it_has_at_once_gets_every_answer_and_others_get_theirs_between() -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with serving(endpoint) as port:
            greedy_reader, greedy = await asyncio.open_connection("127.0.0.1", port)
            other_reader, other = await asyncio.open_connection("127.0.0.1", port)
            bodies = [b"%d" % number for number in range(10 * CALLS_A_TURN_MAX)]
            greedy.write(b"".join(map(request, bodies)))
            other.write(request(b"other"))
            assert await answer_of(other_reader) == (202, b"")
            for _ in bodies:
                assert await answer_of(greedy_reader) == (202, b"")
            assert [body for body in endpoint.all if body != b"other"] == bodies
            greedy.close()
            other.close()

    run(scenario)


def test_a_client_that_leaves_with_calls_behind_it_hurts_nobody(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with serving(endpoint) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"x") * (3 * CALLS_A_TURN_MAX))
            await writer.drain()
            writer.transport.abort()
            reader, other = await asyncio.open_connection("127.0.0.1", port)
            other.write(request(b"still served"))
            assert await answer_of(reader) == (202, b"")
            other.close()

    with caplog.at_level(logging.WARNING):
        run(scenario)
    assert caplog.records == []


def test_a_connection_is_closed_only_when_it_has_been_idle_for_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        protocols: list[DirectProtocol] = []
        made = DirectProtocol.connection_made

        def connection_made(self: DirectProtocol, transport: asyncio.Transport) -> None:
            protocols.append(self)
            made(self, transport)

        monkeypatch.setattr(DirectProtocol, "connection_made", connection_made)
        async with serving(Endpoint()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"x"))
            await answer_of(reader)
            timer = protocols[0].timeout_keep_alive_task
            assert timer is not None and not timer.cancelled()
            protocols[0].timeout_keep_alive_handler()
            writer.write(request(b"y"))
            assert await answer_of(reader) == (202, b"")
            protocols[0].timeout_keep_alive = 0
            protocols[0].timeout_keep_alive_handler()
            assert await reader.read() == b""
            writer.close()

    run(scenario)


# -- what can be told ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(request(b"x"), id="accepted"),
        pytest.param(request(b"refused"), id="refused"),
        pytest.param(request(b"x", PLAIN + "Connection: close\r\n"), id="close"),
        pytest.param(request(b"x", PLAIN + "Expect: 100-continue\r\n"), id="expect"),
        pytest.param(request(b"x", "Content-Type: text/plain\r\n"), id="type"),
        pytest.param(request(b"x", ""), id="no-type"),
        pytest.param(request(b"x", path=PATH + "/below"), id="below"),
        pytest.param(request(b"x", path=PATH + "?query"), id="query"),
        pytest.param(request(b"x", path="/api/v1/sch%65duler"), id="escaped"),
        pytest.param(request(b"x", PLAIN + f"X: {'x' * 2000}\r\n"), id="long-head"),
        pytest.param(request(b"x" * (LIMIT + 1)), id="long-body"),
        pytest.param(request(b"x", PLAIN + "Content-Length: 1\r\n"), id="two-lengths"),
        pytest.param(request(b"x").replace(b"HTTP/1.1", b"HTTP/1.0"), id="1.0"),
        pytest.param(request(b"x").replace(b"HTTP/1.1", b"HTTP/9.9"), id="9.9"),
        pytest.param(request(b"").replace(b"POST", b"GET"), id="get"),
        pytest.param(request(b"x").replace(b"Length: 1", b"Length: +1"), id="signed-length"),
        pytest.param(b"\r\n\r\n" + request(b"x"), id="empty-lines-first"),
        pytest.param(b"nonsense\r\n\r\n", id="nonsense"),
        pytest.param(request(b"x", PLAIN + "Upgrade: h2c\r\nConnection: Upgrade\r\n"), id="upgrade"),
    ],
)
def test_the_short_way_and_the_long_one_answer_alike_to_the_byte(sent: bytes) -> None:
    async def answered(*, short: bool) -> bytes:
        async with serving(Endpoint(), short=short) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            writer.write_eof()
            heard = await reader.read()
            writer.close()
            return re.sub(rb"(?i)date: [^\r]*", b"Date: then", heard)

    async def scenario() -> None:
        assert await answered(short=True) == await answered(short=False)

    run(scenario)


def test_a_defect_is_told_in_short_and_costs_the_connection_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with serving(Endpoint()) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"boom") + request(b"x"))
            status, text = await answer_of(reader)
            assert (status, text.split(b":")[0]) == (500, b"Internal error")
            assert await answer_of(reader) == (202, b"")
            writer.close()

    with caplog.at_level(logging.ERROR):
        run(scenario)
    (record,) = caplog.records
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


def test_bodies_beyond_the_limit_of_the_endpoint_are_refused() -> None:
    async def scenario() -> None:
        endpoint = Endpoint()
        async with serving(endpoint) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"x" * (LIMIT + 1)))
            assert (await answer_of(reader))[0] == 413
            assert endpoint.all == []
            writer.close()

    run(scenario)


# -- heads ---------------------------------------------------------------------------------------------------


def head(*lines: str) -> Head | None:
    return read_head("\r\n".join((*lines, "", "")).encode())


def test_a_head_says_where_to_with_which_headers_and_how_much_follows() -> None:
    found = head(f"POST {PATH} HTTP/1.1", "Content-Type: application/json", "Mesos-Stream-Id: s", "Content-Length: 7")
    assert found is not None
    assert (found.path, found.headers.stream_id, found.body_bytes) == (PATH, "s", 7)


def test_a_head_that_ends_before_its_bytes_do_is_not_kept() -> None:
    """Else what is a body to the parser could teach us what some head means."""
    smuggled = f"POST {PATH} HTTP/1.1\n{PLAIN}Content-Length: 30\n\nPOST /x HTTP/1.1\r\n\r\n".encode()
    assert read_head(smuggled) is None


def test_heads_that_are_kept_are_bounded() -> None:
    assert read_head.cache_parameters()["maxsize"] == direct.HEADS_MAX
    assert direct.HEADS_MAX * direct.HEAD_BYTES_MAX <= 16 * 1024 * 1024


def test_applications_without_short_ways_are_served_by_uvicorn_alone() -> None:
    async def scenario() -> None:
        server = HttpServer(_elsewhere, bind("127.0.0.1", 0))
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request(b"x"))
        assert await answer_of(reader) == (404, b"elsewhere")
        writer.close()
        await server.stop()

    run(scenario)


def test_only_the_very_path_is_asked_the_short_way() -> None:
    endpoint = Endpoint()
    hot: Mapping[str, Endpoint | AlwaysAsgi] = {PATH: endpoint, "/other": AlwaysAsgi(endpoint)}
    application = HotPath(_elsewhere, hot)
    assert application.direct(PATH) is endpoint
    assert application.direct("/other") is None
    assert application.direct(PATH + "/below") is None
