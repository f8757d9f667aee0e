"""The roots of containers with images, as the flags say, and the removal of images that nobody uses."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.image_flags import ImageGcConfig, read_image_gc_config
from mesos_service.containers.images import ImageStore
from mesos_service.containers.provisioner import Backend, Provisioner, default_backend
from mesos_service.domain.errors import ConfigurationError

_ISOLATOR: Final = "filesystem/linux"

log = logging.getLogger(__name__)


def make_provisioner(config: AgentConfig, work_dir: Path) -> Provisioner | None:
    """``None`` where containers may have no images.

    Raises:
        ConfigurationError: something that they take is not there.
    """
    if config.image_providers is None:
        return None
    if _ISOLATOR not in config.isolators():
        raise ConfigurationError(f"--image_providers needs the isolator '{_ISOLATOR}' in --isolation")
    if config.docker_registry is None:
        raise ConfigurationError("--image_providers needs --docker_registry, a directory with images as tar files")
    registry = Path(config.docker_registry)
    if not registry.is_dir():
        raise ConfigurationError(f"--docker_registry is not a directory: '{registry}'")
    backend = config.image_provisioner_backend or default_backend()
    if backend is Backend.OVERLAY and default_backend() is not Backend.OVERLAY:
        raise ConfigurationError("--image_provisioner_backend=overlay: this kernel has no file system 'overlay'")
    if backend is Backend.COPY and shutil.which("cp") is None:
        raise ConfigurationError("--image_provisioner_backend=copy needs the program 'cp'")
    directory = (config.docker_store_dir or work_dir / "store" / "docker").absolute()
    directory.mkdir(parents=True, exist_ok=True)
    store = ImageStore(registry, directory, config.sandbox_directory)
    return Provisioner(store, work_dir / "provisioner", backend, config.sandbox_directory)


class ImageGarbage:
    """Removes images that no container uses: when it is asked to, and where ``gc`` says so, as the disk fills."""

    def __init__(self, provisioner: Provisioner | None, directory: Path, gc: ImageGcConfig | None) -> None:
        self._provisioner = provisioner
        self._directory = directory
        self._gc = gc
        self._watching: asyncio.Task[None] | None = None

    @classmethod
    def of(cls, config: AgentConfig, provisioner: Provisioner | None, work_dir: Path) -> ImageGarbage:
        """As the flags say."""
        text = config.image_gc_config
        return cls(provisioner, work_dir, None if text is None else read_image_gc_config(text))

    def start(self, defect: Callable[[BaseException], None]) -> None:
        """Look after the disk from now on, until :meth:`stop`."""
        if self._provisioner is None or self._gc is None:
            return
        self._watching = asyncio.create_task(self._watch(self._gc))

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                defect(error)

        self._watching.add_done_callback(ended)

    async def stop(self) -> None:
        """Remove nothing more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait((self._watching,))

    async def prune(self, kept: Collection[str]) -> int:
        """Remove all that no container uses but those of these names, and those that the flags keep; how many."""
        if self._provisioner is None:
            return 0
        return await self._provisioner.prune({*kept, *(() if self._gc is None else self._gc.kept)})

    async def _watch(self, gc: ImageGcConfig) -> None:
        while True:
            try:
                disk = await asyncio.to_thread(shutil.disk_usage, self._directory)
            except OSError as error:
                log.warning("How full the disk of %s is cannot be said: %s", self._directory, error)
            else:
                if disk.free < disk.total * gc.image_disk_headroom:
                    await self.prune(())
            await asyncio.sleep(gc.interval_seconds)
