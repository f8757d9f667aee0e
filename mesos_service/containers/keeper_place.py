"""The directory in which an agent meets its keeper: whose it is, the socket there, and how a keeper is started."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mesos_service.containers import keeper
from mesos_service.containers.keeper_packets import LISTENER
from mesos_service.domain.errors import OperatingFault

_SOCKET: Final = "keeper.sock"
_BOOKS: Final = "containers.log"
_LOG: Final = "keeper.log"
_LOCK: Final = "lock"


class KeeperPlace:
    """One agent's, for as long as it is taken."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.books = directory / _BOOKS
        self._lock: int | None = None
        """Held for as long as this agent may use the directory."""

    def take(self) -> None:
        """Make the directory, and see that no other agent has it; nothing happens where it is ours.

        Raises:
            OperatingFault: it cannot be used, or is another agent's.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._directory.chmod(0o700)
            if self._lock is None:
                self._lock = os.open(self._directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise OperatingFault(f"Cannot use --runtime_dir={self._directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            # Its keeper would be ours from here on, and what it runs would be destroyed as nobody's.
            raise OperatingFault(
                f"Another agent keeps its containers in --runtime_dir={self._directory}; give each its own"
            ) from error

    def leave(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def connect(self) -> socket.socket | None:
        """To the keeper that is there, if one is. Raises ``OSError``."""
        connection = _socket()
        try:
            with _address(self._directory) as address:
                connection.connect(address)
        except (ConnectionRefusedError, FileNotFoundError):
            connection.close()
            return None
        return connection

    def start_keeper(self) -> tuple[int, socket.socket]:
        """Start a keeper that listens already when it begins; its process id, and a connection. Raises ``OSError``."""
        with _socket() as listener:
            with _address(self._directory) as address:
                (self._directory / _SOCKET).unlink(missing_ok=True)
                listener.bind(address)
            listener.listen(4)
            inherited = fcntl.fcntl(listener.fileno(), fcntl.F_DUPFD_CLOEXEC, LISTENER + 1)
            to_log = (str(self._directory / _LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                pid = os.posix_spawn(
                    sys.executable,
                    [sys.executable, "-I", "-S", keeper.__file__, str(self.books)],
                    {},
                    file_actions=[
                        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                        (os.POSIX_SPAWN_OPEN, 1, *to_log),
                        (os.POSIX_SPAWN_DUP2, 1, 2),
                        (os.POSIX_SPAWN_DUP2, inherited, LISTENER),
                    ],
                    setsid=True,
                    setsigmask=(),
                )
            finally:
                os.close(inherited)
        connection = self.connect()
        assert connection is not None, "its socket was bound before it was started"
        return pid, connection


def _socket() -> socket.socket:
    return socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)


@contextlib.contextmanager
def _address(directory: Path) -> Iterator[str]:
    """The socket's address. A path to a socket may have 107 bytes, and work directories are longer than that."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{handle}/{_SOCKET}"
    finally:
        os.close(handle)
