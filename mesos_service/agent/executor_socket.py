"""A Unix socket at which custom executors find their agent, and nobody anything else (M-EX-07; Mesos docs,
"--http_executor_domain_sockets").

An executor whose container has no network still reaches it. It takes who may reach the file: executors are not asked
who they are, here as on the agent's port.
"""

from __future__ import annotations

import logging
import os
import socket
import stat
from pathlib import Path

from mesos_service.domain.errors import ConfigurationError
from mesos_service.http.asgi import Application, HotPath, Receive, Scope, Send, respond_text
from mesos_service.http.server import HttpServer

log = logging.getLogger(__name__)


class ExecutorSocket:
    """Open between :meth:`start` and :meth:`stop`."""

    def __init__(self, path: Path, executors: Application, paths: tuple[str, ...]) -> None:
        self.path = path
        self._server = HttpServer(HotPath(_nothing_else, dict.fromkeys(paths, executors)), path)
        self._made: tuple[int, int] | None = None
        """Which file is ours, once it is there: at its path may be somebody else's."""

    async def start(self) -> None:
        """Take the place of one that an agent before this one has left.

        Raises:
            ConfigurationError: somebody else is there, or it cannot be made.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.is_socket():
                _refuse_if_in_use(self.path)
                self.path.unlink()
            await self._server.start()
            self._made = _file_at(self.path)
            closed = [place for place in reversed(self.path.parents) if not place.stat().st_mode & stat.S_IXOTH]
        except OSError as error:
            raise ConfigurationError(f"cannot listen at {self.path}: {error.strerror or error}") from error
        if closed and os.geteuid() == 0:
            log.warning("Executors of other users do not reach %s: they may not pass through %s", self.path, closed[0])

    async def stop(self) -> None:
        """Close it, and take it away; nothing happens where it was not made."""
        if self._made is None:
            return
        await self._server.stop()
        if _file_at(self.path) == self._made:
            self.path.unlink(missing_ok=True)
        self._made = None


def _file_at(path: Path) -> tuple[int, int] | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _refuse_if_in_use(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        # Who listens and takes no more connections would have us wait for ever.
        asking.setblocking(False)
        try:
            asking.connect(str(path))
        except ConnectionRefusedError:
            return
        except BlockingIOError:
            pass
    raise ConfigurationError(f"somebody listens at {path} already: name another place by --domain_socket_location")


async def _nothing_else(scope: Scope, receive: Receive, send: Send) -> None:
    await respond_text(send, 404, "")
