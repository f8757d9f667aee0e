"""What the house rules look at: the project's own files, read once."""

from __future__ import annotations

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "mesos_service"


@cache
def python_files(*folders: str) -> tuple[Path, ...]:
    """Python files below ``folders`` (of the checkout), sorted."""
    return tuple(sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py")))


@cache
def tree(file: Path) -> ast.Module:
    """The parsed file."""
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def place(file: Path) -> str:
    """How a message names ``file``."""
    return file.relative_to(ROOT).as_posix()


@cache
def committed_text_files() -> tuple[Path, ...]:
    """Every file that is or would be committed, and reads as text; from the folders themselves without git."""
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        files = [ROOT / name for name in listing.stdout.decode().split("\0") if name]
    else:
        folders = ("mesos_service", "modules", "tests", "docs", "scripts", "requirements")
        files = [file for folder in folders for file in (ROOT / folder).rglob("*") if "__pycache__" not in file.parts]
        files += [file for file in ROOT.iterdir() if file.name[0] != "."]
    return tuple(sorted(file for file in files if file.is_file() and _is_text(file)))


def _is_text(file: Path) -> bool:
    try:
        file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return False
    return True
