"""No file needs another that needs it: who reads one may stop at its imports.

Imports for the type checker count: what cannot be said without the other file cannot be understood without it.
"""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.house.source import PACKAGE, ROOT, python_files, tree


def _name(parts: tuple[str, ...]) -> str:
    return ".".join(parts[1:])


def _imports() -> dict[str, set[str]]:
    files = {file.relative_to(ROOT).with_suffix("").parts: file for file in python_files(PACKAGE)}
    files = {parts[:-1] if parts[-1] == "__init__" else parts: file for parts, file in files.items()}
    found: dict[str, set[str]] = {}
    for parts, file in files.items():
        needs = found.setdefault(_name(parts), set())
        for node in ast.walk(tree(file)):
            if not isinstance(node, ast.ImportFrom) or not node.module or node.module.split(".")[0] != PACKAGE:
                continue
            source = tuple(node.module.split("."))
            needs |= {
                _name((*source, alias.name) if (*source, alias.name) in files else source) for alias in node.names
            }
        # A package's face gathers what is inside it, and what is inside is loaded after it.
        needs.discard(_name(parts))
    return found


def test_imports_form_no_circle() -> None:
    graph = _imports()
    assert graph["core.master.step"], "nothing was read"
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"read from right to left, each file imports the one before it: {' '.join(error.args[1])}")
