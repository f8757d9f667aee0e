"""``mesos-service module``: what could be named in the configuration, and whether a file is fit for it."""

from __future__ import annotations

from pathlib import Path

from mesos_service.configuration.forms import split_list
from mesos_service.conformance.modules import check_module
from mesos_service.conformance.run import Outcome
from mesos_service.plugins import loader


def list_modules(modules_dir: str) -> list[tuple[str, str, str]]:
    """Kind, name and origin of every module, by kind. Nothing is imported, so a broken module is listed too."""
    kinds = [value for value in vars(loader).values() if isinstance(value, loader.Kind)]
    folders = tuple(map(Path, split_list(modules_dir)))
    return [
        (kind.singular, found.name, str(found.origin)) for kind in kinds for found in loader.available(kind, folders)
    ]


def check_file(file: Path) -> tuple[str, str, list[Outcome]]:
    """Kind and name of the module in ``file``, and what came of each check; raises ``ConfigurationError``."""
    return check_module(file)
