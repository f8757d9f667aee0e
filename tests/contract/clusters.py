"""The small clusters whose decisions were recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.contract.derive_decisions import Json

CLUSTERS: list[Json] = json.loads((Path(__file__).parent / "decisions.json").read_text(encoding="utf-8"))
SEEDS = 12
SEEDS_MANY = 200
"""Where there are several outcomes: enough that one which can come up does."""


FILE = Path(__file__).parent / "derived_decisions.txt"


def read(text: str) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Name, reason and steps of each cluster; comments begin with a semicolon."""
    lines = [line for line in text.splitlines() if not line.startswith(";")]
    for block in "\n".join(lines).strip().split("\n\n"):
        name, why, *steps = block.splitlines()
        yield name.removeprefix("# "), why, steps


DERIVED = list(read(FILE.read_text(encoding="utf-8")))
