"""Where an agent keeps what must outlive it, and that only one agent uses the place (Mesos: ``slave/paths.hpp``).

``WORK_DIR/meta/slaves/AGENT/journal`` holds the records, ``meta/slaves/latest`` leads to the agent that the next start
goes on with, and ``meta/boot_id`` tells whether the machine was started anew since. Removing ``latest`` makes the next
agent a new one, as in Mesos; what the old one kept goes when its sandboxes would (``agent.garbage``).
``meta/resources`` has what was reserved and made volumes of, which the new one takes over.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.ids import AgentId

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


class MetaDirectory:
    """``WORK_DIR/meta``, held by one process at a time until :meth:`close`.

    Raises:
        ConfigurationError: another agent works here, or it cannot be made; names the directory.
    """

    def __init__(self, work_dir: Path) -> None:
        self.path = work_dir / "meta"
        self._slaves = self.path / "slaves"
        self.latest = self._slaves / "latest"
        self.resources = self.path / "resources"
        self._lock: int | None = None
        try:
            self._slaves.mkdir(parents=True, exist_ok=True)
            lock = self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(f"Cannot keep checkpoints in {self.path}: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise ConfigurationError(f"Another agent works in {work_dir}; give each its own --work_dir") from error

    def journal_of_latest(self) -> Path | None:
        """The journal of the agent to go on with, where there is one."""
        return self.latest / "journal" if self.latest.is_dir() else None

    def begin(self, agent_id: AgentId) -> Path:
        """Make the place of an agent; :meth:`choose` is to follow when its journal is there. Raises ``OSError``."""
        place = self._slaves / agent_id
        place.mkdir(exist_ok=True)
        return place / "journal"

    def choose(self, agent_id: AgentId) -> None:
        """Let the next start go on with this agent. Raises ``OSError``."""
        fresh = self._slaves / "latest.new"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(agent_id)
        fresh.rename(self.latest)
        sync_directory(self._slaves)

    def former(self) -> list[tuple[Path, float]]:
        """The places of agents that nobody goes on with, each with when it was last written (unix seconds).

        Whoever comes here as a new agent has an id, and so a place, that is not among them.
        """
        going_on = self.latest.resolve()
        found: list[tuple[Path, float]] = []
        with suppress(OSError):
            for place in self._slaves.iterdir():
                if place != going_on and place.is_dir() and not place.is_symlink():
                    with suppress(OSError):
                        written = max(one.stat().st_mtime for one in (place, *place.glob("journal*")))
                        found.append((place, written))
        return found

    def keep_resources(self, record: bytes) -> None:
        """What operations have made of the resources here, for the next agent, whoever it is. Raises ``OSError``."""
        fresh = self.resources.with_name("resources.new")
        with fresh.open("wb") as file:
            file.write(record)
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(self.resources)
        sync_directory(self.path)

    def forget(self) -> None:
        """The next start begins as a new agent; what was kept stays on disk for as long as a sandbox would."""
        with suppress(FileNotFoundError):
            self.latest.unlink()

    def machine_restarted(self) -> bool:
        """Whether the machine was started anew since this was asked last. Raises ``OSError``."""
        file = self.path / "boot_id"
        now = _BOOT_ID.read_text().strip()
        # Whatever it says that is not this start of the machine is another one, also what a power cut left of it.
        before = file.read_text(errors="replace").strip() if file.exists() else now
        if before != now or not file.exists():
            fresh = file.with_name("boot_id.new")
            fresh.write_text(f"{now}\n")
            fresh.rename(file)
        return before != now

    def close(self) -> None:
        """Let others work here."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sync_directory(path: Path) -> None:
    """Make what was renamed in a directory survive a power cut."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
