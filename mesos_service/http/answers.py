"""Answers to reads, as Mesos gives them: JSONP and gzip when asked for, headers in the recorded order.

Names of headers keep their case; see ``asgi.HeaderName``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import Response

from mesos_service.http.asgi import CONTENT_LENGTH, TEXT, Application, HeaderName, Receive, Scope, Send

GZIP_BYTES_MIN: Final = 1024
"""Shorter bodies are sent as they are (recorded)."""
_GZIP_LEVEL: Final = 1
"""Several times as fast as the default for a tenth more bytes; the loop waits meanwhile."""
_GZIP_FORMAT: Final = 16 + zlib.MAX_WBITS
CODED: Final = (HeaderName(b"Content-Encoding"), b"gzip")
JSON: Final = (HeaderName(b"Content-Type"), b"application/json")
JAVASCRIPT: Final = (HeaderName(b"Content-Type"), b"text/javascript")
_JSONP_NAME: Final = re.compile(r"[A-Za-z_$][\w$.]*", re.ASCII)

Headers = Iterable[tuple[bytes, bytes]]


class Answer(Response):
    """A whole answer with exactly these headers."""

    def __init__(self, status: int, body: bytes = b"", headers: Headers = ()) -> None:
        # Not the parent's: it would add headers of its own, in its own order and in lower case.
        self.status_code = status
        self.body = body
        self.background = None
        self.raw_headers = list(headers)


def empty_answer(status: int = 200) -> Answer:
    return Answer(status, b"", [(CONTENT_LENGTH, b"0")])


def text_answer(status: int, text: str) -> Answer:
    """Plain text, as Mesos answers what it refuses; it says so even where there is no text."""
    body = text.encode()
    return Answer(status, body, [TEXT, _length(body)])


def legacy_answer(request: Request, body: bytes) -> Answer:
    """JSON of one of the old paths: as a call of a function where ``jsonp`` names one."""
    callback = request.query_params.get("jsonp")
    kind = JSON
    if callback is not None:
        # Whatever else stands there would run as a script of ours.
        if not is_jsonp_name(callback):
            return jsonp_refused(callback)
        body, kind = b"%b(%b)" % (callback.encode(), body), JAVASCRIPT
    body, coding = coded(request.scope, body)
    return Answer(200, body, [*coding, _length(body), kind])


def is_jsonp_name(callback: str) -> bool:
    """Whether a function can be called so."""
    return _JSONP_NAME.fullmatch(callback) is not None


def jsonp_refused(callback: str) -> Answer:
    return text_answer(400, f"'{callback}' is not the name of a function.\n")


class Compressor(Protocol):
    """What ``zlib`` makes, and gives no name."""

    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def gzip_compressor() -> Compressor:
    """Of one body, piece by piece."""
    return zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_FORMAT)


def coded(scope: Scope, body: bytes) -> tuple[bytes, Headers]:
    """The body as the client can take it, and the headers that say how."""
    if len(body) < GZIP_BYTES_MIN or not accepts_gzip(scope):
        return body, ()
    compressor = gzip_compressor()
    return compressor.compress(body) + compressor.flush(), (CODED,)


def accepts_gzip(scope: Scope) -> bool:
    """Whether Accept-Encoding names gzip, or anything, and does not forbid it with ``q=0`` (RFC 9110, 12.5.3)."""
    wanted: dict[str, bool] = {}
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            for one in value.decode("latin-1").lower().replace(" ", "").split(","):
                coding, _, parameter = one.partition(";")
                wanted.setdefault(coding, re.fullmatch(r"q=0(\.0{0,3})?", parameter) is None)
    return wanted.get("gzip", wanted.get("*", False))


def _length(body: bytes) -> tuple[bytes, bytes]:
    return CONTENT_LENGTH, b"%d" % len(body)


class AnyMethod:
    """Lets reads be asked for by any method, as Mesos does: DELETE of ``/state`` shows the state (recorded)."""

    def __init__(self, app: Application, paths: Iterable[str]) -> None:
        self._application = app
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._paths and scope["method"] != "GET":
            scope = {**scope, "method": "GET"}
        await self._application(scope, receive, send)
