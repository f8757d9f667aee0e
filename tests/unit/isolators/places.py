"""Where a container with an image runs."""

from __future__ import annotations

from pathlib import Path

from mesos_service.containers.images import ImageStore
from mesos_service.containers.provisioner import Backend, Provisioner

INSIDE = "/mnt/mesos/sandbox"


class Place:
    """Where images are, and what makes roots of them."""

    def __init__(self, root: Path, backend: Backend) -> None:
        self.registry = root / "registry"
        self.registry.mkdir()
        self.store_directory = root / "store"
        self.store_directory.mkdir()
        self.roots = root / "provisioner" / "containers"
        self.backend = backend

    def provisioner(self) -> Provisioner:
        store = ImageStore(self.registry, self.store_directory, INSIDE)
        return Provisioner(store, self.roots.parent, self.backend, INSIDE)

    def put(self, content: bytes, name: str = "busybox.tar") -> None:
        (self.registry / name).write_bytes(content)
