"""The examples of ``docs/writing_modules.md`` load as they stand there."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from mesos_service.domain.attributes import parse_attributes
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, ContainerId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, AllocatorOptions, FrameworkView
from mesos_service.plugins.isolator import ContainerConfig
from mesos_service.plugins.loader import ALLOCATORS, ISOLATORS, OFFER_FILTERS, load, read_config
from tests.support.written_modules import write_examples


@pytest.fixture
def modules_dir(tmp_path: Path) -> Path:
    write_examples(tmp_path)
    return tmp_path


class NoProcesses:
    """A host on which nothing runs."""

    def processes(self, container_id: ContainerId) -> Sequence[int]:
        return []


def test_the_isolator_of_the_page_prefixes_commands(modules_dir: Path) -> None:
    isolator = load(ISOLATORS, "nice/tasks", [modules_dir])(NoProcesses())
    config = ContainerConfig(sandbox="/sandbox", resources=Resources.EMPTY)

    launch = asyncio.run(isolator.prepare(ContainerId("c"), config))

    assert launch is not None
    assert launch.command_prefix == ("/usr/bin/nice", "-n", "10")


def test_the_allocator_of_the_page_grants_one_at_a_time(modules_dir: Path) -> None:
    least: tuple[Quantities, ...] = ({"cpus": 10},)
    allocator = load(ALLOCATORS, "one_at_a_time", [modules_dir])(AllocatorOptions(min_allocatable=least))
    for number in range(3):
        view = AgentView(agent_id=AgentId(f"S{number}"), hostname="h", total=Resources.parse("cpus:1;mem:64"))
        allocator.add_agent(view, {})
    allocator.add_framework(FrameworkView(framework_id=FrameworkId("f"), roles=frozenset({Role("r")})), {}, True)

    passes = [allocator.allocate(0.0, random.Random(1), agents=None) for _ in range(4)]

    assert [len(grants) for grants in passes] == [1, 1, 1, 0]


def test_n10_the_offer_filter_of_the_page_knows_its_region(modules_dir: Path) -> None:
    kind = load(OFFER_FILTERS, "only_region", [modules_dir])
    only = kind(read_config(kind, {"region": "eu"}))
    here, there = (
        AgentView(
            agent_id=AgentId("s"), hostname="h", total=Resources.EMPTY, attributes=parse_attributes(f"region:{region}")
        )
        for region in ("eu", "us")
    )
    nowhere = AgentView(agent_id=AgentId("s"), hostname="h", total=Resources.EMPTY, region="eu")

    assert only.about_agent(here, 0.0) is None
    assert only.about_agent(there, 0.0) is not None
    assert only.about_agent(nowhere, 0.0) is not None
