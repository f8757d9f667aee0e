"""In front of a service's doors: who asks has to prove who he is (Mesos docs, "Authentication"; M-SE-11).

Each path belongs to a realm, or is open to everybody. A path that nobody has thought of belongs to the realm of what
may change something, so that forgetting one keeps it shut. The short way for calls (``http.direct``) is guarded by the
same question as the long one: what it cannot answer for is sent the long way, which says 401.
"""

from __future__ import annotations

import binascii
import hmac
import logging
import os
import stat
import time
from base64 import b64decode
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from mesos_service.configuration.credentials import read_credentials
from mesos_service.http.asgi import (
    PRINCIPAL,
    TEXT,
    Answered,
    Application,
    Call,
    CallHeaders,
    DirectCalls,
    HeaderName,
    Receive,
    Scope,
    Send,
    respond,
)
from mesos_service.http.direct import HasDirectCalls

LOOK_SECONDS: Final = 1.0
"""How often the file of credentials is looked at; a new one needs no restart (M-SE-18)."""
_PROVED_MAX: Final = 4096
_SCHEME: Final = "basic"
_CHALLENGE: Final = HeaderName(b"WWW-Authenticate")
_UNAUTHORIZED: Final = b"401 Unauthorized."
"""Recorded of Mesos: the realm says more than this text."""

log = logging.getLogger(__name__)


class CredentialStore:
    """Who proves what, by a file that is looked at again when it has changed.

    A file that cannot be used any more leaves those in force that were: an operator's slip of the pen must not lock
    everybody out.

    Raises:
        ValueError: when it is made, the file cannot be read, or is none of credentials.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._look_at = clock() + LOOK_SECONDS
        self._seen = self._mark()
        self._secrets = self._read()
        self._nobodys = os.urandom(32)
        self._proved: dict[str, str] = {}
        """Headers that proved somebody, as clients send the same ones again and again."""
        self._warn()

    def principal_of(self, authorization: str | None) -> str | None:
        """Who sent this header, if it proves anybody."""
        if authorization is None:
            return None
        if self._clock() >= self._look_at:
            self._look()
        principal = self._proved.get(authorization)
        if principal is None:
            principal = self._prove(authorization)
            if principal is not None and len(self._proved) < _PROVED_MAX:
                self._proved[authorization] = principal
        return principal

    def _prove(self, authorization: str) -> str | None:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != _SCHEME:
            return None
        try:
            given = b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            return None
        principal, colon, secret = given.partition(b":")
        # The comparison is made for the unknown as well, so that its time tells nobody who is known.
        right = hmac.compare_digest(secret, self._secrets.get(principal, self._nobodys))
        return principal.decode() if colon and right else None

    def _read(self) -> dict[bytes, bytes]:
        return {one.principal.encode(): one.secret.encode() for one in read_credentials(self._path)}

    def _look(self) -> None:
        self._look_at = self._clock() + LOOK_SECONDS
        mark = self._mark()
        if mark == self._seen:
            return
        self._seen = mark
        try:
            self._secrets = self._read()
        except ValueError as error:
            log.error("Credentials stay as they were: %s", error)
            return
        self._proved.clear()
        log.info("Read the credentials in %s again: %d principals", self._path, len(self._secrets))
        self._warn()

    def _mark(self) -> tuple[int, int, int] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _warn(self) -> None:
        try:
            mode = self._path.stat().st_mode
        except OSError:
            return
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            log.warning("Everybody on this machine may read %s; take that right away (chmod o-rwx)", self._path)


@dataclass(frozen=True, slots=True)
class Door:
    """Which realm a path belongs to, and whether it is guarded."""

    realm: str
    guarded: bool


class Guard:
    """Lets through to ``application`` who proves who he is, wherever ``door_of`` a path says that he has to."""

    def __init__(
        self, application: Application, door_of: Callable[[str], Door | None], credentials: CredentialStore
    ) -> None:
        self._application = application
        self._calls = application if isinstance(application, HasDirectCalls) else None
        self._door_of = door_of
        self._credentials = credentials

    def direct(self, path: str) -> DirectCalls | None:
        """See ``http.direct``."""
        calls = None if self._calls is None else self._calls.direct(path)
        if calls is None:
            return None
        door = self._door_of(path)
        return calls if door is None or not door.guarded else _GuardedCalls(calls, self._credentials)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            door = self._door_of(scope["path"])
            if door is not None and door.guarded:
                principal = self._credentials.principal_of(CallHeaders.of(scope).authorization)
                if principal is None:
                    challenge = (_CHALLENGE, f'Basic realm="{door.realm}"'.encode())
                    await respond(send, 401, _UNAUTHORIZED, (challenge, TEXT))
                    return
                scope = {**scope, PRINCIPAL: principal}
        await self._application(scope, receive, send)


class _GuardedCalls:
    __slots__ = ("_calls", "_credentials")

    def __init__(self, calls: DirectCalls, credentials: CredentialStore) -> None:
        self._calls = calls
        self._credentials = credentials

    def answer(self, call: Call) -> Answered | None:
        principal = self._credentials.principal_of(call.headers.authorization)
        return None if principal is None else self._calls.answer(replace(call, principal=principal))


def is_at_or_below(path: str, roots: Collection[str]) -> bool:
    """Whether ``path`` is one of ``roots`` or continues one after a slash: so ``asgi.HotPath`` chooses, too."""
    return any(path == root or path.startswith(root + "/") for root in roots)
