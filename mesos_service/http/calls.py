"""What every v1 endpoint demands of a POST before its body is read, with Mesos' status codes and texts (X18a)."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Collection
from typing import Final

from mesos_service.http.asgi import (
    ACCEPTED,
    BODY_BYTES_MAX,
    PRINCIPAL,
    TEXT,
    Answered,
    BodyTooLarge,
    Call,
    CallHeaders,
    ClientGone,
    HeaderName,
    Receive,
    Scope,
    Send,
    read_body,
    respond,
    respond_accepted,
    respond_text,
)
from mesos_service.wire.streams import JSON, PROTOBUF

OUR_DEFECT: Final = "this is a defect of ours, please report it with the lines that follow"

BROKEN: Final = "Internal error: the request was well-formed, but handling it failed."
"""What clients are told of a defect of ours."""
_GZIP_FORMAT: Final = 16 + zlib.MAX_WBITS
_ALLOW_POST: Final = (HeaderName(b"Allow"), b"POST")

log = logging.getLogger(__name__)


async def receive_call(
    scope: Scope,
    receive: Receive,
    send: Send,
    content_types: str = "application/json or application/x-protobuf",
    limit: int = BODY_BYTES_MAX,
    taken: Collection[str] = (JSON, PROTOBUF),
) -> Call | None:
    """The call, or ``None`` when it was answered here: wrong method, wrong content type, too large, or gone.

    A body may be compressed by gzip, as Mesos takes it; the limit holds before and after.

    ``taken`` are the content types that the endpoint reads, ``content_types`` what the refusal of another one says is
    expected, which differs between Mesos' endpoints. ``limit`` is in bytes of the body; what is longer is answered 413.
    """
    if scope["method"] != "POST":
        text = f"Expecting one of {{ 'POST' }}, but received '{scope['method']}'."
        await respond(send, 405, f"405 Method Not Allowed. {text}".encode(), (_ALLOW_POST, TEXT))
        return None
    headers = CallHeaders.of(scope)
    if headers.content_type not in taken:
        if headers.content_type is None:
            await respond_text(send, 400, "Expecting 'Content-Type' to be present")
        else:
            await respond_text(send, 415, f"Expecting 'Content-Type' of {content_types}")
        return None
    try:
        body = await read_body(receive, limit)
        if headers.content_encoding == "gzip":
            body = _uncompressed(body, limit)
    except zlib.error:
        await respond_text(send, 400, "Failed to decompress the request body")
        return None
    except BodyTooLarge:
        await respond(send, 413, b"The request body is too large.", (TEXT, (b"connection", b"close")))
        return None
    except ClientGone:
        return None
    return Call(headers, body, scope.get(PRINCIPAL))


def _uncompressed(body: bytes, limit: int) -> bytes:
    """Raises ``zlib.error``, and ``BodyTooLarge`` however little it was that became so much."""
    decompressor = zlib.decompressobj(_GZIP_FORMAT)
    whole = decompressor.decompress(body, limit + 1)
    if len(whole) > limit:
        raise BodyTooLarge
    if not decompressor.eof or decompressor.unused_data:
        # Something behind it, another gzip file for instance, is not read by Mesos either.
        raise zlib.error("it does not end where the body ends")
    return whole


async def respond_answered(send: Send, answered: Answered) -> None:
    """Tell what was decided."""
    if answered == ACCEPTED:
        await respond_accepted(send)
    else:
        await respond_text(send, *answered)


def broken(what: str) -> Answered:
    """We failed, not the client: a short answer without a trace of why; the log has all of it.

    To be called where the exception is handled.
    """
    log.exception("%s failed; %s", what, OUR_DEFECT)
    return 500, BROKEN


async def respond_broken(send: Send, what: str) -> None:
    """Answer with :func:`broken`."""
    await respond_answered(send, broken(what))
