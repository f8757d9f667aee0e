"""What limits a task may have, and on which agents (M-AL-27)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from mesos_service.core.scheduler_messages import LaunchOperation
from mesos_service.domain.agents import TASK_RESOURCE_LIMITS, AgentInfo
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import launched
from tests.unit.core.master.world import Node, World

RESOURCES = Resources.parse("cpus:4;mem:4096")


def launch(limits: Mapping[str, int | None], needs: str = "cpus:1;mem:128", *, able: bool = True) -> str | None:
    """Why a task with such limits is refused."""
    world = World()
    capabilities = frozenset({TASK_RESOURCE_LIMITS}) if able else frozenset[str]()
    node = Node(world, AgentInfo(hostname="h", resources=RESOURCES, capabilities=capabilities), world.new_link())
    node.register()
    scheduler = world.framework(framework_info())
    world.settle()
    info = replace(task_info("t", node.agent_id, Resources.parse(needs)), limits=limits)
    effects = scheduler.accept(scheduler.offers, LaunchOperation((info,)))
    if launched(effects):
        [task] = launched(effects)
        assert task.limits == limits, "the agent is told"
        assert node.record.used[scheduler.framework_id].unallocated() == info.resources, "limits take nothing"
        return None
    [status] = scheduler.statuses(effects)
    assert (status.state, status.reason) == (TaskState.ERROR, "REASON_TASK_INVALID")
    return status.message


@pytest.mark.parametrize(
    "limits",
    [{}, {"cpus": 1000}, {"cpus": 99_000, "mem": 128_000}, {"cpus": None, "mem": None}, {"pids": 10_000}],
)
def test_m_al_27_limits_may_be_above_what_is_requested(limits: Mapping[str, int | None]) -> None:
    assert launch(limits) is None


@pytest.mark.parametrize(
    ("limits", "needs", "why"),
    [
        ({"cpus": 999}, "cpus:1;mem:128", "The cpu limit must be greater than or equal to the cpu request"),
        ({"mem": 127_999}, "cpus:1;mem:128", "The memory limit must be greater than or equal to the memory request"),
        ({"cpus": None}, "mem:128", "When a cpu limit is specified, a cpu request must also be specified"),
        ({"mem": 1000}, "cpus:1", "When a memory limit is specified, a memory request must also be specified"),
        ({"disk": None}, "cpus:1;mem:128", "Only cpus, mem and pids may be included in a task's resource limits"),
    ],
)
def test_m_al_27_limits_that_make_no_sense_are_refused(limits: Mapping[str, int | None], needs: str, why: str) -> None:
    assert launch(limits, needs) == why


def test_m_al_27_an_agent_that_does_not_heed_limits_is_sent_none() -> None:
    assert launch({"cpus": None}, able=False) == "Agent is not capable of handling task resource limits"
    assert launch({}, able=False) is None
