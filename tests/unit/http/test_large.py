"""Large answers: one slice a turn, one making for many readers, and bounds on what slow readers hold (N17)."""

from __future__ import annotations

import asyncio
import gzip
import socket
from collections.abc import Awaitable, Callable, Iterator

import httpx
import pytest

from mesos_service.http.answers import GZIP_BYTES_MIN, Headers
from mesos_service.http.asgi import CONTENT_LENGTH, Message, Receive, Scope, Send
from mesos_service.http.large import LargeAnswers
from mesos_service.http.server import HttpServer, bind

PIECES = 20
Scenario = Callable[[LargeAnswers], Awaitable[None]]


def play(scenario: Scenario, answers: LargeAnswers | None = None) -> None:
    async def played() -> None:
        async with asyncio.timeout(60):
            await scenario(answers or LargeAnswers())

    asyncio.run(played())


class Making:
    """Slices that say when they are made."""

    def __init__(self, pieces: int = PIECES, size: int = 1) -> None:
        self.pieces = pieces
        self.size = size
        self.moments = 0
        self.made = 0
        self.closed = False

    def __call__(self) -> Iterator[bytes]:
        self.moments += 1
        return self._slices(self.moments)

    def _slices(self, moment: int) -> Iterator[bytes]:
        try:
            for _ in range(self.pieces):
                self.made += 1
                yield b"%d" % moment * self.size
        finally:
            self.closed = True


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_n17_a_turn_of_the_loop_makes_one_slice_however_many_read() -> None:
    async def scenario(answers: LargeAnswers) -> None:
        makings = [Making() for _ in range(10)]
        readers = [asyncio.ensure_future(answers.made(number, one)) for number, one in enumerate(makings)]
        before = 0
        while not all(one.done() for one in readers):
            await asyncio.sleep(0)
            made = sum(one.made for one in makings)
            assert made - before <= 1
            assert sum(0 < one.made < PIECES for one in makings) <= answers.at_once_max
            before = made
        assert before == 10 * PIECES
        assert answers.under_way == 0

    play(scenario)


def test_n17_who_asks_the_same_before_it_is_begun_shares_it_and_nobody_gets_what_is_older_than_his_request() -> None:
    async def scenario(answers: LargeAnswers) -> None:
        making = Making()
        first = asyncio.ensure_future(answers.made("state", making))
        await turns(3)
        late = [asyncio.ensure_future(answers.made("state", making)) for _ in range(5)]
        await turns(1)
        assert making.moments == 1
        assert (await first).pieces[0] == b"1"
        bodies = [await one for one in late]
        # They could be begun at once, each after the request that it is for: two moments at most.
        assert {one.pieces[0] for one in bodies} <= {b"2", b"3"}
        assert making.moments <= 3
        assert len({id(one) for one in bodies}) == making.moments - 1

    play(scenario, LargeAnswers(at_once_max=1))


def test_n17_what_nobody_waits_for_any_more_is_given_up() -> None:
    async def scenario(answers: LargeAnswers) -> None:
        making, other = Making(1000), Making()
        one = asyncio.ensure_future(answers.made("a", making))
        two = asyncio.ensure_future(answers.made("a", making))
        waiting = asyncio.ensure_future(answers.made("b", other))
        await turns(10)
        one.cancel()
        await turns(10)
        assert not two.done()
        two.cancel()
        assert (await waiting).size == PIECES
        made = making.made
        await turns(50)
        assert making.made == made < 1000
        assert answers.under_way == 0

    play(scenario, LargeAnswers(at_once_max=1))


def test_n17_a_client_that_leaves_ends_the_making() -> None:
    async def scenario(answers: LargeAnswers) -> None:
        making, left = Making(10_000), asyncio.Event()

        async def receive() -> Message:
            await left.wait()
            return {"type": "http.disconnect"}

        reader = asyncio.ensure_future(answers.made_for(receive, "a", making))
        await turns(20)
        left.set()
        assert await reader is None
        await turns(3)
        assert answers.under_way == 0
        assert making.made < 100

    play(scenario)


def test_a_defect_is_told_to_all_who_wait_and_ends_nothing_else() -> None:
    async def scenario(answers: LargeAnswers) -> None:
        def broken() -> Iterator[bytes]:
            yield b"begun"
            raise ZeroDivisionError

        both = [asyncio.ensure_future(answers.made("a", broken)) for _ in range(2)]
        well = asyncio.ensure_future(answers.made("b", Making()))
        for one in both:
            with pytest.raises(ZeroDivisionError):
                await one
        assert (await well).size == PIECES

    play(scenario)


@pytest.mark.parametrize(("size", "is_coded"), [(1, False), (GZIP_BYTES_MIN, True)])
def test_gzip_is_made_piece_by_piece(size: int, is_coded: bool) -> None:
    async def scenario(answers: LargeAnswers) -> None:
        body = await answers.made("a", Making(size=size), gzip=True)
        whole = b"".join(body.pieces)
        assert bool(tuple(body.coding)) is is_coded
        assert (gzip.decompress(whole) if is_coded else whole) == b"1" * PIECES * size

    play(scenario)


async def come(condition: Callable[[], bool]) -> None:
    while not condition():
        await turns(1)


async def served(answers: LargeAnswers, making: Making) -> tuple[HttpServer, int]:
    def head(coding: Headers, length: bytes) -> Headers:
        return (*coding, (CONTENT_LENGTH, length))

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            key = scope["path"]

            async def wrapped(message: Message) -> None:
                """As Starlette does."""
                await send(message)

            await answers.serve(scope, receive, wrapped, key, making, head)

    listener = bind("127.0.0.1", 0)
    server = HttpServer(application, listener, None)
    await server.start()
    return server, listener.getsockname()[1]


def test_n17_a_reader_that_takes_nothing_is_cut_off_when_others_need_the_room() -> None:
    async def scenario(answers: LargeAnswers) -> None:
        server, port = await served(answers, Making(pieces=64, size=256 * 1024))
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.setblocking(False)
            await asyncio.get_running_loop().sock_connect(stuck, ("127.0.0.1", port))
            await asyncio.get_running_loop().sock_sendall(stuck, b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
            await come(lambda: answers.unsent_bytes > 0)
            async with httpx.AsyncClient(trust_env=False, base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                found = await client.get("/2", headers={"Accept-Encoding": "identity"})
            assert len(found.content) == 64 * 256 * 1024
            assert answers.cut_off == 1
            await come(lambda: answers.unsent_bytes == 0)
            # Not left to its reader, who may never take what the transport holds for it.
            with pytest.raises(ConnectionResetError):
                while await asyncio.get_running_loop().sock_recv(stuck, 65536):
                    pass
        await server.stop()

    play(scenario, LargeAnswers(unsent_bytes_max=20 * 1024 * 1024))


def test_n17_a_client_that_leaves_in_the_middle_of_the_body_leaves_nothing_behind() -> None:
    async def scenario(answers: LargeAnswers) -> None:
        server, port = await served(answers, Making(pieces=64, size=256 * 1024))
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n")
        await come(lambda: answers.unsent_bytes > 0)
        writer.transport.abort()
        await come(lambda: answers.unsent_bytes == 0)
        assert answers.cut_off == 0
        await server.stop()

    play(scenario)
