"""Dependencies point inward, and the inner rooms are pure.

``domain`` <- ``plugins`` <- ``core`` <- adapters <- services. An adapter may use another only where the table says
so; the master and the agent know nothing of each other. What is decided in the inner rooms depends on arguments alone:
no clock, no randomness, no I/O, no logging, no await, so that one seed is one history.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.house.source import PACKAGE, ROOT, place, python_files, tree

INNER = frozenset({"domain", "plugins", "core"})
SERVICE_PARTS = INNER | {
    "configuration",
    "containers",
    "driver",
    "election",
    "fairness",
    "http",
    "memory",
    "notify",
    "openapi",
    "registrar",
    "runner",
    "telemetry",
    "version",
    "wire",
}

MAY_IMPORT: dict[str, frozenset[str]] = {
    # The brain, from the inside outwards.
    "domain": frozenset(),
    "plugins": frozenset({"domain"}),
    "core": frozenset({"domain", "plugins"}),
    "simulator": INNER,
    # Adapters.
    "cgroups": frozenset({"domain", "plugins"}),
    "seccomp": frozenset({"domain"}),
    "checkpoints": INNER | {"wire"},
    "configuration": INNER,
    "conformance": INNER,
    "containers": INNER,
    "driver": INNER,
    "election": INNER | {"wire"},
    "fairness": INNER | {"wire"},
    "http": INNER | {"configuration", "openapi", "version", "wire"},
    "openapi": INNER | {"version", "wire"},
    "registrar": INNER | {"telemetry", "wire"},
    "memory": frozenset(),
    "notify": frozenset(),
    "runner": INNER | {"memory", "notify"},
    "telemetry": INNER,
    "version": frozenset(),
    "wire": INNER,
    # A client of the wire, for frameworks.
    "sdk": INNER | {"configuration", "election", "http", "version", "wire"},
    # Takes what telemetry sends; a service of its own.
    "tracing_store": SERVICE_PARTS,
    # The services, and what runs them.
    "master": SERVICE_PARTS,
    "agent": SERVICE_PARTS | {"checkpoints"},
    "local": SERVICE_PARTS | {"master", "agent"},
    "demo": SERVICE_PARTS | {"local", "sdk"},
    "bench": SERVICE_PARTS | {"cgroups", "local", "sdk", "master", "agent"},
    "cli": SERVICE_PARTS
    | {"conformance", "local", "sdk", "demo", "bench", "master", "agent", "simulator"}
    | {"tracing_store"},
    "documentation": SERVICE_PARTS | {"cli", "master", "agent", "tracing_store"},
}
"""By room, the rooms it may import; anything may import the package itself (its version)."""

_PURE_STDLIB = """
    __future__ abc array ast base64 binascii bisect collections contextlib copy dataclasses decimal enum fractions
    functools heapq hashlib ipaddress itertools json math operator re signal string struct types typing
"""
PURE_STDLIB = frozenset(_PURE_STDLIB.split())
"""What the inner rooms may use of the standard library. ``signal`` is there for the names of signals."""

LOADER_STDLIB = frozenset({"importlib", "inspect", "pathlib", "sys", "weakref"})
"""``plugins/loader.py`` finds files and imports them, which is its one purpose; ``manifest.py`` says where they are."""

PURE_THIRD_PARTY = {"domain": frozenset[str](), "plugins": frozenset({"pydantic"}), "core": frozenset({"numpy"})}
"""Modules declare their configuration as pydantic models, and the allocation pass computes on arrays; nothing else from
outside comes this far in."""

IMPURE_CALLS = frozenset({"open", "print", "input", "breakpoint", "exec", "eval"})


def room_of(file: Path) -> str:
    parts = file.relative_to(ROOT / PACKAGE).parts
    return parts[0] if len(parts) > 1 else file.stem


def imports(file: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{place(file)}:{node.lineno} is a relative import; write the whole path"
            module = node.module or ""
            if module == PACKAGE:
                # "from mesos_service import x": x is a room, or a name of the package itself.
                rooms = (ROOT / PACKAGE).iterdir()
                known = {path.stem for path in rooms}
                yield from ((node.lineno, f"{module}.{a.name}" if a.name in known else module) for a in node.names)
            else:
                yield node.lineno, module


def own_imports(file: Path) -> Iterator[tuple[int, str]]:
    for line, module in imports(file):
        if module.startswith(f"{PACKAGE}."):
            yield line, module.removeprefix(f"{PACKAGE}.")


def test_every_room_is_in_the_table() -> None:
    rooms = {room_of(file) for file in python_files(PACKAGE)} - {"__init__", "__main__"}
    assert rooms <= set(MAY_IMPORT), "say in MAY_IMPORT which rooms the new room may import"


def test_the_architecture_page_says_the_same() -> None:
    """Its table of rooms: who may import whom, with **inner** and **parts** for the two that are written there."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    words: dict[str, frozenset[str]] = {}

    def rooms(cell: str) -> frozenset[str]:
        expanded = (words.get(word) or {word.strip("`")} for word in re.split(r",\s+", cell) if word != "-")
        return frozenset[str]().union(*expanded)

    for word in ("inner", "parts"):
        definition = re.search(rf"\*\*{word}\*\*: (.*?)\.$", page, flags=re.MULTILINE | re.DOTALL)
        assert definition is not None
        words[word] = rooms(definition[1])
    told = {
        name: rooms(may_import)
        for named, may_import in re.findall(
            r"^\| (`mesos_service/[^|]*) \| [^|]* \| ([^|]*) \|$", page, flags=re.MULTILINE
        )
        for name in re.findall(r"`mesos_service/(\w+)(?:/|\.py)`", named)
    }
    assert told == MAY_IMPORT


def test_dependencies_point_inward() -> None:
    wrong = [
        f"{place(file)}:{line} imports {module}; {room_of(file)} may import {sorted(MAY_IMPORT[room_of(file)])}"
        for file in python_files(PACKAGE)
        if room_of(file) in MAY_IMPORT
        for line, module in own_imports(file)
        if module.split(".")[0] not in MAY_IMPORT[room_of(file)] | {room_of(file)}
    ]
    assert not wrong, "\n".join(wrong)


def test_modules_use_domain_plugins_and_the_libraries_made_for_them() -> None:
    library = {"allocators": ("core.allocation.",), "isolators": ("cgroups.", "seccomp.")}
    wrong = [
        f"{place(file)}:{line} imports {module}; they use domain, plugins and the libraries for their kind: {library}"
        for file in python_files("modules")
        for line, module in own_imports(file)
        if not f"{module}.".startswith(("domain.", "plugins.", *library.get(file.parent.name, ())))
    ]
    assert not wrong, "\n".join(wrong)


def test_allocators_and_offer_filters_are_pure() -> None:
    files = (file for file in python_files("modules") if file.parent.name in {"allocators", "offer_filters"})
    wrong = [
        f"{place(file)}:{line} imports {module}; an allocator decides from its arguments alone"
        for file in files
        for line, module in imports(file)
        if module.split(".")[0] in sys.stdlib_module_names - PURE_STDLIB
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", sorted(INNER))
def test_inner_rooms_import_nothing_that_knows_the_world(room: str) -> None:
    wrong = []
    for file in python_files(f"{PACKAGE}/{room}"):
        allowed = PURE_STDLIB | PURE_THIRD_PARTY[room] | {PACKAGE}
        if place(file) in (f"{PACKAGE}/plugins/loader.py", f"{PACKAGE}/plugins/manifest.py"):
            allowed |= LOADER_STDLIB
        wrong += [
            f"{place(file)}:{line} imports {module}; time, chance and I/O are handed in as arguments"
            for line, module in imports(file)
            if module.split(".")[0] not in allowed
        ]
    assert not wrong, "\n".join(wrong)


def test_the_core_never_waits() -> None:
    waiting = (ast.Await, ast.AsyncFor, ast.AsyncWith, ast.AsyncFunctionDef)
    wrong = [
        f"{place(file)}:{node.lineno} waits; the core returns an effect, and is told the outcome in a message"
        for file in python_files(f"{PACKAGE}/domain", f"{PACKAGE}/core")
        for node in ast.walk(tree(file))
        if isinstance(node, waiting)
    ]
    assert not wrong, "\n".join(wrong)


def test_inner_rooms_neither_print_nor_open() -> None:
    wrong = [
        f"{place(file)}:{node.lineno} calls {node.func.id}; return a Note, and an adapter will log it"
        for file in python_files(*(f"{PACKAGE}/{room}" for room in INNER))
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
    ]
    assert not wrong, "\n".join(wrong)


def test_the_simulator_has_no_real_clock_and_no_real_network() -> None:
    real = {"asyncio", "time", "datetime", "socket", "threading", "subprocess", "selectors", "secrets"}
    wrong = [
        f"{place(file)}:{line} imports {module}; the simulator's clock and network are its own"
        for file in python_files(f"{PACKAGE}/simulator")
        for line, module in imports(file)
        if module.split(".")[0] in real
    ]
    assert not wrong, "\n".join(wrong)


ROOMS_OF_THE_OTHER = {
    "agent": ("master", "core.master", "registrar"),
    "master": ("agent", "containers", "cgroups", "seccomp", "core.agent.state", "core.agent.step"),
}
LIBRARIES_OF_THE_OTHER = {"agent": {"numpy", "sqlalchemy"}, "master": {"httpx"}}


@pytest.mark.parametrize("kind", ROOMS_OF_THE_OTHER)
def test_a_process_loads_nothing_of_the_other_kind(kind: str) -> None:
    """Imports that one room may have add up. There are thousands of agents: what each carries about costs thousands of
    times as much."""
    code = f"import sys, {PACKAGE}.{kind}.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert f"{PACKAGE}.{kind}.main" in loaded
    rooms = [f"{PACKAGE}.{room}" for room in ROOMS_OF_THE_OTHER[kind]]
    wrong = {name for name in loaded for room in rooms if name == room or name.startswith(f"{room}.")}
    wrong |= loaded & LIBRARIES_OF_THE_OTHER[kind]
    assert not wrong, f"a process of the {kind}'s loads {sorted(wrong)}"
