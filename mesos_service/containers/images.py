"""Images: root file systems that operators put into a directory as tar files, unpacked once for all (M-AG-13).

``NAME`` is ``NAME.tar`` there, or what ``NAME:latest.tar`` is where no tag is given; ``.tar.gz``, ``.tgz`` and
``.tar.xz`` do, too. A file is a whole root file system, or what ``docker save`` writes: layers, which are laid over
each other, and of which ``.wh.NAME`` takes something away.

A file that was exchanged is another image from then on; containers keep what they were launched with.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import lzma
import os
import tarfile
import threading
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

from mesos_service.containers.archive import ArchiveLimits, extract
from mesos_service.containers.archive_reading import ArchiveRefused
from mesos_service.containers.beneath import Links, Way, make, opened
from mesos_service.containers.garbage import NotRemoved, remove_tree
from mesos_service.domain.containers import Image
from mesos_service.domain.errors import OperatingFault

_ENDINGS: Final = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz")
_ROOTFS: Final = "rootfs"
_NAME: Final = "name"
_STAGING: Final = ".staging-"
_MANIFEST: Final = "manifest.json"
_LIMITS: Final = ArchiveLimits(bytes_max=64 * 1024**3, entries_max=2_000_000)
"""On what operators brought themselves: against mistakes."""
_DIRECTORIES: Final = ("proc", "sys", "dev", "etc", "tmp")
_FILES: Final = ("hosts", "hostname", "resolv.conf")
_GZIP: Final = b"\x1f\x8b"

log = logging.getLogger(__name__)


class NoImage(OperatingFault):
    """The text names the image, and says why it cannot be had."""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """An image that is here."""

    key: str
    """Of this image as it is now."""
    rootfs: Path


class ImageStore:
    """The images of one agent: tar files in ``registry``, unpacked in ``directory``, which is the agent's own.

    ``sandbox_directory`` is where containers see their sandbox; each image is given that, as it cannot be made where an
    image is not written to.
    """

    def __init__(self, registry: Path, directory: Path, sandbox_directory: str) -> None:
        self._registry = registry
        self._directory = directory
        self._sandbox_directory = sandbox_directory
        self._unpacking: dict[str, asyncio.Task[None]] = {}
        self._count = 0
        self._stop = threading.Event()

    async def get(self, image: Image) -> Unpacked:
        """The image, unpacked once for all who ask at the same time. Raises :class:`NoImage`."""
        refusal = image.refusal()
        if refusal is not None:
            raise NoImage(refusal)
        try:
            source = self._find(image.name)
            key = _key(image.name, source.stat())
            found = Unpacked(key, self._directory / key / _ROOTFS)
            while not found.rootfs.is_dir():
                unpacking = self._unpacking.get(key)
                if unpacking is None:
                    unpacking = self._unpacking[key] = asyncio.ensure_future(self._unpack(image.name, source, key))
                    unpacking.add_done_callback(lambda task: self._unpacked(key, task))
                # Who gives up leaves it to be finished: somebody asked for it, and may again.
                await asyncio.shield(unpacking)
        except OSError as error:
            raise NoImage(f"Image '{image.name}' cannot be had: {error.strerror or error}") from error
        return found

    def _unpacked(self, key: str, task: asyncio.Task[None]) -> None:
        del self._unpacking[key]
        if not task.cancelled():
            task.exception()  # Whoever waits for it hears of it; perhaps nobody does any more.

    async def close(self) -> None:
        """Unpack nothing more."""
        self._stop.set()
        if self._unpacking:
            await asyncio.wait(tuple(self._unpacking.values()))

    def here(self) -> Mapping[str, str]:
        """The names of the images that are unpacked, by key."""
        found = {}
        with suppress(FileNotFoundError):
            for path in self._directory.iterdir():
                if not path.name.startswith("."):
                    with suppress(OSError):
                        found[path.name] = (path / _NAME).read_text(encoding="utf-8")
        return found

    def clear(self) -> None:
        """Remove what an agent before had begun to unpack, or to remove."""
        with suppress(FileNotFoundError):
            for path in self._directory.iterdir():
                if path.name.startswith("."):
                    self.remove(path)

    def put_away(self, in_use: Collection[str], kept: Collection[str]) -> Sequence[Path]:
        """Let nobody have the images any more that are neither in use (by key) nor to be kept (by name). Where they are
        now is to be handed to :meth:`remove`."""
        doomed = []
        for key, name in self.here().items():
            if key not in in_use and name not in kept:
                self._count += 1
                place = self._directory / f".doomed-{os.getpid()}-{self._count}"
                with suppress(OSError):
                    (self._directory / key).rename(place)
                    doomed.append(place)
                    log.info("Image '%s' is removed, as nobody uses it", name)
        return doomed

    def remove(self, path: Path) -> None:
        """Remove what was put away; blocks. A failure is told in the log, and mended when the agent starts again."""
        try:
            remove_tree(path.parent.resolve() / path.name, threading.Event())
        except NotRemoved as error:
            log.warning("%s cannot be removed: %s", path, error)

    def _find(self, name: str) -> Path:
        tagged = ":" in name.rpartition("/")[2]
        for candidate in (name,) if tagged else (name, f"{name}:latest"):
            for ending in _ENDINGS:
                path = self._registry / f"{candidate}{ending}"
                if path.is_file():
                    return path
        raise NoImage(f"There is no image '{name}': no '{name}.tar' in {self._registry}")

    async def _unpack(self, name: str, source: Path, key: str) -> None:
        self._count += 1
        staging = self._directory / f"{_STAGING}{os.getpid()}-{self._count}"
        try:
            await asyncio.to_thread(self._unpack_to, name, source, staging)
            staging.rename(self._directory / key)
        except (ArchiveRefused, tarfile.TarError, ValueError, KeyError, EOFError, zlib.error, lzma.LZMAError) as error:
            raise NoImage(f"Image '{name}' cannot be unpacked: {error or repr(error)}") from error
        finally:
            if staging.exists():
                await asyncio.to_thread(self.remove, staging)

    def _unpack_to(self, name: str, source: Path, staging: Path) -> None:
        # Nobody of the machine is to come by the programs of an image, some of which may be root's whoever runs them.
        staging.mkdir(mode=0o700)
        (staging / _ROOTFS).mkdir()
        (staging / _ROOTFS).chmod(0o755)
        (staging / _NAME).write_text(name, encoding="utf-8")
        with opened((staging / _ROOTFS).resolve()) as root:
            with source.open("rb") as content:
                for ending, layer in _layers(source.name, content):
                    extract(f"layer{ending}", layer, root, _LIMITS, self._stop, None, Links.ROOTED)
            _furnish(root, self._sandbox_directory)


def _key(name: str, status: os.stat_result) -> str:
    of = json.dumps([name, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns])
    return hashlib.sha256(of.encode()).hexdigest()[:32]


def _layers(name: str, content: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """The archives that an image is made of, the lowest first, each with the ending that tells how it is packed."""
    with tarfile.open(fileobj=content, mode="r:*") as whole:
        # What docker writes has it beside the layers; a root file system hardly has a file of this name.
        manifest = next((one for one in whole if one.name.removeprefix("./") == _MANIFEST and one.isreg()), None)
        if manifest is not None:
            for layer in _named_in(whole, manifest):
                packed = whole.extractfile(layer)
                if packed is None:
                    raise ValueError(f"layer '{layer}' is no file")
                ending = ".tar.gz" if packed.read(2) == _GZIP else ".tar"
                packed.seek(0)
                yield ending, packed
            return
    content.seek(0)
    yield next(ending for ending in sorted(_ENDINGS, key=len, reverse=True) if name.endswith(ending)), content


def _named_in(whole: tarfile.TarFile, manifest: tarfile.TarInfo) -> list[str]:
    written = whole.extractfile(manifest)
    assert written is not None, "it is a file"
    images: Any = json.load(written)  # Any: a stranger's JSON; what it has to be is looked at below
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], dict):
        raise ValueError(f"its {_MANIFEST} is not about one image")
    layers = images[0].get("Layers")
    if not isinstance(layers, list) or not all(isinstance(one, str) for one in layers):
        raise ValueError(f"its {_MANIFEST} names no layers")
    return layers


def _furnish(root: int, sandbox_directory: str) -> None:
    """What is mounted on later has to be there, as it cannot be made in what is not written to."""

    def missing(name: str, directory: int) -> None:
        make(name, directory, None)

    for path in (*_DIRECTORIES, sandbox_directory):
        with Way(root, Links.ROOTED) as way:
            way.go(path.split("/"), missing=missing)
            if path == "tmp":
                os.chmod(".", 0o1777, dir_fd=way.here)
    with Way(root, Links.ROOTED) as way:
        way.go(("etc",))
        for name in _FILES:
            # Where systemd runs they are links to what it makes as it starts. Nothing can be mounted on such a link.
            with suppress(OSError):
                os.readlink(name, dir_fd=way.here)
                os.unlink(name, dir_fd=way.here)
            with suppress(FileExistsError):
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                os.close(os.open(name, flags, 0o644, dir_fd=way.here))
