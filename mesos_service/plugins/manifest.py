"""Module manifests in Mesos' form: which file a module is in, and its parameters (Mesos docs, "Modules"; M-MO-01).

.. code-block:: json

    {"libraries": [{"file": "/opt/policies/fair.py", "modules": [
        {"name": "fairer", "parameters": [{"key": "slack", "value": "0.2"}]}]}]}

A library is a Python file here, of which each module is a class. ``name`` in place of ``file`` is a file ``NAME.py``
beside the manifest. Fields that are not known are ignored, as Mesos does.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mesos_service.domain.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Listed:
    """One module of a manifest."""

    name: str
    file: Path
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """``origin`` is where it was read, for people."""

    origin: str
    modules: tuple[Listed, ...]


def read_manifest(text: str, origin: str, folder: Path | None = None) -> Manifest:
    """``folder`` is where relative files are looked for; without one they have to be absolute.

    Raises :class:`ConfigurationError` with a sentence.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{origin}: this is no JSON: {error}") from None
    modules: list[Listed] = []
    for library in _objects(_object(found, origin), "libraries", origin):
        file = _file_of(library, origin, folder)
        for module in _objects(library, "modules", origin):
            name = module.get("name")
            if not isinstance(name, str) or not name:
                raise ConfigurationError(f"{origin}: a module of {file} has no 'name'")
            if any(one.name == name for one in modules):
                raise ConfigurationError(f"{origin}: there are two modules '{name}'")
            modules.append(Listed(name, file, _parameters(module, name, origin)))
    return Manifest(origin, tuple(modules))


def written(manifest: Manifest) -> str:
    """What :func:`read_manifest` reads wherever it stands; without parameters."""
    libraries = [{"file": str(one.file.absolute()), "modules": [{"name": one.name}]} for one in manifest.modules]
    return json.dumps({"libraries": libraries})


def read_manifests(folder: Path) -> list[Manifest]:
    """All ``*.json`` files of a folder, in alphabetical order."""
    manifests: list[Manifest] = []
    for file in sorted(folder.glob("*.json")):
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"{file}: cannot be read: {error}") from None
        manifests.append(read_manifest(text, str(file), folder))
    return manifests


def by_name(manifests: Iterable[Manifest]) -> dict[str, Listed]:
    """All modules of several; raises :class:`ConfigurationError` where two have one name."""
    found: dict[str, tuple[Listed, str]] = {}
    for manifest in manifests:
        for module in manifest.modules:
            other = found.setdefault(module.name, (module, manifest.origin))
            if other[0] is not module:
                raise ConfigurationError(
                    f"There are two modules '{module.name}', in {other[1]} and {manifest.origin}. Rename one of them."
                )
    return {name: module for name, (module, _) in found.items()}


def _file_of(library: Mapping[str, object], origin: str, folder: Path | None) -> Path:
    file, name = library.get("file"), library.get("name")
    if isinstance(file, str) and file:
        path = Path(file)
    elif isinstance(name, str) and name:
        path = Path(f"{name}.py")
    else:
        raise ConfigurationError(f"{origin}: a library has neither 'file' nor 'name'")
    if not path.is_absolute():
        if folder is None:
            raise ConfigurationError(f"{origin}: '{path}' is no absolute path, and there is no folder beside")
        path = folder / path
    if path.suffix != ".py":
        raise ConfigurationError(f"{origin}: '{path}' is no Python file, and modules are Python files here")
    if not path.is_file():
        raise ConfigurationError(f"{origin}: there is no file {path}")
    return path


def _parameters(module: Mapping[str, object], name: str, origin: str) -> dict[str, str]:
    parameters: dict[str, str] = {}
    for one in _objects(module, "parameters", origin):
        key, value = one.get("key"), one.get("value")
        if not (isinstance(key, str) and key and isinstance(value, str)):
            raise ConfigurationError(f"{origin}: a parameter of '{name}' needs a 'key' and a 'value', both texts")
        if key in parameters:
            raise ConfigurationError(f"{origin}: '{name}' has parameter '{key}' twice")
        parameters[key] = value
    return parameters


def _object(value: object, origin: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ConfigurationError(f"{origin}: expected an object, not {json.dumps(value)[:80]}")
    return value


def _objects(value: Mapping[str, object], name: str, origin: str) -> list[Mapping[str, object]]:
    listed = value.get(name, [])
    if not isinstance(listed, list):
        raise ConfigurationError(f"{origin}: '{name}' is to be a list")
    return [_object(one, origin) for one in listed]
