"""Short calls answered where they arrive: in the transport's own callback, without a task and without ASGI messages.

A busy master takes thousands of calls a second, nearly all of them a few hundred bytes that are answered with an empty
202. uvicorn makes a dozen objects and a task of each, which costs more than deciding it. What is taken here is a POST
of JSON with its length, whole in what was just read, on a connection where nothing is under way, to an endpoint that
can answer at once. Everything else, and whatever is odd about a head, is uvicorn's, byte for byte as it came; the
endpoint then is an ASGI application like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Protocol, runtime_checkable

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mesos_service.http.asgi import CONTENT_LENGTH, TEXT, Call, CallHeaders, DirectCalls
from mesos_service.http.calls import broken
from mesos_service.http.heads import repaired, without_empty_parts
from mesos_service.wire.streams import JSON

HEAD_BYTES_MAX: Final = 1024
"""Longer heads are uvicorn's: those that are kept should be many, not large."""
HEADS_MAX: Final = 8192
CALLS_A_TURN_MAX: Final = 64
"""Then the loop has a turn: one client that sends all it has at once must not keep the others waiting for long."""

_INVALID: Final = "Invalid HTTP request received."
_END_OF_HEAD: Final = b"\r\n\r\n"


@runtime_checkable
class HasDirectCalls(Protocol):
    """An application some of whose endpoints can answer at once."""

    def direct(self, path: str) -> DirectCalls | None:
        """The endpoint at exactly ``path``, as long as it may be asked this way."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request that may be answered at once."""

    path: str
    headers: CallHeaders
    body_bytes: int


@lru_cache(maxsize=HEADS_MAX)
def read_head(raw: bytes) -> Head | None:
    """What ``raw``, which goes up to the first empty line, says; ``None`` unless it is the plainest kind of POST.

    A client's heads are the same ones again and again, so that nearly all are parsed once.
    """
    reading = _Reading()
    parser = httptools.HttpRequestParser(reading)
    try:
        parser.feed_data(raw[:-1])
        ended_early = reading.complete
        parser.feed_data(raw[-1:])
    except (httptools.HttpParserError, httptools.HttpParserUpgrade):
        return None
    if ended_early or not reading.complete:
        return None
    if parser.get_method() != b"POST" or parser.get_http_version() != "1.1" or not parser.should_keep_alive():
        return None
    names = [name for name, _ in reading.headers]
    if names.count(_LENGTH) != 1 or not _UNUSUAL.isdisjoint(names):
        return None
    headers = CallHeaders.of({"headers": reading.headers})
    if headers.content_type != JSON or headers.content_encoding is not None:
        return None
    if b"?" in reading.url or b"%" in reading.url:
        return None
    length = dict(reading.headers)[_LENGTH]
    return Head(reading.url.decode("ascii"), headers, int(length)) if length.isdigit() else None


_LENGTH: Final = b"content-length"
_UNUSUAL: Final = frozenset((b"transfer-encoding", b"expect", b"upgrade"))


class _Reading:
    """Takes down one head, as uvicorn does."""

    def __init__(self) -> None:
        self.url = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.complete = True


def _none_is_direct(_: str) -> None:
    """What an application that is not :class:`HasDirectCalls` would say."""


class DirectProtocol(HttpToolsProtocol):
    """uvicorn's protocol (seen in 0.54) with the short way in front of it."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        # Any: the parameters are uvicorn's, and passed on as they are.
        super().__init__(*arguments, **named)
        # Not isinstance(), which looks at all the members again with each of thousands of connections.
        self._direct: Callable[[str], DirectCalls | None] = getattr(self.config.loaded_app, "direct", _none_is_direct)
        self._parsing = False
        """The parser is within a request."""
        self._ends_with_client = False
        """What is being answered is for nobody once the client has ended what it sends."""
        self._client_ended = False
        self._answered_at = 0.0
        self._headers: list[tuple[bytes, bytes]] | None = None
        """uvicorn's own headers, of which it makes a new list each second, ..."""
        self._sent_headers = b""
        """... as they are sent ..."""
        self._accepted = b""
        """... and with them the answer of nearly every call."""

    # -- asyncio.Protocol ------------------------------------------------------------------------------------
    def data_received(self, data: bytes) -> None:
        taken = self._take(data) if self._is_idle() else 0
        if taken < len(data):
            rest = data[taken:] if taken else data
            self._parse(memoryview(rest if self._parsing else repaired(rest)))

    def eof_received(self) -> bool:  # type: ignore[override]  # uvicorn says less than asyncio allows
        """The client sends no more. It may still read, as ``nc -N`` does, and is answered what it has asked.

        Of a connection that stays open for as long as both sides like, it means that the client has gone: a scheduler
        that has died is told by nothing else. So it does where TLS is spoken, which cannot be half closed here.
        """
        cycle = self.cycle
        if self._parsing or self._ends_with_client or self.scheme == "https" or cycle is None:
            return False
        self._client_ended = not cycle.response_complete
        return self._client_ended

    def end_with_client(self) -> None:
        """Close the connection when the client ends what it sends, though the answer is not complete."""
        self._ends_with_client = True
        if self._client_ended:
            self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._ends_with_client = False
        if self._client_ended and not self.pipeline and self.cycle.response_complete:
            self.transport.close()

    def _parse(self, data: memoryview) -> None:
        """As uvicorn does, but offers to speak another protocol are ignored, as they may be (RFC 9110, 7.8).

        Java's client makes one with each request where there is no TLS, and the parser would leave the body out.
        """
        self._unset_keepalive_if_required()
        try:
            while data:
                try:
                    self.parser.feed_data(data)
                    return
                except httptools.HttpParserUpgrade as upgrade:
                    data = data[upgrade.args[0] :]
                    self._read_again_without_upgrade()
        except httptools.HttpParserError:
            self.logger.warning(_INVALID)
            self.send_400_response(_INVALID)

    def _read_again_without_upgrade(self) -> None:
        method = self.parser.get_method()
        if method == b"CONNECT":  # What follows is for somebody else, and we are nobody's proxy.
            raise httptools.HttpParserInvalidMethodError
        version = self.parser.get_http_version().encode()
        lines = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"%b %b HTTP/%b\r\n%b\r\n" % (method, self.url, version, b"".join(lines))
        self.parser = httptools.HttpRequestParser(self)
        # As uvicorn sets it.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(head)

    def send_400_response(self, msg: str) -> None:
        """As uvicorn does, in headers spelled as all others."""
        headers = b"".join(b"%b: %b\r\n" % header for header in self.server_state.default_headers)
        text = msg.encode("ascii", "replace")
        self.transport.write(
            b"%b%b%b: %b\r\n%b: %d\r\nConnection: close\r\n\r\n%b"
            % (STATUS_LINE[400], headers, *TEXT, CONTENT_LENGTH, len(text), text)
        )
        self.transport.close()

    def timeout_keep_alive_handler(self) -> None:
        idle_seconds = self.loop.time() - self._answered_at
        if idle_seconds < self.timeout_keep_alive:
            self._await_idleness(self.timeout_keep_alive - idle_seconds)
        else:
            super().timeout_keep_alive_handler()

    # -- httptools -------------------------------------------------------------------------------------------
    def on_message_begin(self) -> None:
        self._parsing = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if not self.parser.should_upgrade():
            self.url = without_empty_parts(self.url)
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            self._parsing = False
            super().on_message_complete()

    # -- within ----------------------------------------------------------------------------------------------
    def _is_idle(self) -> bool:
        """Nothing is under way here: neither half a request, nor an answer, nor more answers than the client reads."""
        cycle = self.cycle
        return (
            not self._parsing
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
            and not self.transport.is_closing()
        )

    def _take(self, data: bytes) -> int:
        """Answer the requests at the beginning of ``data`` that can be; how many bytes they were."""
        position = 0
        answers: list[bytes] = []
        while position < len(data):
            head_end = data.find(_END_OF_HEAD, position, position + HEAD_BYTES_MAX) + len(_END_OF_HEAD)
            if head_end < position + len(_END_OF_HEAD):
                break
            head = read_head(data[position:head_end])
            if head is None:
                break
            calls = self._direct(head.path)
            end = head_end + head.body_bytes
            if calls is None or end > len(data):
                break
            if len(answers) == CALLS_A_TURN_MAX:
                self.flow.pause_reading()
                self.loop.call_soon(self._go_on, data[position:])
                position = len(data)
                break
            answer = self._answer(calls, Call(head.headers, data[head_end:end]))
            if answer is None:
                break
            answers.append(answer)
            position = end
        if answers:
            self.transport.write(answers[0] if len(answers) == 1 else b"".join(answers))
            self.server_state.total_requests += len(answers)
            self._answered_at = self.loop.time()
            if self.timeout_keep_alive_task is None:
                self._await_idleness(self.timeout_keep_alive)
        return position

    def _go_on(self, data: bytes) -> None:
        if self.transport.is_closing():  # Nobody waits for the answers.
            return
        self.flow.resume_reading()
        self.data_received(data)

    def _await_idleness(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _answer(self, calls: DirectCalls, call: Call) -> bytes | None:
        try:
            answered = calls.answer(call)
        except Exception:  # noqa: BLE001 - a defect of ours is told without a trace of why; the log has all of it.
            answered = broken("a call")
        if answered is None:
            return None
        headers = self.server_state.default_headers
        if headers is not self._headers:
            self._headers = headers
            self._sent_headers = b"".join(b"%b: %b\r\n" % header for header in headers)
            self._accepted = self._written(202, b"")
        status, text = answered
        return self._accepted if status == 202 and not text else self._written(status, text.encode())

    def _written(self, status: int, body: bytes) -> bytes:
        """A whole answer, as ``asgi.respond_text`` and uvicorn would write it."""
        kind = b"%b: %b\r\n" % TEXT if body else b""
        return b"%b%b%b%b: %d\r\n\r\n%b" % (
            STATUS_LINE[status],
            self._sent_headers,
            kind,
            CONTENT_LENGTH,
            len(body),
            body,
        )
