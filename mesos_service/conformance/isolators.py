"""What every isolator must hold without a process to look after (M-AG-03); ``tests/contract`` adds real ones."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from mesos_service.conformance.run import require
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, Isolator, Usage
from mesos_service.plugins.loader import read_config

Kind = type[Isolator]
CONTAINER: Final = ContainerId("c")


class NoProcesses:
    """A host on which nothing runs."""

    def processes(self, container_id: ContainerId) -> Sequence[int]:
        return []


def apart(kind: Kind, directory: Path) -> dict[str, object]:
    """Configuration that keeps a trial away from the agents of this machine, and whatever it writes down with it."""
    values: dict[str, object] = {"runtime_dir": directory, "cgroups_root": f"mesos_check_{os.getpid()}"}
    known = () if kind.Config is None else kind.Config.model_fields
    return {name: value for name, value in values.items() if name in known}


def it_says_what_it_does(kind: Kind) -> None:
    """In its docstring."""
    require(bool(kind.__doc__), "Its class has no docstring.")


def every_method_takes_the_unknown_and_repeats(kind: Kind) -> None:
    """``cleanup`` may come for a container it never saw, and everything may come twice."""

    async def body() -> None:
        with tempfile.TemporaryDirectory() as sandbox:
            isolator = kind(NoProcesses(), read_config(kind, apart(kind, Path(sandbox))))
            config = ContainerConfig(sandbox=sandbox, resources=Resources.scalars(cpus=1, mem=32))
            await isolator.cleanup(CONTAINER)
            await isolator.recover([], [CONTAINER])
            await isolator.update(CONTAINER, Resources.EMPTY, {})
            require(await isolator.usage(CONTAINER) == Usage(), "usage() measured a container that is not there.")
            await isolator.prepare(CONTAINER, config)
            await isolator.cleanup(CONTAINER)
            await isolator.cleanup(CONTAINER)
            await isolator.close()
            await isolator.close()

    asyncio.run(body())


CHECKS: Final[tuple[Callable[[Kind], None], ...]] = (it_says_what_it_does, every_method_takes_the_unknown_and_repeats)
