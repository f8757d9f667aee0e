"""``mesos-service module list``: what could be named in the configuration."""

from __future__ import annotations

from pathlib import Path

from mesos_service.configuration.forms import split_list
from mesos_service.plugins import loader


def list_modules(modules_dir: str) -> list[tuple[str, str, str]]:
    """Kind, name and origin of every module, by kind. Nothing is imported, so a broken module is listed too."""
    kinds = [value for value in vars(loader).values() if isinstance(value, loader.Kind)]
    folders = tuple(map(Path, split_list(modules_dir)))
    return [
        (kind.singular, found.name, str(found.origin)) for kind in kinds for found in loader.available(kind, folders)
    ]
