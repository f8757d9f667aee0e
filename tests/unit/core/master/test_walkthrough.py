"""The source notes' example, step by step: one agent with 4 cpus and 4 GB, two tasks, and what is left (B27-B30)."""

from __future__ import annotations

from mesos_service.core.link import RunTask
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from tests.unit.core.master.infos import framework_info, task_info
from tests.unit.core.master.told import downlinks, replies
from tests.unit.core.master.world import World


def test_b27_b28_b29_b30_and_e54_e55_e56_e57_what_two_tasks_leave_goes_to_the_second_framework() -> None:
    world = World()
    first = world.framework(framework_info("framework 1", roles=("one",)))

    # B27, E54: the agent reports 4 cpus and 4 GB; B28, E55: they are offered to framework 1.
    s1 = world.agent("cpus:4;mem:4096", hostname="s1")
    (offer,) = first.offered(world.settle())
    assert offer.resources.unallocated() == Resources.scalars(cpus=4, mem=4096)
    assert offer.agent_id == s1.agent_id

    # B29, E56: it answers with two tasks of <2 cpus, 1 GB> and <1 cpu, 2 GB>.
    second = world.framework(framework_info("framework 2", roles=("two",)))
    task_1 = task_info("task1", s1.agent_id, Resources.scalars(cpus=2, mem=1024))
    task_2 = task_info("task2", s1.agent_id, Resources.scalars(cpus=1, mem=2048))
    effects = first.launch(offer, task_1, task_2)
    assert replies(effects) == [(202, "")]

    # B30: the master sends the tasks to the slave.
    assert [message.task.task_id for message in downlinks(effects, RunTask)] == ["task1", "task2"]

    # E57: 1 cpu and 1 GB are still free, and go to framework 2.
    (left,) = second.offered(world.settle())
    assert left.resources == Resources.scalars(cpus=1, mem=1024).allocated_to("two")
    assert first.offers == []

    for task in (task_1, task_2):
        status = s1.status(task.task_id, TaskState.RUNNING)
        assert first.told(s1.update(first, status)) == [(task.task_id, TaskState.RUNNING, None)]
    assert {task.state for task in first.record.tasks.values()} == {TaskState.RUNNING}


def test_b29_a_framework_may_also_refuse() -> None:
    world = World()
    first = world.framework(framework_info("framework 1", roles=("one",)))
    s1 = world.agent("cpus:4;mem:4096")
    world.settle()
    second = world.framework(framework_info("framework 2", roles=("two",)))
    (offer,) = first.offers
    first.decline(offer)
    (again,) = second.offered(world.settle())
    assert again.agent_id == s1.agent_id
    assert again.resources == Resources.scalars(cpus=4, mem=4096).allocated_to("two")
