"""Has modules tried before they take the place of those that run: in another process, so that nobody waits (N09).

Whatever a module does while it is tried, imports included, it does there: it may loop, hoard memory or end the process.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import mesos_service
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.loader import Kind
from mesos_service.plugins.manifest import Listed

PROGRAM: Final = "import sys; sys.path.append({!r}); from mesos_service.conformance.trial import main; sys.exit(main())"
"""Found beside the master's own code, wherever that is."""
TRIAL_SECONDS_MAX: Final = 60.0
"""For all that is tried at once."""
CHECK_SECONDS_MAX: Final = 10.0
CHARACTERS_MAX: Final = 2000
"""Of what is told of one module."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A module whose file has changed. ``content`` is the digest of what is in it now."""

    kind: Kind[Any]  # Any: an allocator or an offer filter
    listed: Listed
    content: str


async def hold_trial(candidates: Sequence[Candidate], seconds: float, whole: float = TRIAL_SECONDS_MAX) -> None:
    """See that all of them hold what modules of their kind must: what ``module check`` asks.

    ``seconds`` is what an import, and each check, may take; ``whole`` what all may.

    Raises:
        ConfigurationError: one does not; which, in which method, and why.
    """
    asked = {
        "seconds": min(seconds, CHECK_SECONDS_MAX),
        "modules": [
            {
                "kind": one.kind.folder,
                "name": one.listed.name,
                "file": str(one.listed.file),
                "parameters": dict(one.listed.parameters),
                "content": one.content,
            }
            for one in candidates
        ],
    }
    names = ", ".join(str(one.listed.file) for one in candidates)
    try:
        # -P: what is called mesos_service in the folder that the master happens to stand in is somebody else's.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-c",
            PROGRAM.format(str(Path(mesos_service.__file__).parent.parent)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as failure:
        raise ConfigurationError(f"{names} cannot be tried: {failure}.") from failure
    try:
        answer, _ = await asyncio.wait_for(process.communicate(json.dumps(asked).encode()), whole)
    except TimeoutError as late:
        raise ConfigurationError(f"The trial of {names} did not come to its end within {whole:g} s.") from late
    finally:
        await _end(process)
    faults = _faults(answer)
    if faults is None:
        raise ConfigurationError(f"The trial of {names} ended without an answer, with status {process.returncode}.")
    if faults:
        raise ConfigurationError(" ".join(faults))


def _faults(answer: bytes) -> list[str] | None:
    """``None``: that is no answer."""
    try:
        faults = json.loads(answer)["faults"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return [_line(str(one)) for one in faults] if isinstance(faults, list) else None


def _line(text: str) -> str:
    """What a module says goes into the log: in one line, of letters that can be written."""
    return " ".join(text.encode("utf-8", "replace").decode().split())[:CHARACTERS_MAX]


async def _end(process: asyncio.subprocess.Process) -> None:
    """Whatever is left of it, and of what the modules have begun."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
