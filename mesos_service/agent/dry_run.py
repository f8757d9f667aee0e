"""``--dry_run_isolation``: what isolators would do for a task, said and not done (N27)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.isolators import make_isolators
from mesos_service.containers.containerizer import Members
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.domain.resources_text import parse_resources
from mesos_service.plugins.isolator import ContainerConfig, Isolator

CONTAINER = ContainerId("CONTAINER")
"""Stands for the id that a container would have."""


def planned(isolators: Sequence[Isolator], resources: Resources) -> Iterator[str]:
    """One line for each thing that would be done, in order, under the name of its isolator."""
    config = ContainerConfig(sandbox="SANDBOX", resources=resources)
    for isolator in isolators:
        yield f"{isolator.name}:"
        yield from (f"  {line}" for line in isolator.explain(CONTAINER, config) or ("nothing",))


def print_plan(config: AgentConfig, resources: str) -> None:
    """Print the plan for a task with these resources, in the words of ``--resources``.

    Raises:
        ConfigurationError: an isolator is not there, or could not work on this machine.
    """
    isolators = make_isolators(config, Members())
    for line in planned(isolators, Resources(parse_resources(resources))):
        sys.stdout.write(f"{line}\n")
