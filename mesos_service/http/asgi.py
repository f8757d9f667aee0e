"""The small ASGI layer that stands in front of FastAPI (measured: 48k against 8k requests/s)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

# Any: ASGI 3 defines scopes and messages as dictionaries of whatever the server puts there.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class HeaderName(bytes):
    """A header name that keeps its case on its way out.

    uvicorn (seen in 0.54) lower-cases every name; HTTP does not care, but some schedulers look for
    ``Mesos-Stream-Id`` by the letter.
    """

    def lower(self) -> bytes:
        return self


class FramingName(HeaderName):
    """Of a header by which uvicorn (seen in 0.54) learns how an answer is framed: it looks for that in lower case."""

    def __eq__(self, other: object) -> bool:
        return bytes(self) == other or bytes(self).lower() == other

    def __hash__(self) -> int:
        return hash(bytes(self).lower())


BODY_BYTES_MAX = 64 * 1024 * 1024
"""For our own agent link, whose calls carry what others' calls were made of: far below what would hurt."""

CLIENT_BODY_BYTES_MAX = 16 * 1024 * 1024
"""For schedulers and executors: far above any lawful call (5,000 tasks in one ACCEPT are some 2 MB), and far enough
below ``BODY_BYTES_MAX`` that whatever is taken from them fits the agent link, in Base64 and with all that is around
it."""

PRINCIPAL: Final = "mesos.principal"
"""In a scope: who the client proved to be; absent where nobody asked."""
CONTENT_LENGTH: Final = FramingName(b"Content-Length")
"""Of answers, as Mesos spells it; requests have it in lower case."""
CHUNKED: Final = (FramingName(b"Transfer-Encoding"), b"chunked")
TEXT = (HeaderName(b"Content-Type"), b"text/plain; charset=utf-8")


class BodyTooLarge(Exception):
    """The client sent, or announced, more bytes than the limit of its endpoint."""


class ClientGone(Exception):
    """The client closed the connection before its request was complete."""


@dataclass(frozen=True, slots=True)
class CallHeaders:
    """The request headers a call may depend on; ``None`` where absent. Values as sent."""

    content_type: str | None = None
    accept: str | None = None
    message_accept: str | None = None
    message_content_type: str | None = None
    stream_id: str | None = None
    traceparent: str | None = None
    authorization: str | None = None
    last_event_id: str | None = None
    content_encoding: str | None = None

    @classmethod
    def of(cls, scope: Scope) -> CallHeaders:
        found: dict[str, str] = {}
        for name, value in scope["headers"]:
            field = _FIELDS.get(name)
            if field is not None:
                found[field] = value.decode("latin-1")
        return cls(**found)


_FIELDS = {
    b"content-type": "content_type",
    b"accept": "accept",
    b"message-accept": "message_accept",
    b"message-content-type": "message_content_type",
    b"mesos-stream-id": "stream_id",
    b"traceparent": "traceparent",
    b"authorization": "authorization",
    b"last-event-id": "last_event_id",
    b"content-encoding": "content_encoding",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A POST with a body of JSON or of protobuf, as its content type says, not yet decoded."""

    headers: CallHeaders
    body: bytes
    principal: str | None = None
    """Who the client proved to be; ``None`` where nobody asked."""


Answered = tuple[int, str]
"""A status, and the text of a refusal; empty where the status says it all."""
ACCEPTED: Final[Answered] = (202, "")


@runtime_checkable
class DirectCalls(Protocol):
    """An endpoint that can answer most calls at once, without waiting for anything."""

    def answer(self, call: Call, /) -> Answered | None:
        """The answer, or ``None`` when there is more to it; then nothing has happened yet."""


async def read_body(receive: Receive, limit: int = BODY_BYTES_MAX) -> bytes:
    """The whole request body.

    Raises:
        BodyTooLarge: beyond ``limit`` bytes; what was read is dropped.
        ClientGone: the connection closed first.
    """
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        if len(body) > limit:
            raise BodyTooLarge
        return body
    parts = [body]
    size = len(body)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


async def respond(
    send: Send,
    status: int,
    body: bytes = b"",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> None:
    """One whole answer with its length."""
    await send(
        {
            "type": "http.response.start",
            "status": status,
            "headers": [*headers, (CONTENT_LENGTH, b"%d" % len(body))],
        }
    )
    await send({"type": "http.response.body", "body": body})


_ACCEPTED_START: Message = {
    "type": "http.response.start",
    "status": 202,
    "headers": [(CONTENT_LENGTH, b"0")],
}
_EMPTY_BODY: Message = {"type": "http.response.body", "body": b""}


async def respond_accepted(send: Send) -> None:
    """202 without a body: the answer of nearly every call, hence made once."""
    await send(_ACCEPTED_START)
    await send(_EMPTY_BODY)


async def respond_text(send: Send, status: int, text: str) -> None:
    """Plain text, as Mesos answers what it refuses; without text there is no content type either."""
    await respond(send, status, text.encode(), (TEXT,) if text else ())


class HotPath:
    """Catches the paths that must be fast, and what is below them; everything else goes to the application behind.

    As everywhere in Mesos the longest path that is a whole prefix answers: ``/api/v1/scheduler/x`` is a call of the
    scheduler API.
    """

    def __init__(self, application: Application, hot: Mapping[str, Application]) -> None:
        self._application = application
        self._hot = dict(hot)
        handlers: Mapping[str, object] = hot
        self._direct = {path: handler for path, handler in handlers.items() if isinstance(handler, DirectCalls)}
        self._below = {path + "/": handler for path, handler in sorted(hot.items(), key=_longest_first)}
        self._prefixes = tuple(self._below)

    def direct(self, path: str) -> DirectCalls | None:
        """The handler at exactly ``path``, if it can answer without ASGI; see ``http.direct``."""
        return self._direct.get(path)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            path = scope["path"]
            handler = self._hot.get(path)
            if handler is None and path.startswith(self._prefixes):
                handler = next(below for prefix, below in self._below.items() if path.startswith(prefix))
            if handler is not None:
                await handler(scope, receive, send)
                return
        await self._application(scope, receive, send)


def _longest_first(entry: tuple[str, Application]) -> int:
    return -len(entry[0])
