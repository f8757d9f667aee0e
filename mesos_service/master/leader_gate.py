"""In front of a master's doors: whoever does not lead says who does (307), or that nobody can be asked now (503).

As recorded of Mesos' masters, all but a few reads about the process itself are redirected, with the whole path and
query, to ``//host:port/master/...`` without a scheme. Agents alone wait at the door of a master that still reads its
registry, and for a moment at that of a standby: their link is no call of Mesos', and ZooKeeper tells them of a new
leader when it tells him. All of them come at that very moment, and thousands that were sent away would come again and
again, and then later than they could.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection
from typing import Final

from mesos_service.http.asgi import Application, DirectCalls, HeaderName, Receive, Scope, Send, respond, respond_text
from mesos_service.http.common_reads import COMMON_PATHS
from mesos_service.http.direct import HasDirectCalls
from mesos_service.http.process_reads import PROCESS_PATHS
from mesos_service.master.leadership import Leadership, Phase
from mesos_service.master.routes.files import FILE_PATHS

PREFIX: Final = "/master"
WAIT_SECONDS_MAX: Final = 5.0
"""Far below what agents wait for an answer."""
STANDBY_SECONDS_MAX: Final = 1.0
"""Longer than it takes to hear from ZooKeeper what others have heard; an agent that is at the wrong door loses it."""
REDIRECT: Final = f"{PREFIX}/redirect"
OWN_PATHS: Final = frozenset(
    prefix + path
    for prefix in ("", PREFIX)
    for path in ("", *COMMON_PATHS, *PROCESS_PATHS, *FILE_PATHS, "/docs", "/openapi.json", "/openapi-3.2.json")
)
"""What every master answers itself: what it is and how it fares, and how the API is spoken."""

_NOT_YET: Final = frozenset({Phase.STANDBY, Phase.RECOVERING})
_LOCATION: Final = HeaderName(b"Location")


class LeaderGate:
    """Lets requests through to ``application`` while ``leadership`` is open.

    Those to paths in ``patient`` wait for up to ``WAIT_SECONDS_MAX`` while it reads the registry, of which up to
    ``STANDBY_SECONDS_MAX`` for its election.
    """

    def __init__(self, application: Application, leadership: Leadership, patient: Collection[str] = ()) -> None:
        self._application = application
        self._leadership = leadership
        self._patient = frozenset(patient)
        self._calls = application if isinstance(application, HasDirectCalls) else None

    def direct(self, path: str) -> DirectCalls | None:
        """See ``http.direct``; a closed gate sends everybody the long way, to :meth:`__call__`."""
        return self._calls.direct(path) if self._calls is not None and self._leadership.is_open else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._leadership.phase in _NOT_YET and scope.get("path") in self._patient:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WAIT_SECONDS_MAX):
                    await self._leadership.recovered(STANDBY_SECONDS_MAX)
        if scope["type"] != "http" or self._leadership.is_open or scope["path"].rstrip("/") in OWN_PATHS:
            await self._application(scope, receive, send)
            return
        obstacle, leader = self._leadership.obstacle, self._leadership.leader
        if obstacle is not None or leader is None:
            await respond_text(send, 503, obstacle or "")
            return
        location = f"//{leader.location}".encode("latin-1", "replace") + _target(scope)
        await respond(send, 307, b"", ((_LOCATION, location),))


def _target(scope: Scope) -> bytes:
    """What follows the leader's address, as it was asked for."""
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    if not path.startswith(PREFIX.encode() + b"/"):
        path = PREFIX.encode() + path
    if path.rstrip(b"/") == REDIRECT.encode():
        return b""  # Whoever asks for the leader is sent to its front door (recorded).
    query: bytes = scope.get("query_string", b"")
    return path + b"?" + query if query else path
