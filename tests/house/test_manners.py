"""What every file keeps to: a size one can read, a docstring that says what it is for, tests that can fail."""

from __future__ import annotations

import ast
from itertools import pairwise

from tests.house.source import place, python_files, tree

LINES_MAX = 600
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def test_files_can_be_read_in_one_sitting() -> None:
    long = {
        place(file): count
        for file in python_files("mesos_service", "modules", "tests")
        if (count := len(file.read_text(encoding="utf-8").splitlines())) > LINES_MAX
    }
    assert not long, f"part these by purpose, not by length (more than {LINES_MAX} lines): {long}"


def test_modules_and_packages_say_their_purpose() -> None:
    silent = [
        place(file)
        for file in python_files("mesos_service", "modules", "tests")
        if file.stat().st_size and not ast.get_docstring(tree(file))
    ]
    assert not silent, f"say in a docstring what each is for: {silent}"


def is_record(node: ast.ClassDef) -> bool:
    """Whether a class is a word of the vocabulary with its fields: no behaviour, so its name and fields say it all."""
    return not any(isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)) for statement in node.body)


def explains_itself(node: Documented) -> bool:
    """Handlers are named after their message, answers after their call, conversions after what they convert; and what
    is a single expression says itself what it is."""
    if isinstance(node, ast.ClassDef):
        return is_record(node)
    one_expression = len(node.body) == 1 and isinstance(node.body[0], ast.Return)
    return one_expression or node.name.startswith(("on_", "get_")) or node.name.endswith(("_to_wire", "_from_wire"))


def test_public_classes_and_functions_are_documented() -> None:
    """Methods may be silent where their class speaks for them; what stands at the top of a module may not."""
    silent = [
        f"{place(file)}:{node.lineno} {node.name}"
        for file in python_files("mesos_service", "modules")
        for node in tree(file).body
        if isinstance(node, Documented)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not explains_itself(node)
    ]
    assert not silent, "say what these are, what they raise and in which units they count:\n" + "\n".join(silent)


def is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def test_nothing_has_two_docstrings() -> None:
    """The second one is a statement without effect, and no tool shows it."""
    doubled = [
        f"{place(file)}:{second.lineno}"
        for file in python_files("mesos_service", "modules", "tests", "examples")
        for node in ast.walk(tree(file))
        if isinstance(body := getattr(node, "body", None), list)
        for first, second in pairwise(body)
        if is_text(first) and is_text(second)
    ]
    assert not doubled, f"keep the one that says more: {doubled}"


def test_what_tests_share_stands_in_no_test_file() -> None:
    borrowed = [
        f"{place(file)} imports {node.module}"
        for file in python_files("tests")
        for node in ast.walk(tree(file))
        if isinstance(node, ast.ImportFrom) and node.module and ".test_" in f".{node.module}"
    ]
    assert not borrowed, f"put it into a file of its own, named after what it is: {borrowed}"


def test_no_test_sleeps() -> None:
    """A test waits for a condition: sleeping is too short on a busy machine and too long on a quiet one."""
    sleeping = [
        f"{place(file)}:{node.lineno}"
        for file in python_files("tests")
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"
    ]
    assert not sleeping, f"wait for a condition instead: {sleeping}"


def test_every_test_asserts_something() -> None:
    """A test without an assertion, an expected exception or a helper that asserts cannot fail for its reason."""
    empty = [
        f"{place(file)}:{node.lineno} {node.name}"
        for file in python_files("tests")
        if file.name.startswith("test_")
        for node in ast.walk(tree(file))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        and node.name.startswith("test_")
        and not any(isinstance(inner, (ast.Assert, ast.Call, ast.Raise)) for inner in ast.walk(node))
    ]
    assert not empty, "\n".join(empty)


def test_no_test_is_switched_off() -> None:
    """A test may be left out where a part that is not ours cannot be installed, or for want of root, and says so."""
    marks = {f"pytest.{name}" for name in ("xfail", "mark.skip", "mark.xfail", "importorskip")}
    off = []
    for file in python_files("tests"):
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in marks:
                off.append(f"{place(file)}:{node.lineno} {ast.unparse(node)}")
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "pytest.mark.skipif"
                and "geteuid" not in ast.unparse(node.args[0])
            ):
                off.append(f"{place(file)}:{node.lineno} {ast.unparse(node)}")
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.skip":
                reason = ast.unparse(node.args[0]).strip("f'\"") if node.args else ""
                if not reason.startswith("real part not installed"):
                    off.append(f"{place(file)}:{node.lineno} pytest.skip({reason!r})")
    assert not off, "\n".join(off)
