"""Real ZooKeeper servers on loopback, alone or as an ensemble, whose nodes can be killed and frozen.

For ``bench failover``, and for tests. Debian's package ``zookeeper`` brings the jars; servers are started from them
directly, with their data in a directory of the caller's, and nothing but what was started here is ever ended. Calls
block.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from mesos_service.domain.errors import OperatingFault
from mesos_service.local.ports import fixed_port

JAR: Final = Path("/usr/share/java/zookeeper.jar")
MAIN: Final = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
# A small server that is up soon, on a machine whose cores others want too.
_JVM: Final = ("-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:ActiveProcessorCount=1", "-Xshare:auto")
TICK_MILLISECONDS: Final = 500
"""What ``docs/high_availability.md`` recommends: sessions may then time out after 1 s (two ticks)."""
_PAUSE_SECONDS: Final = 0.02
_START_SECONDS_MAX: Final = 60.0
_ANSWER_SECONDS_MAX: Final = 1.0
_SERVING: Final = frozenset({"leader", "follower", "standalone"})


class ZooKeeperFailed(OperatingFault):
    """A server did not start, or does not serve; the text has the end of its log."""


def is_installed() -> bool:
    """Whether Debian's package and a Java to run it are there."""
    return JAR.exists() and shutil.which("java") is not None


class ZooKeeperNode:
    """One server of an ensemble, or one alone. All ports stay the same over its restarts."""

    def __init__(self, directory: Path, number: int) -> None:
        self.directory = directory
        self.number = number
        self.port = fixed_port()
        self._quorum_port = fixed_port()
        self._election_port = fixed_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def peer_line(self) -> str:
        """How the others' configuration names it."""
        return f"server.{self.number}=127.0.0.1:{self._quorum_port}:{self._election_port}"

    def configure(self, peers: list[str], tick_milliseconds: int) -> None:
        """Write its configuration; ``peers`` is empty for a server alone."""
        data = self.directory / "data"
        data.mkdir(parents=True, exist_ok=True)
        (data / "myid").write_text(f"{self.number}\n")
        # In ticks: long enough to start and to follow on a busy machine, whatever the tick.
        limit = max(10, 20_000 // tick_milliseconds)
        lines = [
            f"tickTime={tick_milliseconds}",
            f"initLimit={limit}",
            f"syncLimit={max(5, 2_000 // tick_milliseconds)}",
            f"dataDir={data}",
            f"clientPort={self.port}",
            "clientPortAddress=127.0.0.1",
            "4lw.commands.whitelist=srvr,ruok",
            "admin.enableServer=false",
            "maxClientCnxns=0",
            *peers,
        ]
        (self.directory / "zoo.cfg").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start it; :meth:`wait_serving` waits until it serves."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["java", *_JVM, "-cp", str(JAR), MAIN, str(self.directory / "zoo.cfg")],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.directory,
                start_new_session=True,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None, "it was started"
        return self._process.pid

    def mode(self) -> str | None:
        """``standalone``, ``leader`` or ``follower``; ``None`` when it does not serve: down, frozen, or no quorum."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), _ANSWER_SECONDS_MAX) as connection:
                connection.sendall(b"srvr")
                with connection.makefile("rb") as answer:
                    lines = answer.read().decode(errors="replace").splitlines()
        except OSError:
            return None
        modes = [line.removeprefix("Mode:").strip() for line in lines if line.startswith("Mode:")]
        return modes[0] if modes and modes[0] in _SERVING else None

    def wait_serving(self) -> str:
        """Wait until it serves; its mode then.

        Raises:
            ZooKeeperFailed: it ended, or took too long.
        """
        deadline = time.monotonic() + _START_SECONDS_MAX
        while (mode := self.mode()) is None:
            if not self.running or time.monotonic() > deadline:
                what = "does not serve" if self.running else "has ended"
                raise ZooKeeperFailed(f"ZooKeeper node {self.number} {what}; the end of its log:\n{self.log_end()}")
            time.sleep(_PAUSE_SECONDS)
        return mode

    def stop(self) -> None:
        """End it in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Stop it where it stands: its connections stay open, and nobody answers on them."""
        assert self._process is not None and self.running
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._process is not None and self.running:
            self._process.send_signal(signal.SIGCONT)

    def log_end(self, lines: int = 30) -> str:
        log = self.directory / "log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        self.thaw()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class ZooKeeper:
    """A server alone (``size=1``) or an ensemble (``size=3``), not yet started."""

    def __init__(self, directory: Path, size: int = 1, tick_milliseconds: int = TICK_MILLISECONDS) -> None:
        self.nodes = tuple(ZooKeeperNode(directory / f"zookeeper-{number}", number) for number in range(1, size + 1))
        peers = [node.peer_line for node in self.nodes] if size > 1 else []
        for node in self.nodes:
            node.configure(peers, tick_milliseconds)

    def start(self) -> None:
        """Start all nodes that do not run, and wait until each serves."""
        for node in self.nodes:
            if not node.running:
                node.start()
        self.wait_serving()

    def wait_serving(self) -> None:
        """Wait until every node serves."""
        for node in self.nodes:
            node.wait_serving()

    def stop(self) -> None:
        """End all nodes, frozen ones too."""
        for node in self.nodes:
            node.kill()

    def leader(self) -> ZooKeeperNode:
        """The node that leads the ensemble, or the only one; waits for it.

        Raises:
            ZooKeeperFailed: none does.
        """
        deadline = time.monotonic() + _START_SECONDS_MAX
        while time.monotonic() < deadline:
            for node in self.nodes:
                if node.mode() in ("leader", "standalone"):
                    return node
            time.sleep(_PAUSE_SECONDS)
        raise ZooKeeperFailed(f"no node of ZooKeeper at {self.hosts} leads")

    @property
    def hosts(self) -> str:
        """``host:port,host:port``, as clients take it."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def url(self, path: str = "/mesos", credentials: str = "") -> str:
        """``zk://[user:password@]host:port,.../path``."""
        return f"zk://{credentials}{'@' if credentials else ''}{self.hosts}{path}"

    def __enter__(self) -> ZooKeeper:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
