"""Where persistent volumes are, and how containers get at them (Mesos docs, "Persistent Volumes"; M-AL-10).

A volume on the agent's own disk is ``WORK_DIR/volumes/roles/ROLE/ID``, on a PATH disk ``ROOT/volumes/roles/ROLE/ID``,
and on a MOUNT disk ``ROOT`` itself; a slash in a role is a space in the name, as in Mesos. Where an isolator gives
containers mounts of their own, a container sees the volume mounted at its container path, and read-only where it says
so; elsewhere it finds it by a link, which binds nobody to that.

Removing goes in two steps, so that a crash in between can neither bring old data back nor take new data along: what is
there is moved to ``volumes/doomed/TOKEN``, and that, even when there was nothing, stays until it is certain that the
same removal is not asked for again. A MOUNT disk is its user's from the root on, so nothing there is relied upon: what
is moved stays on it, under a name that nobody could know, and the mark is in the work directory.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from mesos_service.containers.garbage import NotRemoved, remove_tree
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed
from mesos_service.containers.sandbox import SandboxError, link_into
from mesos_service.containers.users import user_to_switch_to
from mesos_service.core.agent_messages import VolumeRemoved
from mesos_service.domain import containers
from mesos_service.domain.operations import VolumePlace, place_of
from mesos_service.domain.resource import DiskSourceType, Volume
from mesos_service.domain.resources import Resources

_MODE: Final = 0o755
_LOST_AND_FOUND: Final = "lost+found"
"""The file system's own, and no part of a volume that is a whole disk."""

log = logging.getLogger(__name__)


class Volumes:
    """The volumes of one agent. ``aside`` runs what takes long beside the loop."""

    def __init__(
        self,
        work_dir: Path,
        submit: Callable[[VolumeRemoved], None],
        aside: Callable[[Callable[[], None]], None],
        resources: Callable[[], Resources] = lambda: Resources.EMPTY,
    ) -> None:
        """``resources`` is what the agent has, its disks among it."""
        self._work_dir = work_dir
        self._submit = submit
        self._aside = aside
        self._resources = resources
        self._removed: dict[str, tuple[Path, Path]] = {}
        """Where what was on a volume is, and the mark of its removal, which are mostly one."""

    def path(self, place: VolumePlace) -> Path:
        """Where the volume is, whether or not it is there yet."""
        if place.mount and place.root is not None:
            return Path(place.root)
        return self._base(place) / "volumes" / "roles" / place.role.replace("/", " ") / place.id

    # -- agent.driver.Volumes --------------------------------------------------------------------------------
    def recover(self, tokens: tuple[str, ...]) -> None:
        """Nobody is going to ask for other removals than these again: what was left of them goes, on every disk."""
        marks = _left(self._work_dir, tokens)
        for root, mount in self._disks().items():
            # On a disk that is its user's nothing is known but what a mark of ours names.
            found = [root / f".doomed-{mark.name}" for mark in marks] if mount else _left(root, tokens)
            for entry in found:
                if os.path.lexists(entry):
                    self._delete(entry)
        for mark in marks:
            self._delete(mark)

    def make(self, place: VolumePlace) -> None:
        """Have its directory. Where that fails, whoever uses the volume is told, as it is tried again then."""
        try:
            self.path(place).mkdir(_MODE, parents=True, exist_ok=True)
        except OSError as error:
            log.error("Cannot make volume '%s' of role '%s': %s", place.id, place.role, error)

    def remove(self, token: str, place: VolumePlace) -> None:
        """Answered by ``VolumeRemoved``; when it fails, it is tried again at the agent's next start."""
        base = self._work_dir if place.mount else self._base(place)
        doomed = base / "volumes" / "doomed" / token
        aside = self.path(place) / f".doomed-{token}" if place.mount else doomed
        try:
            if not doomed.exists():
                doomed.parent.mkdir(_MODE, parents=True, exist_ok=True)
                if place.mount:
                    _empty(self.path(place), aside)
                    doomed.mkdir()
                else:
                    _move(self.path(place), doomed)
        except OSError as error:
            log.error("Cannot remove volume '%s' of role '%s': %s", place.id, place.role, error)
            return
        self._removed[token] = (aside, doomed)
        self._submit(VolumeRemoved(token))

    def forget(self, token: str) -> None:
        """Delete what was on the volume."""
        for path in dict.fromkeys(self._removed.pop(token, ())):
            self._delete(path)

    def _disks(self) -> dict[Path, bool]:
        """The roots of PATH and MOUNT disks, and which of them are taken whole."""
        sources = (item.key.disk.source for item in self._resources() if item.key.disk is not None)
        return {
            Path(one.root): one.type is DiskSourceType.MOUNT
            for one in sources
            if one is not None and one.root and one.type in (DiskSourceType.PATH, DiskSourceType.MOUNT)
        }

    # -- for containers --------------------------------------------------------------------------------------
    def attach(self, resources: Resources, sandbox: Path, user: str | None) -> None:
        """Let the volumes among ``resources`` appear in ``sandbox``, and be the user's.

        Raises:
            LaunchFailed: one cannot; the text says which, and why.
        """
        for place, at in _uses(resources):
            path = self.path(place)
            try:
                self._hand_over(path, user)
                link_into(sandbox, at.container_path, path, user)
            except (OSError, SandboxError) as error:
                raise _cannot_appear(place, at, getattr(error, "strerror", None) or str(error)) from error

    def make_ready(self, resources: Resources, user: str | None) -> None:
        """Have the volumes among ``resources``, and let them be the user's; :meth:`mounts` then says what is mounted.

        Raises:
            LaunchFailed: one cannot be had; the text says which, and why.
        """
        for place, at in _uses(resources):
            try:
                self._hand_over(self.path(place), user)
            except OSError as error:
                raise _cannot_appear(place, at, error.strerror or str(error)) from error

    def mounts(self, resources: Resources) -> tuple[containers.Volume, ...]:
        """How the volumes among ``resources`` are seen by a container that has mounts of its own.

        Raises:
            LaunchFailed: one would be seen where it must not.
        """
        found = []
        for place, at in _uses(resources):
            one = containers.Volume(
                source=containers.Source.HOST,
                path=str(self.path(place).absolute()),
                container_path=at.container_path,
                read_only=at.mode == "RO",
            )
            refusal = one.refusal()
            if refusal is None and at.container_path.startswith("/"):
                refusal = "it must be within the sandbox"
            if refusal is not None:
                raise _cannot_appear(place, at, refusal)
            found.append(one)
        return tuple(found)

    def _hand_over(self, path: Path, user: str | None) -> None:
        path.mkdir(_MODE, parents=True, exist_ok=True)
        owner = user_to_switch_to(user)
        if owner is not None:
            # Not what is in it, which may be much, and may be somebody's on purpose (as in Mesos).
            os.chown(path, owner.uid, owner.gid)

    # -- within ----------------------------------------------------------------------------------------------
    def _base(self, place: VolumePlace) -> Path:
        return self._work_dir if place.root is None else Path(place.root)

    def _delete(self, doomed: Path) -> None:
        def delete() -> None:
            # Its users may have nested directories as deeply as they like: what recurses would end the agent here, and
            # each agent after it.
            try:
                # An operator may name a disk by a link.
                remove_tree(doomed.parent.resolve() / doomed.name, threading.Event())
            except NotRemoved as error:
                log.error("Cannot delete what was on a volume, in %s: %s", doomed, error)

        self._aside(delete)


def _left(base: Path, tokens: tuple[str, ...]) -> list[Path]:
    """What is doomed below ``base``, and asked for no more. Where that cannot be seen it waits for the next start."""
    doomed = base / "volumes" / "doomed"
    try:
        return [entry for entry in doomed.iterdir() if entry.name not in tokens]
    except FileNotFoundError:
        return []
    except OSError as error:
        log.error("Cannot look for removed volumes in %s: %s", doomed, error.strerror)
        return []


def _uses(resources: Resources) -> Iterator[tuple[VolumePlace, Volume]]:
    """Each persistent volume among ``resources``, and how it is to be seen."""
    for item in resources:
        place, disk = place_of(item.key), item.key.disk
        if place is not None and disk is not None and disk.volume is not None:
            yield place, disk.volume


def _cannot_appear(place: VolumePlace, at: Volume, why: str) -> LaunchFailed:
    return LaunchFailed(
        REASON_LAUNCH_FAILED, f"Persistent volume '{place.id}' cannot appear at '{at.container_path}': {why}"
    )


def _move(volume: Path, doomed: Path) -> None:
    try:
        volume.rename(doomed)
    except FileNotFoundError:
        doomed.mkdir()


def _empty(mount: Path, aside: Path) -> None:
    """Move all that is on a MOUNT disk into ``aside``, a directory on it that may be there from an attempt before."""
    aside.mkdir(0o700, exist_ok=True)
    for entry in list(mount.iterdir()):
        # One that its user has put there is like any other.
        own = entry.name == _LOST_AND_FOUND and entry.lstat().st_uid == os.geteuid()
        if entry != aside and not own:
            entry.rename(aside / entry.name)
