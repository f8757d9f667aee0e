"""Gives containers root file systems of their own, made of images (M-AG-13; Mesos docs, "Container Image").

Each container has a directory, ``provisioner/containers/CONTAINER``, that says which image it uses and takes what it
changes. How an image becomes a root is the backend's matter: with ``overlay`` it is seen through a layer of the
container's own, with ``bind`` it is seen as it is and cannot be written to, with ``copy`` it is copied. What is mounted
is so in the container's own namespace only, and goes with its last process.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from collections.abc import Collection
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Final

from mesos_service.containers.garbage import NotRemoved, remove_tree
from mesos_service.containers.images import ImageStore, NoImage, Unpacked
from mesos_service.domain.containers import Image, Root
from mesos_service.domain.ids import ContainerId

_IMAGE: Final = "image"
_FILE_SYSTEMS: Final = Path("/proc/filesystems")

log = logging.getLogger(__name__)


class Backend(StrEnum):
    """How an image becomes a root."""

    OVERLAY = "overlay"
    BIND = "bind"
    COPY = "copy"


def default_backend() -> Backend:
    """``overlay`` where the kernel has it."""
    known = _FILE_SYSTEMS.read_text(encoding="ascii").split()
    return Backend.OVERLAY if "overlay" in known else Backend.COPY


class Provisioner:
    """The roots of one agent's containers. ``sandbox_directory`` is where they see their sandbox."""

    def __init__(self, store: ImageStore, directory: Path, backend: Backend, sandbox_directory: str) -> None:
        self._store = store
        self._containers = directory / "containers"
        self._backend = backend
        self.sandbox_directory = sandbox_directory
        self._used: dict[ContainerId, str] = {}
        """Keys of images."""

    async def provision(self, container_id: ContainerId, image: Image) -> Root:
        """A root for a container. What there is of it is removed by :meth:`destroy`, also where this fails.

        Raises:
            NoImage: it cannot be had.
        """
        unpacked = await self._store.get(image)
        # From here on nobody prunes it, and no word was waited for since it was seen to be there.
        self._used[container_id] = unpacked.key
        try:
            return await self._lay_out(container_id, unpacked)
        except OSError as error:
            raise NoImage(f"Image '{image.name}' cannot become a root: {error.strerror or error}") from error

    async def _lay_out(self, container_id: ContainerId, unpacked: Unpacked) -> Root:
        own = self._of(container_id)
        own.mkdir(parents=True, mode=0o700)
        (own / _IMAGE).write_text(unpacked.key, encoding="ascii")
        place = own / "rootfs"
        place.mkdir()
        if self._backend is Backend.OVERLAY:
            for name in ("upper", "work"):
                (own / name).mkdir(mode=0o755)
            return Root(place=str(place), lower=str(unpacked.rootfs), upper=str(own / "upper"), work=str(own / "work"))
        if self._backend is Backend.BIND:
            return Root(place=str(place), lower=str(unpacked.rootfs), read_only=True)
        copy = own / "copy"
        # By the program, which keeps owners, links among files, and holes.
        copying = await asyncio.create_subprocess_exec(
            "cp", "-a", "--reflink=auto", str(unpacked.rootfs), str(copy), stderr=asyncio.subprocess.PIPE
        )
        try:
            _, words = await copying.communicate()
        except asyncio.CancelledError:
            copying.kill()
            await copying.wait()
            raise
        if copying.returncode != 0:
            raise OSError(0, f"cp: {words.decode(errors='replace').strip()}")
        return Root(place=str(place), lower=str(copy))

    def recover(self, containers: Collection[ContainerId]) -> None:
        """Know what these, of an agent before this one, use. What is left of others is removed by and by."""
        self._store.clear()
        with suppress(FileNotFoundError):
            for own in self._containers.iterdir():
                container_id = ContainerId(own.name)
                if container_id in containers:
                    with suppress(OSError):
                        self._used[container_id] = (own / _IMAGE).read_text(encoding="ascii")
                else:
                    self._remove_left(own)

    def _remove_left(self, own: Path) -> None:
        # No container's leavings are worth an agent that does not start.
        try:
            remove_tree(own.resolve(), threading.Event())
        except NotRemoved as error:
            log.warning("What an agent before left in %s cannot be removed: %s", own, error)

    async def destroy(self, container_id: ContainerId) -> None:
        """Nothing of the container is left; nothing happens for one that had no root. Raises ``NotRemoved``."""
        own = self._of(container_id)
        if own.exists():
            await asyncio.to_thread(remove_tree, own, threading.Event())
        self._used.pop(container_id, None)

    async def prune(self, kept: Collection[str]) -> int:
        """Remove the images that no container uses, but for those of these names; how many."""
        # Put away on this thread, on which launches find theirs.
        doomed = self._store.put_away(frozenset(self._used.values()), frozenset(kept))
        for path in doomed:
            await asyncio.to_thread(self._store.remove, path)
        return len(doomed)

    async def close(self) -> None:
        """Unpack nothing more."""
        await self._store.close()

    def _of(self, container_id: ContainerId) -> Path:
        return self._containers / container_id


def missing_program(backend: Backend) -> str | None:
    """What the machine does not have for it."""
    return "cp" if backend is Backend.COPY and shutil.which("cp") is None else None
