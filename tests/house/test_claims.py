"""Claims about the shape of the code, which only the code itself can answer for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.house.source import PACKAGE, ROOT, place, python_files, tree

CORE_LINES_MAX = 10_000
"""The master of the Mesos paper took about so many lines of C++. Counted are lines of code of the master without its
modules and what only they use: what explains the code is not what makes it thick."""


def imported(file: Path) -> Iterator[str]:
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def lines_of_code(file: Path) -> set[int]:
    """Numbers of the lines that hold code: neither empty nor a comment, nor of a string that nobody uses."""
    explained = {
        line
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = file.read_text(encoding="utf-8").splitlines()
    coded = (number for number, line in enumerate(lines, 1) if line.strip() and not line.lstrip().startswith("#"))
    return {number for number in coded if number not in explained}


def policy_files() -> tuple[Path, ...]:
    allocation = python_files(f"{PACKAGE}/core/allocation", "modules/allocators")
    return (*allocation, ROOT / PACKAGE / "plugins" / "allocator.py")


def test_a16_b22a_e39_policy_knows_no_task() -> None:
    """A16, B22a, C11, E39: who is offered how much is decided without knowing of any task, so it cannot place one."""
    knowing = [
        f"{place(file)} imports {module}"
        for file in policy_files()
        for module in imported(file)
        if re.search(r"\bdomain\.(tasks|executors)$|\bcore\.(messages|link|events|master|agent)\b", module)
    ]
    assert len(policy_files()) > 5
    assert not knowing, "\n".join(knowing)


def test_a16_tasks_reach_an_agent_only_through_an_accepted_offer() -> None:
    """A16, C22: the message that makes an agent run a task is made in one function of the master."""
    makers = {
        f"{place(file)} {function.name}"
        for file in python_files(f"{PACKAGE}/core/master", f"{PACKAGE}/master")
        for function in ast.walk(tree(file))
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "RunTask"
    }
    assert len(makers) == 1, f"launching has one way, from an ACCEPT: {sorted(makers)}"


AGENTS_OWN = ("core/agent/", "core/agent_messages.py", "plugins/isolator.py", "domain/containers.py")
"""What only agents know."""
MODULES_OWN = ("core/allocation/", "domain/patterns.py")
"""What modules are built of: allocators, and the offer filters with regular expressions."""

OUTSIDE = frozenset(
    f"{PACKAGE}/{part}".removesuffix(".py").replace("/", ".")
    for part in (*AGENTS_OWN, *MODULES_OWN)
    if part.endswith(".py") and not part.startswith("plugins/")
)
"""The files among them; that there are isolators the loader knows, which finds all kinds."""


def test_d08_the_core_stays_thin() -> None:
    """D08: what decides for the master can be read in a few days."""
    files = [
        file
        for file in python_files(f"{PACKAGE}/domain", f"{PACKAGE}/plugins", f"{PACKAGE}/core")
        if not place(file).startswith(tuple(f"{PACKAGE}/{part}" for part in (*AGENTS_OWN, *MODULES_OWN)))
    ]
    users = [f"{place(file)} imports {module}" for file in files for module in imported(file) if module in OUTSIDE]
    assert not users, f"then it is the master's, and counts: {users}"
    lines = sum(len(lines_of_code(file)) for file in files)
    assert 1_000 < lines < CORE_LINES_MAX


def test_d11_the_old_name_of_agents_is_only_where_the_wire_has_it() -> None:
    """D11: inside, agents are agents."""
    inner = python_files(*(f"{PACKAGE}/{room}" for room in ("domain", "plugins", "core", "simulator", "sdk")))
    old = [
        f"{place(file)}:{getattr(node, 'lineno', 0)} {name}"
        for file in (*inner, *python_files("modules"))
        if file.name != "names_2011.py"  # The paper's own interface has slaveLost.
        for node in ast.walk(tree(file))
        for name in (getattr(node, "name", None), getattr(node, "id", None), getattr(node, "attr", None))
        if isinstance(name, str) and "slave" in name.lower()
    ]
    assert not old, "\n".join(old)


def test_c05_c10_frameworks_share_one_interface() -> None:
    """C05, C10: a framework needs the wire and nothing of a master, so a new kind of it changes no master."""
    inside = [
        f"{place(file)} imports {module}"
        for file in python_files(f"{PACKAGE}/sdk")
        for module in imported(file)
        if re.match(rf"{PACKAGE}\.(core\.|master|agent\b|registrar|containers|telemetry)", module)
    ]
    assert not inside, "\n".join(inside)


def test_a30c_a64_a88_what_offers_are_not_for_is_written_down() -> None:
    """A30c, A64, A88: the page names each limit with what helps, and where the policies of other schedulers are."""
    page = (ROOT / "docs" / "when_not_to_use_offers.md").read_text(encoding="utf-8")
    assert "| Tasks of two frameworks that must not share an agent" in page, "A64"
    assert "one scheduler that sees everything is the simpler" in " ".join(page.split()), "A88"
    policies = re.findall(
        r"^\| (Hadoop|Quincy|YARN|Kubernetes|Slurm)[^|]* \| [^|]* \| ([^|]*) \|$", page, flags=re.MULTILINE
    )
    assert {"Hadoop", "Quincy", "YARN"} <= {name for name, _ in policies}, "A30c"
    modules = {file.stem for file in (ROOT / "modules" / "allocators").glob("*.py")}
    named = {name for _, cell in policies for name in re.findall(r"`(\w+)`", cell)}
    assert named & modules
    assert named <= modules | {"only_agents"}, "the page names a module that is not there"
