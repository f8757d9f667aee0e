"""Find, check and load modules: one file, one class, chosen by name (Mesos docs, "Modules").

Where modules are looked for, in this order: the built-in folder, every ``--modules_dir`` (both with one sub-folder
per kind), and the entry points of installed packages, in the group ``mesos_service.<kind>``. Finding reads files but
runs none of them: only what the configuration names is imported, so that an optional library which a module needs
matters only to those who choose it.

What goes wrong is said as :class:`ConfigurationError` before anything is served: which module, which method, which
argument.
"""

from __future__ import annotations

import ast
import importlib.util
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel, ValidationError

import mesos_service
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.allocator import PROMISES, Allocator
from mesos_service.plugins.isolator import Isolator
from mesos_service.plugins.manifest import Listed, Manifest, by_name, read_manifests
from mesos_service.plugins.offer_filter import OfferFilter

T = TypeVar("T")

Place = str | Path | Manifest
"""A folder with modules, or what ``--modules`` says."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of module: its sub-folder, the class that every module of it extends, and other names for modules."""

    folder: str
    base: type[T]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def singular(self) -> str:
        return self.folder.removesuffix("s").replace("_", " ")


# An abstract class is no instantiable type to mypy; here it is what modules are compared with, never instantiated.
ALLOCATORS: Final[Kind[Allocator]] = Kind(
    "allocators",
    Allocator,  # type: ignore[type-abstract]
    {"hierarchical": "hierarchical_drf", "HierarchicalDRF": "hierarchical_drf"},
)
"""``hierarchical`` is what Mesos calls its stock allocator."""

ISOLATORS: Final[Kind[Isolator]] = Kind("isolators", Isolator)
"""``posix/cpu`` lives in ``posix_cpu.py``."""

OFFER_FILTERS: Final[Kind[OfferFilter]] = Kind("offer_filters", OfferFilter)


@dataclass(frozen=True, slots=True)
class Found:
    """A module that could be loaded. ``origin`` is the file, or the entry point, it would come from."""

    name: str
    origin: Path | EntryPoint

    def __str__(self) -> str:
        if isinstance(self.origin, Path):
            return f"{self.name} ({self.origin})"
        return f"{self.name} (entry point {self.origin.value})"


def builtin_modules_dir() -> Path:
    """Inside the package once it is installed, beside it in a checkout."""
    package = Path(mesos_service.__file__).parent
    installed = package / "modules"
    return installed if installed.is_dir() else package.parent / "modules"


def available(kind: Kind[Any], modules_dirs: Sequence[Place] = ()) -> list[Found]:
    """All modules of ``kind``, in the order in which places are searched, by name within one place.

    Raises :class:`ConfigurationError` when one of ``modules_dirs`` is no directory, and when two modules have one
    name: which of them was meant cannot be known.
    """
    found: dict[str, Found] = {}
    for candidate in _candidates(kind, modules_dirs):
        other = found.setdefault(_file_name(candidate.name), candidate)
        if other is not candidate:
            raise ConfigurationError(
                f"There are two {kind.folder} of one name: {other} and {candidate}. Rename one of them."
            )
    return list(found.values())


def load(kind: Kind[T], name: str, modules_dirs: Sequence[Place] = ()) -> type[T]:
    """Import the module called ``name`` and return its class, checked against the interface of its kind.

    Raises :class:`ConfigurationError`. A module file is imported once, and again only when it has changed.
    """
    wanted = _file_name(kind.aliases.get(name, name))
    known = available(kind, modules_dirs)
    listed = _listed(modules_dirs).get(name)
    if listed is not None:
        return _load_listed(kind, listed, [one for one in known if _file_name(one.name) == wanted])
    for found in known:
        if _file_name(found.name) == wanted:
            break
    else:
        names = ", ".join(one.name for one in known) or "none"
        raise ConfigurationError(f"There is no {kind.singular} '{name}'; available are: {names}.")
    if isinstance(found.origin, Path):
        module_class = _class_of(kind, _import_file(kind, found.origin), found)
    else:
        module_class = _load_entry_point(kind, found.origin)
    check(kind, module_class, found.name)
    return module_class


def listed(modules_dirs: Sequence[Place]) -> list[str]:
    """The modules that manifests name, of whatever kind: which it is only their code says."""
    return list(_listed(modules_dirs))


def parameters_of(name: str, modules_dirs: Sequence[Place] = ()) -> Mapping[str, str]:
    """What a manifest says of the module called ``name`` (M-MO-01)."""
    listed = _listed(modules_dirs).get(name)
    return {} if listed is None else listed.parameters


def found(kind: Kind[Any], name: str, modules_dirs: Sequence[Place] = ()) -> Listed | None:
    """The file that the module called ``name`` would be loaded from, and its parameters; ``None`` where there is none,
    as of one that an installed package brings."""
    listed = _listed(modules_dirs).get(name)
    if listed is not None:
        return listed
    wanted = _file_name(kind.aliases.get(name, name))
    for one in available(kind, modules_dirs):
        if _file_name(one.name) == wanted and isinstance(one.origin, Path):
            return Listed(one.name, one.origin)
    return None


def load_listed(kind: Kind[T], listed: Listed) -> type[T]:
    """As :func:`load`, of this file."""
    return _load_listed(kind, listed, [])


def content_of(module_class: type[Any]) -> str | None:
    """The digest of what the class was imported from; ``None`` of one that was not imported here."""
    return _contents.get(module_class)


def content(file: Path) -> str:
    """The digest of what is in ``file`` now; raises ``OSError``."""
    return sha256(file.read_bytes()).hexdigest()


def load_file(kind: Kind[T], file: Path) -> type[T] | None:
    """The module in ``file``, checked as :func:`load` does; ``None`` where nothing in it is of this kind."""
    module = _import_file(kind, file)
    if not _classes_in(kind, module):
        return None
    module_class = _class_of(kind, module, Found(file.stem, file))
    check(kind, module_class, file.stem)
    return module_class


def check(kind: Kind[T], module_class: type[T], name: str) -> None:
    """Compare a module's class with the interface: name, version, every method and its arguments.

    ``name`` is what its file or entry point says. Raises :class:`ConfigurationError` for the first fault.
    """
    module = f"{kind.singular} '{name}'"
    own_name = getattr(module_class, "name", None)
    if not isinstance(own_name, str):
        raise ConfigurationError(f"The {module}: class {module_class.__name__} has no 'name'.")
    if _file_name(own_name) != _file_name(name):
        raise ConfigurationError(
            f"The {module}: class {module_class.__name__} calls itself '{own_name}'; "
            f"its file would have to be '{_file_name(own_name)}.py'."
        )
    ours = getattr(kind.base, "api_version", None)
    theirs = getattr(module_class, "api_version", None)
    if theirs != ours:
        raise ConfigurationError(f"The {module} is written for api_version {theirs}; this version has {ours}.")
    for method, interface in _methods(kind.base):
        _check_method(module, method, interface, inspect.getattr_static(module_class, method))
    config = getattr(module_class, "Config", None)
    if config is not None and not (isinstance(config, type) and issubclass(config, BaseModel)):
        raise ConfigurationError(f"The {module}: Config is not a pydantic model.")
    if issubclass(module_class, Allocator):
        promises: object = module_class.promises
        if not isinstance(promises, frozenset) or not promises <= PROMISES:
            known = ", ".join(sorted(PROMISES))
            raise ConfigurationError(f"The {module}: 'promises' is not a frozenset of some of {known}.")
    _ask_whether_compatible(module, module_class)


def _ask_whether_compatible(module: str, module_class: type[Any]) -> None:
    """A module may know better than its ``api_version`` with which versions of the service it goes (M-MO-03)."""
    ask = getattr(module_class, "compatible", None)
    if ask is None:
        return
    version = mesos_service.__version__
    try:
        answer: object = ask(version)
    except (Exception, SystemExit, GeneratorExit) as failure:
        said = f"{type(failure).__name__}: {failure}"
        raise ConfigurationError(f"The {module}: compatible({version!r}) raised {said}.") from failure
    if answer is not True and answer is not False and not isinstance(answer, str):
        raise ConfigurationError(f"The {module}: compatible() gave neither a bool nor a text.")
    if answer is not True:
        why = f": {answer}" if answer else "."
        raise ConfigurationError(f"The {module} says that it does not go with version {version}{why}")


def read_config(module_class: type[Any], values: Mapping[str, object]) -> BaseModel | None:
    """Read a module's parameters into its ``Config`` model; text is converted as pydantic does (M-MO-01).

    Returns ``None`` for a module without ``Config``. Raises :class:`ConfigurationError` naming the parameter at fault,
    also one that the module does not have.
    """
    config: type[BaseModel] | None = getattr(module_class, "Config", None)
    fields = config.model_fields if config is not None else {}
    if config is None or config.model_config.get("extra", "ignore") == "ignore":
        known = set(fields) | {one.alias for one in fields.values() if one.alias}
        for parameter in values:
            if parameter not in known:
                has = ", ".join(fields) or "none"
                raise ConfigurationError(f"Module '{module_class.name}' has no parameter '{parameter}'; it has: {has}.")
    if config is None:
        return None
    try:
        return config.model_validate(dict(values))
    except ValidationError as refused:
        first = refused.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "(all of it)"
        raise ConfigurationError(f"Module '{module_class.name}', parameter '{where}': {first['msg']}.") from refused


def is_builtin(module_class: type[Any]) -> bool:
    """Whether the class itself is one of the built-in modules, and no extension of one."""
    module = sys.modules.get(module_class.__module__)
    file = getattr(module, "__file__", None)
    return isinstance(file, str) and builtin_modules_dir() in Path(file).parents


# -- finding ---------------------------------------------------------------------------------------------------------


def _file_name(name: str) -> str:
    """``cgroups/mem`` lives in ``cgroups_mem.py``."""
    return name.replace("/", "_")


def _candidates(kind: Kind[Any], modules_dirs: Sequence[Place]) -> Iterator[Found]:
    yield from _in_folder(builtin_modules_dir() / kind.folder)
    for directory in modules_dirs:
        if isinstance(directory, Manifest):
            continue
        if not Path(directory).is_dir():
            raise ConfigurationError(f"--modules_dir: '{directory}' is not a directory.")
        yield from _in_folder(Path(directory) / kind.folder)
    for entry_point in sorted(entry_points(group=f"mesos_service.{kind.folder}"), key=lambda one: one.name):
        yield Found(entry_point.name, entry_point)


def _listed(modules_dirs: Sequence[Place]) -> dict[str, Listed]:
    """Modules of manifests, those in folders included."""
    manifests: list[Manifest] = []
    for place in modules_dirs:
        manifests += [place] if isinstance(place, Manifest) else read_manifests(Path(place))
    return by_name(manifests)


def _load_listed(kind: Kind[T], listed: Listed, others: Sequence[Found]) -> type[T]:
    if others:
        raise ConfigurationError(
            f"There are two {kind.folder} of one name: {others[0]} and {listed.name} ({listed.file}). Rename one of"
            " them."
        )
    classes = _classes_in(kind, _import_file(kind, listed.file))
    for one in classes:
        if getattr(one, "name", None) == listed.name:
            check(kind, one, listed.name)
            return one
    names = ", ".join(str(getattr(one, "name", one.__name__)) for one in classes) or "none"
    raise ConfigurationError(f"{listed.file} has no {kind.singular} '{listed.name}'; it has: {names}.")


def _in_folder(folder: Path) -> Iterator[Found]:
    if folder.is_dir():
        for file in sorted(folder.glob("*.py")):
            # What is no file, such as a pipe, is not looked into: nobody knows when that ends.
            if not file.name.startswith("_") and file.is_file():
                yield Found(_declared_name(file), file)


def _declared_name(file: Path) -> str:
    """The ``name`` that a class in ``file`` gives itself, read but not run; the file's own if it does not fit."""
    try:
        tree = ast.parse(file.read_bytes(), file.name)
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        return file.stem  # what is wrong with it is said when somebody wants it
    for statement in tree.body:
        if not isinstance(statement, ast.ClassDef):
            continue
        for line in statement.body:
            targets = line.targets if isinstance(line, ast.Assign) else [getattr(line, "target", None)]
            value = getattr(line, "value", None)
            if (
                any(isinstance(target, ast.Name) and target.id == "name" for target in targets)
                and isinstance(value, ast.Constant)
                and isinstance(value.value, str)
                and _file_name(value.value) == file.stem
            ):
                return value.value
    return file.stem


# -- importing -------------------------------------------------------------------------------------------------------

_imported: dict[Path, tuple[str, ModuleType]] = {}
"""By file: the digest of what was imported, and what came of it."""

_contents: WeakKeyDictionary[type[Any], str] = WeakKeyDictionary()  # Any: modules of all kinds
"""By class: the digest of what it was imported from."""


class _AsRead(SourceFileLoader):
    """Runs the very text that was read, and leaves nothing beside the file.

    What Python compiled before it takes for a file's by size and time of change, in whole seconds: of a file that was
    changed twice within one, or came with an older time, the code of before would run under the digest of the new one.
    """

    def __init__(self, module_name: str, path: str, text: bytes) -> None:
        super().__init__(module_name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return self.source_to_code(self._text, self.path)


def _import_file(kind: Kind[Any], file: Path) -> ModuleType:
    file = file.resolve()
    try:
        text = file.read_bytes()
    except OSError as failure:
        raise ConfigurationError(f"The {kind.singular} '{file.stem}' in {file} cannot be read: {failure}.") from failure
    digest = sha256(text).hexdigest()
    known = _imported.get(file)
    if known is not None and known[0] == digest:
        return known[1]
    # Two directories may hold files of one name; the digest of the path tells their modules apart.
    module_name = f"mesos_service_modules.{kind.folder}.{file.stem}_{sha256(str(file).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, file, loader=_AsRead(module_name, str(file), text))
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"The {kind.singular} '{file.stem}' in {file} cannot be imported.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit, GeneratorExit) as failure:
        # A module's own code may raise anything; whatever it is becomes the operator's to read.
        sys.modules.pop(module_name, None)
        raise ConfigurationError(
            f"The {kind.singular} '{file.stem}' in {file} cannot be imported: {type(failure).__name__}: {failure}."
        ) from failure
    _imported[file] = digest, module
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module_name:
            _contents[value] = digest
    return module


def _load_entry_point(kind: Kind[T], entry_point: EntryPoint) -> type[T]:
    try:
        loaded = entry_point.load()
    except (Exception, SystemExit, GeneratorExit) as failure:
        raise ConfigurationError(
            f"The {kind.singular} '{entry_point.name}' ({entry_point.value}) cannot be imported: "
            f"{type(failure).__name__}: {failure}."
        ) from failure
    if not (isinstance(loaded, type) and issubclass(loaded, kind.base)):
        raise ConfigurationError(
            f"The {kind.singular} '{entry_point.name}': {entry_point.value} is not a class that extends "
            f"{kind.base.__name__}."
        )
    return loaded


def _classes_in(kind: Kind[T], module: ModuleType) -> list[type[T]]:
    return [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, kind.base) and value.__module__ == module.__name__
    ]


def _class_of(kind: Kind[T], module: ModuleType, found: Found) -> type[T]:
    classes = _classes_in(kind, module)
    if len(classes) == 1:
        return classes[0]
    names = ", ".join(one.__name__ for one in classes) or "none"
    raise ConfigurationError(
        f"The {kind.singular} {found} must have exactly one class that extends {kind.base.__name__}; it has: {names}."
    )


# -- checking --------------------------------------------------------------------------------------------------------


def _methods(base: type[Any]) -> Iterator[tuple[str, Any]]:  # Any: functions, static methods, properties
    for class_ in reversed(base.__mro__[:-1]):
        for name, value in vars(class_).items():
            if callable(value) and not isinstance(value, type) and (not name.startswith("_") or name == "__init__"):
                yield name, value


def _check_method(module: str, method: str, interface: Any, own: Any) -> None:  # Any: as above
    if getattr(own, "__isabstractmethod__", False):
        raise ConfigurationError(f"The {module}: method {method}() is missing.")
    if own is interface:
        return
    if not callable(own):
        raise ConfigurationError(f"The {module}: {method} must be a method.")
    for asynchronous in (inspect.iscoroutinefunction, inspect.isasyncgenfunction):
        if asynchronous(own) != asynchronous(interface):
            must = "must" if asynchronous(interface) else "must not"
            raise ConfigurationError(f"The {module}: method {method}() {must} be 'async'.")
    wanted = list(inspect.signature(interface).parameters.values())[1:]
    has = list(inspect.signature(own).parameters.values())[1:]
    fault = _argument_fault(wanted, has)
    if fault is not None:
        raise ConfigurationError(f"The {module}: method {method}() {fault}.")


def _argument_fault(wanted: Sequence[inspect.Parameter], has: Sequence[inspect.Parameter]) -> str | None:
    """Why a method with arguments ``has`` cannot be called as one with ``wanted``; both are without ``self``."""
    kinds = inspect.Parameter
    takes_rest = any(one.kind is kinds.VAR_POSITIONAL for one in has)
    takes_keywords = any(one.kind is kinds.VAR_KEYWORD for one in has)
    positional = [one for one in has if one.kind in (kinds.POSITIONAL_ONLY, kinds.POSITIONAL_OR_KEYWORD)]
    by_name = {one.name: one for one in has}
    met: set[str] = set()
    for place, argument in enumerate(one for one in wanted if one.kind is kinds.POSITIONAL_OR_KEYWORD):
        if place < len(positional):
            if positional[place].name != argument.name:
                return f"has '{positional[place].name}' where argument '{argument.name}' belongs"
        elif not takes_rest:
            return f"lacks argument '{argument.name}'"
        met.add(argument.name)
    for argument in wanted:
        if argument.kind is not kinds.KEYWORD_ONLY:
            continue
        own = by_name.get(argument.name)
        if own is None and not takes_keywords:
            return f"lacks argument '{argument.name}'"
        if own is not None and own.kind is kinds.POSITIONAL_ONLY:
            return f"must take argument '{argument.name}' by name"
        met.add(argument.name)
    for own in has:
        if own.kind in (kinds.VAR_POSITIONAL, kinds.VAR_KEYWORD) or own.default is not kinds.empty:
            continue
        if own.name not in met:
            return f"has an argument '{own.name}' without default that nobody passes"
    for argument in wanted:
        own = by_name.get(argument.name)
        if own is not None and argument.default is not kinds.empty and own.default is kinds.empty:
            return f"must have a default for argument '{argument.name}'"
    return None
