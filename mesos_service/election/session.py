"""A session with a ZooKeeper ensemble, on an event loop; kazoo's threads end here.

kazoo says three things of a session: CONNECTED; SUSPENDED, which may turn out either way; and LOST, which only a
server can say. Every change is counted in kazoo's own thread, at once, so that whoever relies on a session can tell
without waiting for the loop that what was known before is in doubt (X22).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import (
    AuthFailedError,
    ConnectionClosedError,
    ConnectionLoss,
    KazooException,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    OperationTimeoutError,
    SessionExpiredError,
)
from kazoo.handlers.threading import SequentialThreadingHandler
from kazoo.interfaces import IAsyncResult
from kazoo.protocol.states import KazooState, KeeperState, ZnodeStat
from kazoo.retry import KazooRetry
from kazoo.security import ACL, OPEN_ACL_UNSAFE, make_acl

from mesos_service.election.interface import ElectionFault
from mesos_service.election.url import ZooKeeperUrl

log = logging.getLogger(__name__)

SESSION_SECONDS: Final = 2.0
"""What is asked for where nobody says otherwise; Mesos asks for 10 s (``docs/high_availability.md`` says why less)."""
AUTH_SCHEME = "digest"
RECONNECT_SECONDS_MAX: Final = 1.0
_CLOSE_SECONDS_MAX: Final = 2.0

ResultT = TypeVar("ResultT")


class Disconnected(ElectionFault):
    """The connection is lost, and perhaps the session; what was under way may have happened or not."""


class NotThere(ElectionFault):
    """There is no such node."""


class Session:
    """Sessions with one ensemble, one after another, from :meth:`start` to :meth:`stop`.

    ``changed`` is called on the loop after each change of the connection; ``lost`` is true when the session is over,
    and with it all that was ephemeral. kazoo begins a new one by itself.
    """

    def __init__(self, url: ZooKeeperUrl, timeout_seconds: float, changed: Callable[[bool], None]) -> None:
        self.url = url
        self.changes = 0
        """How often the connection has changed; counted as soon as kazoo knows."""
        self.connected = False
        self.timeout_seconds = timeout_seconds
        """What the ensemble has granted; until then what was asked for."""
        self._asked_seconds = timeout_seconds
        self._turned_away = False
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        handler = _Handler(timeout_seconds / len(url.hosts))
        retry = KazooRetry(
            max_tries=-1, delay=0.05, backoff=2, max_delay=RECONNECT_SECONDS_MAX, sleep_func=handler.sleep_func
        )
        self._logger = _kazoo_logger(url)
        self._client = KazooClient(
            hosts=url.servers,
            timeout=timeout_seconds,
            handler=handler,
            auth_data=[] if url.user is None else [(AUTH_SCHEME, f"{url.user}:{url.password}")],
            connection_retry=retry,
            logger=self._logger,
        )
        self._client.add_listener(self._on_state)
        # kazoo (2.11) tells nobody which time-out was granted, and would find a dead server only after two thirds of
        # it, with hardly any time left for another one.
        self._kazoo_connect = self._client._connection._connect
        self._client._connection._connect = self._connect

    @property
    def acl(self) -> Sequence[ACL]:
        """As Mesos has it: with a user, everybody may look and only that user may change."""
        if self.url.user is None:
            return OPEN_ACL_UNSAFE
        return [make_acl("world", "anyone", read=True), make_acl("auth", "", all=True)]

    @property
    def id(self) -> int | None:
        """Which session this is; ``None`` while there is none."""
        client_id = self._client.client_id
        return None if client_id is None else client_id[0]

    def check(self) -> None:
        """Raises ``ElectionFault`` when the ensemble has turned this client away for good."""
        if self._turned_away:
            raise ElectionFault(
                f"ZooKeeper at {self.url} does not take user and password: its servers do not know the scheme"
                f" '{AUTH_SCHEME}', which Mesos uses too"
            )

    def start(self) -> None:
        """Begin to connect; waits for nothing."""
        self._client.start_async()

    async def stop(self) -> None:
        """End the session: what was ephemeral is gone when this returns, if the ensemble can be reached."""
        self._logger.disabled = True  # That its attempts are broken off is no news.
        closed: asyncio.Future[None] = self._loop.create_future()

        def close() -> None:
            try:
                self._client.stop()
                self._client.close()
            except KazooException as error:
                log.debug("The session with %s was not closed: %s", self.url, error)
            finally:
                self._soon(lambda: _settle(closed))

        # A daemon, as it may wait for a connection that is just being tried, and nobody has to wait with it.
        threading.Thread(target=close, name="zookeeper-close", daemon=True).start()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_SECONDS_MAX):
                await closed

    # -- requests --------------------------------------------------------------------------------------------
    # All raise Disconnected, and ElectionFault with the remedy where the ensemble does not allow it.

    async def children(self, path: str, watch: Callable[[], None], *, up_to_date: bool = False) -> list[str]:
        """Names below ``path``; ``watch`` is called once, when they may have changed. Raises ``NotThere``.

        ``up_to_date`` asks the ensemble's own leader, which also says whether this session still exists; otherwise a
        server answers that may be cut off from it.
        """
        synced = self._client.sync_async(path) if up_to_date else None
        found = self._client.get_children_async(path, watch=lambda _: self._soon(watch))
        if synced is not None:
            await self._answer(synced, path)
        return await self._answer(found, path)

    async def content(self, path: str) -> bytes:
        """What a node holds. Raises ``NotThere``."""
        content, _ = await self._answer(self._client.get_async(path), path)
        return content

    async def stat(self, path: str, watch: Callable[[], None] | None = None) -> ZnodeStat | None:
        """About a node; ``None`` when there is none. ``watch`` as above."""
        call = None if watch is None else (lambda _: self._soon(watch))
        return await self._answer(self._client.exists_async(path, watch=call), path)

    async def ensure(self, path: str) -> None:
        """Make a node, and those above it, where they are missing."""
        made = ""
        for part in path.strip("/").split("/"):
            made += f"/{part}"
            if await self.stat(made) is None:
                with contextlib.suppress(NodeExistsError):
                    await self._answer(self._client.create_async(made, b"", acl=self.acl), made)

    async def create_member(self, prefix: str, content: bytes) -> str:
        """Make an ephemeral node with a number; its path. Raises ``NotThere`` when there is nothing to make it in."""
        created = self._client.create_async(prefix, content, acl=self.acl, ephemeral=True, sequence=True)
        return await self._answer(created, prefix)

    async def _answer(self, result: IAsyncResult[ResultT], path: str) -> ResultT:
        future: asyncio.Future[None] = self._loop.create_future()
        result.rawlink(lambda _: self._soon(lambda: _settle(future)))
        await future
        error = result.exception
        if error is None:
            return result.get_nowait()
        match error:
            case (
                ConnectionLoss()
                | SessionExpiredError()
                | ConnectionClosedError()
                | OperationTimeoutError()
                | AuthFailedError()
            ):
                raise Disconnected(f"ZooKeeper at {self.url} is not connected")
            case NoNodeError():
                raise NotThere(f"{path} is not there")
            case NodeExistsError():
                raise error
            case NoAuthError():
                who = "anybody" if self.url.user is None else f"the user '{self.url.user}' with this password"
                raise ElectionFault(
                    f"ZooKeeper at {self.url} does not let {who} use {path}: name its owner in the URL, as in"
                    " zk://user:password@host:2181/path, or change its ACL"
                )
            case _:
                raise ElectionFault(f"ZooKeeper at {self.url} refuses {path}: {type(error).__name__} {error}".rstrip())

    # -- kazoo's threads -------------------------------------------------------------------------------------
    def _on_state(self, state: KazooState) -> None:
        self.changes += 1
        self.connected = state == KazooState.CONNECTED
        # kazoo tries no further then.
        self._turned_away = self._turned_away or self._client.client_state == KeeperState.AUTH_FAILED
        self._soon(lambda: self._changed(state == KazooState.LOST))

    def _connect(self, host: str, address: str, port: int) -> tuple[float, float]:
        read_milliseconds, connect_milliseconds = self._kazoo_connect(host, address, port)
        granted_seconds = read_milliseconds * 1.5 / 1000
        if abs(granted_seconds - self.timeout_seconds) > 0.001:
            log.warning(
                "ZooKeeper at %s lets sessions time out after %g s where %g s were asked for (its limits are 2 and 20"
                " times its tickTime): noticing a dead master takes as long",
                self.url,
                granted_seconds,
                self._asked_seconds,
            )
        self.timeout_seconds = granted_seconds
        return granted_seconds * 1000 / 2, connect_milliseconds

    def _soon(self, call: Callable[[], object]) -> None:
        # The loop may have ended while kazoo's threads had something to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():  # Whoever waited may have been cancelled.
        future.set_result(None)


class _Handler(SequentialThreadingHandler):
    """kazoo waits for a connection for as long as a session lasts; one silent server must not cost the session."""

    def __init__(self, connect_seconds: float) -> None:
        super().__init__()
        self._connect_seconds = connect_seconds

    def create_connection(self, *args: object, **options: object) -> object:
        return super().create_connection(*args, **{**options, "timeout": self._connect_seconds})


class _KazooLog(logging.Handler):
    """kazoo repeats itself with each attempt, and its debugging lines show passwords: what it warns of is told once
    until it says something else."""

    def __init__(self, url: ZooKeeperUrl) -> None:
        super().__init__(logging.WARNING)
        self._url = url
        self._told = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith("Transition to"):
            return  # Follows a line that says why.
        level = logging.DEBUG if text == self._told else record.levelno
        self._told = text
        log.log(level, "ZooKeeper at %s: %s", self._url, text, exc_info=record.exc_info)


def _kazoo_logger(url: ZooKeeperUrl) -> logging.Logger:
    # Not from getLogger, which would keep it for ever: it belongs to one session.
    logger = logging.Logger(f"{__name__}.kazoo", logging.WARNING)
    logger.addHandler(_KazooLog(url))
    return logger
