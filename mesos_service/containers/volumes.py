"""Where persistent volumes are, and how containers get at them (Mesos docs, "Persistent Volumes"; M-AL-10).

A volume on the agent's own disk is ``WORK_DIR/volumes/roles/ROLE/ID``, on a PATH disk ``ROOT/volumes/roles/ROLE/ID``,
and on a MOUNT disk ``ROOT`` itself; a slash in a role is a space in the name, as in Mesos. A container finds it by a
link at its container path. That binds nobody to read only, which takes mounts of its own.

Removing goes in two steps, so that a crash in between can neither bring old data back nor take new data along: what is
there is moved to ``volumes/doomed/TOKEN``, and that, even when there was nothing, stays until it is certain that the
same removal is not asked for again. A MOUNT disk is its user's from the root on, so nothing there is relied upon: what
is moved stays on it, under a name that nobody could know, and the mark is in the work directory.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mesos_service.containers.garbage import NotRemoved, remove_tree
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed
from mesos_service.containers.sandbox import SandboxError, link_into
from mesos_service.containers.users import user_to_switch_to
from mesos_service.core.messages import VolumeRemoved
from mesos_service.domain.operations import VolumePlace, place_of
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
    ) -> None:
        self._work_dir = work_dir
        self._submit = submit
        self._aside = aside
        self._removed: dict[str, tuple[Path, Path]] = {}
        """Where what was on a volume is, and the mark of its removal, which are mostly one."""

    def path(self, place: VolumePlace) -> Path:
        """Where the volume is, whether or not it is there yet."""
        if place.mount and place.root is not None:
            return Path(place.root)
        return self._base(place) / "volumes" / "roles" / place.role.replace("/", " ") / place.id

    # -- agent.driver.Volumes --------------------------------------------------------------------------------
    def recover(self, tokens: tuple[str, ...]) -> None:
        """Nobody is going to ask for other removals than these again."""
        doomed = self._work_dir / "volumes" / "doomed"
        if doomed.is_dir():
            for entry in doomed.iterdir():
                if entry.name not in tokens:
                    self._delete(entry)

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

    # -- for containers --------------------------------------------------------------------------------------
    def attach(self, resources: Resources, sandbox: Path, user: str | None) -> None:
        """Let the volumes among ``resources`` appear in ``sandbox``, and be the user's.

        Raises:
            LaunchFailed: one cannot; the text says which, and why.
        """
        for item in resources:
            place, disk = place_of(item.key), item.key.disk
            if place is None or disk is None or disk.volume is None:
                continue
            path = self.path(place)
            try:
                path.mkdir(_MODE, parents=True, exist_ok=True)
                owner = user_to_switch_to(user)
                if owner is not None:
                    # Not what is in it, which may be much, and may be somebody's on purpose (as in Mesos).
                    os.chown(path, owner.uid, owner.gid)
                link_into(sandbox, disk.volume.container_path, path, user)
            except (OSError, SandboxError) as error:
                why = getattr(error, "strerror", None) or str(error)
                raise LaunchFailed(
                    REASON_LAUNCH_FAILED,
                    f"Persistent volume '{place.id}' cannot appear at '{disk.volume.container_path}': {why}",
                ) from error

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
