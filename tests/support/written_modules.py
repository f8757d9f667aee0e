"""The examples of the page about writing modules, as files."""

from __future__ import annotations

import re
from pathlib import Path

from tests.house.source import ROOT

PAGE = ROOT / "docs" / "writing_modules.md"
EXAMPLE = re.compile(r"`((?:isolators|allocators|offer_filters)/\w+\.py)`(?:(?!```).)*```python\n(.*?)```", re.DOTALL)


def write_examples(folder: Path) -> None:
    """The page's examples, each in the file that the page names."""
    examples = EXAMPLE.findall(PAGE.read_text(encoding="utf-8"))
    assert [name for name, _ in examples] == [
        "isolators/nice_tasks.py",
        "allocators/one_at_a_time.py",
        "allocators/by_turns.py",
        "offer_filters/only_region.py",
    ]
    for name, code in examples:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(code, encoding="utf-8")
