"""Looks at what containers write, as long as they run, and rotates what has grown too large (M-AG-28)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from mesos_service.configuration.units import Size
from mesos_service.containers.containerizer import Containerizer
from mesos_service.containers.rotation import Bound, Rotation, rotate

INTERVAL_SECONDS: Final = 1.0
PREFIX: Final = "CONTAINER_LOGGER_"
"""Of variables in a task's environment by which it asks for other bounds than the agent's (as in Mesos)."""
NAMES: Final = ("stdout", "stderr")
KEPT_MAX: Final = 1000

log = logging.getLogger(__name__)


class LogRotation:
    """Of all containers of one agent; nothing is kept of any, so that a new agent goes on where it finds them."""

    def __init__(self, containerizer: Containerizer, default: Rotation) -> None:
        self._containerizer = containerizer
        self._default = default
        self._watching: asyncio.Task[None] | None = None

    def start(self, defect: Callable[[BaseException], None]) -> None:
        """Look after them from now on, until :meth:`stop`."""
        self._watching = asyncio.create_task(self._watch())

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                defect(error)

        self._watching.add_done_callback(ended)

    async def stop(self) -> None:
        """Leave the files as they are."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait((self._watching,))

    async def _watch(self) -> None:
        while True:
            await asyncio.to_thread(_rotate_all, self._places())
            await asyncio.sleep(INTERVAL_SECONDS)

    def _places(self) -> Sequence[tuple[Path, Rotation]]:
        places: dict[Path, Rotation] = {}
        for container_id in self._containerizer.containers():
            plan = self._containerizer.plan(container_id)
            # What writes elsewhere has no files of its own, unless it is a terminal's, which writes there too.
            if plan is None or (plan.streams is not None and plan.streams.terminal is None):
                continue
            try:
                places[plan.sandbox] = rotation_for(plan.environment, self._default)
            except ValueError as error:
                # It was launched by an agent that did not look at this.
                log.warning("Container %s is held to the agent's own bounds: %s", container_id, error)
                places[plan.sandbox] = self._default
        return tuple(places.items())


def rotation_for(environment: Mapping[str, str], default: Rotation) -> Rotation:
    """The agent's bounds, as changed by the task.

    Raises:
        ValueError: naming the variable that makes no sense.
    """
    found = {}
    for name, bound in default.items():
        bytes_max, kept = bound.bytes_max, bound.kept
        variable = f"{PREFIX}MAX_{name.upper()}_SIZE"
        if variable in environment:
            try:
                bytes_max = Size.parse(environment[variable]).octets
            except ValueError as error:
                raise ValueError(f"{variable}: {error}") from None
        variable = f"{PREFIX}LOGROTATE_{name.upper()}_OPTIONS"
        if variable in environment:
            kept = _kept(variable, environment[variable], kept)
        if bytes_max <= 0:
            raise ValueError(f"{PREFIX}MAX_{name.upper()}_SIZE: it has to be more than nothing")
        found[name] = Bound(bytes_max, kept)
    return found


def _kept(variable: str, options: str, kept: int) -> int:
    for line in options.splitlines():
        words = line.split()
        if not words:
            continue
        if len(words) != 2 or words[0] != "rotate" or not words[1].isdecimal() or int(words[1]) > KEPT_MAX:
            raise ValueError(
                f"{variable}: '{line.strip()}' is not 'rotate N' with N up to {KEPT_MAX}, all that there is here"
            )
        kept = int(words[1])
    return kept


def _rotate_all(places: Sequence[tuple[Path, Rotation]]) -> None:
    for sandbox, rotation in places:
        for name, bound in rotation.items():
            try:
                rotate(sandbox, name, bound)
            except FileNotFoundError:
                pass  # It has just gone.
            except OSError as error:
                log.warning("Cannot rotate %s: %s", sandbox / name, error.strerror)
