"""Every behaviour this version promises has a test that carries its name (``behaviours.py``)."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.house.behaviours import BEHAVIOURS, LATER
from tests.house.source import place, python_files, tree

NAME = re.compile(r"(?<![\w-])(?:[A-E]\d\d[a-z]?|M-[A-Z]{2}-\d\d|N\d\d|X\d\d[a-z]?)(?![\w-])")
NOT_COVERED_YET = Path(__file__).with_name("not_covered_yet.txt")


def listed() -> set[str]:
    lines = NOT_COVERED_YET.read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def in_name(behaviour: str) -> re.Pattern[str]:
    return re.compile(rf"(?:^|_){behaviour.lower().replace('-', '_')}(?:_|$)")


def in_text(behaviour: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(behaviour)}(?![\w-])")


@cache
def carried() -> frozenset[str]:
    """The names that test functions and classes carry, in their own name or in their docstring."""
    names: list[str] = []
    texts: list[str] = []
    for file in python_files("tests"):
        if file.name.startswith("test_"):
            for node in ast.walk(tree(file)):
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) and (
                    node.name.lower().startswith("test")
                ):
                    names.append(node.name.lower())
                    texts.append(ast.get_docstring(node) or "")
    text = "\n".join(texts)
    return frozenset(
        behaviour
        for behaviour in BEHAVIOURS
        if in_text(behaviour).search(text) or any(in_name(behaviour).search(name) for name in names)
    )


def test_every_behaviour_has_a_test() -> None:
    missing = sorted(set(BEHAVIOURS) - carried() - listed())
    report = "\n".join(f"  {behaviour}: {BEHAVIOURS[behaviour]}" for behaviour in missing)
    assert not missing, f"no test carries these names:\n{report}"


def test_the_list_of_what_has_no_test_only_shrinks() -> None:
    unknown = sorted(listed() - set(BEHAVIOURS))
    covered = sorted(listed() & carried())
    assert not unknown, f"{NOT_COVERED_YET.name} lists what is no behaviour: {unknown}"
    assert not covered, f"these have tests now; take them out of {NOT_COVERED_YET.name}: {covered}"


@cache
def spoken_of() -> dict[str, str]:
    """Every name that code, its comments and its docstrings have, and the first place of it."""
    own = {Path(__file__), Path(__file__).with_name("behaviours.py")}
    found: dict[str, str] = {}
    for file in python_files("mesos_service", "modules", "tests"):
        if file not in own:
            for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
                for name in NAME.findall(line):
                    found.setdefault(name, f"{place(file)}:{number}")
    return found


def is_listed(name: str) -> bool:
    """X18 stands for X18a, X18b and so on."""
    listed = {*BEHAVIOURS, *LATER}
    return name in listed or any(re.fullmatch(rf"{name}[a-z]", one) for one in listed)


def test_every_name_in_the_code_is_in_the_list() -> None:
    unknown = {name: where for name, where in spoken_of().items() if not is_listed(name)}
    assert not unknown, f"a reader cannot look these up; say in behaviours.py what they are: {unknown}"


def test_what_comes_later_is_named_somewhere_and_promised_nowhere() -> None:
    assert not set(LATER) & set(BEHAVIOURS)
    unnamed = sorted(set(LATER) - set(spoken_of()))
    assert not unnamed, f"nothing names these; take them out of LATER: {unnamed}"
