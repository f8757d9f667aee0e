"""A pass over agents that changed looks at each of them once, however they are named, by either kernel (X32)."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from mesos_service.core.allocation import kernel
from mesos_service.core.allocation.table import NO_ROW
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, Allocator, AllocatorOptions, FrameworkView
from mesos_service.plugins.loader import ALLOCATORS, load

KERNELS = ["compiled", "python"] if kernel.compiled is not None else ["python"]


@pytest.fixture(params=KERNELS)
def which(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(kernel, "enabled", request.param == "compiled")
    return str(request.param)


def agent_id(number: int) -> AgentId:
    return AgentId(f"agent-{number}")


def cluster(agents: int) -> Allocator:
    allocator: Allocator = load(ALLOCATORS, "hierarchical")(AllocatorOptions())
    view = FrameworkView(framework_id=FrameworkId("framework"), roles=frozenset({Role("role")}))
    allocator.add_framework(view, {}, True)
    total = Resources.parse("cpus:4;mem:1024")
    for number in range(agents):
        allocator.add_agent(AgentView(agent_id=agent_id(number), hostname=f"host-{number}", total=total), {})
    return allocator


@pytest.mark.parametrize("few", [5, 63, 64, 300])
def test_x32_agents_named_twice_or_gone_or_unknown(which: str, few: int) -> None:
    allocator = cluster(500)
    for number in range(0, few, 2):
        allocator.remove_agent(agent_id(number))
    named = [agent_id(number) for number in range(few)] * 2 + [AgentId("nobody"), agent_id(501)]
    Random(3).shuffle(named)
    grants = allocator.allocate(1.0, Random(1), agents=named)
    assert sorted(grant.agent_id for grant in grants) == sorted(agent_id(number) for number in range(1, few, 2))
    assert not allocator.allocate(2.0, Random(1), agents=named), "all that is free there is offered already"


def test_x32_a_row_that_was_given_again_is_the_new_agents(which: str) -> None:
    allocator = cluster(100)
    allocator.remove_agent(agent_id(7))
    newcomer = AgentView(agent_id=AgentId("new"), hostname="new", total=Resources.parse("cpus:1;mem:64"))
    allocator.add_agent(newcomer, {})
    both = [AgentId("new"), *map(agent_id, range(100))]
    grants = allocator.allocate(1.0, Random(1), agents=both)
    assert len(grants) == 100
    assert {grant.agent_id for grant in grants} == {one for one in both if one != agent_id(7)}


def test_x32_rows_of_agents_by_their_ids(which: str) -> None:
    row_of = {agent_id(number): number for number in range(1000)}
    named = [agent_id(number) for number in Random(5).choices(range(-20, 1020), k=400)]
    expected = [row_of.get(one, NO_ROW) for one in named]
    assert kernel.rows_of(named, row_of).tolist() == expected
    once = dict.fromkeys(named)
    assert kernel.rows_of(once, row_of).tolist() == [row_of.get(one, NO_ROW) for one in once], "any collection will do"
    assert kernel.rows_of([], row_of).dtype == np.int32
    with pytest.raises(TypeError):
        kernel.rows_of([[]], row_of)  # type: ignore[list-item]
