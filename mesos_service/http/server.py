"""Running uvicorn inside a loop that is ours: several servers in one process, no signal handlers taken."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn

from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.errors import OperatingFault
from mesos_service.http.asgi import Application, HeaderName
from mesos_service.http.direct import DirectProtocol

KEEP_ALIVE_SECONDS = 3600
"""A client that keeps one idle connection and never retries loses its subscription when we close it first."""

_DATE: Final = HeaderName(b"Date")


class AddressInUse(OperatingFault):
    """Somebody else listens there."""


def bind(ip: str, port: int) -> socket.socket:
    """A listening socket; port 0 asks for any free one.

    Raises:
        AddressInUse: naming the address.
    """
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((ip, port))
    except OSError as error:
        listener.close()
        raise AddressInUse(f"cannot listen on {join_host_port(ip, port)}: {error.strerror}") from error
    listener.listen(4096)
    listener.setblocking(False)
    return listener


class _Quiet(uvicorn.Server):
    """uvicorn takes over SIGINT and SIGTERM by default; a process with several servers must not.

    It spells Date in lower case, which we do not, as Mesos does not.
    """

    async def on_tick(self, counter: int) -> bool:
        ends = await super().on_tick(counter)
        headers = self.server_state.default_headers
        if headers and headers[0][0] == b"date":
            self.server_state.default_headers = [(_DATE, headers[0][1]), *headers[1:]]
        return ends

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class HttpServer:
    """One application on one listening socket; over HTTPS where ``tls`` is given, and then over nothing else.

    Instead of a socket it may be the path of a Unix socket, which is made when it starts, for everybody to write to.
    """

    def __init__(
        self, application: Application, listener: socket.socket | Path, tls: ssl.SSLContext | None = None
    ) -> None:
        self._listener = listener
        self.tls = tls
        self._server = _Quiet(
            uvicorn.Config(
                application,
                uds=str(listener) if isinstance(listener, Path) else None,
                loop="none",
                http=DirectProtocol,
                ws="none",
                interface="asgi3",  # uvicorn takes an object's bound __call__ for ASGI 2 otherwise
                proxy_headers=False,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
                timeout_graceful_shutdown=1,
                backlog=4096,
                ssl_context_factory=None if tls is None else lambda *_: tls,
            )
        )
        self._task: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        assert isinstance(self._listener, socket.socket), "a Unix socket has none"
        port: int = self._listener.getsockname()[1]
        return port

    async def start(self) -> None:
        """Returns when connections are accepted."""
        sockets = None if isinstance(self._listener, Path) else [self._listener]
        self._task = asyncio.create_task(self._server.serve(sockets=sockets))
        while not self._server.started:
            if self._task.done():
                self._task.result()
                raise OperatingFault("the HTTP server ended while it was starting")
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Close the listening socket and what is still open; returns when all handlers have ended."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
            self._task = None
