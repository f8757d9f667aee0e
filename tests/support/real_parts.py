"""Parts of others that some tests run against; ``scripts/install_real_parts.sh`` installs them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
CLIENTS: Final = ROOT / "tests" / "e2e" / "clients"
"""Our programs on others' libraries."""


def missing_part(part: str) -> NoReturn:
    """Leave the test out, loudly; under CI a part that is not there is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{part} is not installed: scripts/install_real_parts.sh failed, and under CI it may not")
    pytest.skip(f"real part not installed: {part} (scripts/install_real_parts.sh)")


async def told(*command: str | Path, cwd: Path | None = None) -> tuple[int, list[dict[str, Any]]]:
    """Run a client to its end; its exit status, and the lines of JSON that it told its story in."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=cwd, stdout=asyncio.subprocess.PIPE, stderr=sys.stderr.fileno()
    )
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, [json.loads(line) for line in output.splitlines()]


def states_of(story: list[dict[str, Any]]) -> dict[str, list[str]]:
    """The states that each task was told to be in, in order."""
    states: dict[str, list[str]] = {}
    for one in story:
        if one["what"] == "update":
            states.setdefault(one["task"], []).append(one["state"])
    return states
