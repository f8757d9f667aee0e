"""What every isolator must hold without a process to look after (M-AG-03); ``tests/contract`` adds real ones."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Sequence
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


def it_says_what_it_does(kind: Kind) -> None:
    """In its docstring."""
    require(bool(kind.__doc__), "Its class has no docstring.")


def every_method_takes_the_unknown_and_repeats(kind: Kind) -> None:
    """``cleanup`` may come for a container it never saw, and everything may come twice."""

    async def body() -> None:
        isolator = kind(NoProcesses(), read_config(kind, {}))
        with tempfile.TemporaryDirectory() as sandbox:
            config = ContainerConfig(sandbox=sandbox, resources=Resources.scalars(cpus=1, mem=32))
            await isolator.cleanup(CONTAINER)
            await isolator.recover([], [CONTAINER])
            await isolator.update(CONTAINER, Resources.EMPTY, {})
            require(await isolator.usage(CONTAINER) == Usage(), "usage() measured a container that is not there.")
            await isolator.prepare(CONTAINER, config)
            await isolator.cleanup(CONTAINER)
            await isolator.cleanup(CONTAINER)

    asyncio.run(body())


CHECKS: Final[tuple[Callable[[Kind], None], ...]] = (it_says_what_it_does, every_method_takes_the_unknown_and_repeats)
