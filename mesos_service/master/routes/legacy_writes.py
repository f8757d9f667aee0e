"""What the master's old paths that change something have alike: a body, read or refused, and an answer without one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from mesos_service.core.effects import Reply
from mesos_service.http.answers import empty_answer, text_answer
from mesos_service.http.asgi import BODY_BYTES_MAX, BodyTooLarge, read_body
from mesos_service.openapi import Responses
from mesos_service.wire.errors import WireError

Wanted = TypeVar("Wanted")

DONE: Final[Responses] = {200: {"description": "Done, and stored."}}
"""For a route's ``responses``."""


async def write(
    request: Request,
    read: Callable[[bytes], Wanted],
    act: Callable[[Wanted], Awaitable[Reply | None]],
    *,
    done: int = 200,
    limit: int = BODY_BYTES_MAX,
) -> Response:
    """Read the body of at most ``limit`` bytes, act on it, and say with ``done`` that it was done.

    413 for a longer body; what ``read`` raises as ``WireError``, and what ``act`` returns, is the answer to the rest.
    """
    try:
        wanted = read(await read_body(request.receive, limit))
    except BodyTooLarge:
        return text_answer(413, "The request body is too large.")
    except WireError as error:
        return text_answer(error.status, error.text)
    return written(await act(wanted), done=done)


def written(refused: Reply | None, *, done: int = 200) -> Response:
    """Why not, in plain text, or nothing but ``done``."""
    return empty_answer(done) if refused is None else text_answer(refused.status, refused.text)
