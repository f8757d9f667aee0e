"""The master's memory in Mesos' shapes, where no recording shows it."""

from __future__ import annotations

import msgspec

from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.ids import ExecutorId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskState
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.common import VersionInfo
from mesos_service.wire.containers import CommandInfo, CommandInfoURI
from mesos_service.wire.render import legacy_master, legacy_summary, master_v1
from mesos_service.wire.render.snapshot import snapshot
from tests.unit.render.world import AGENT_ID, add_framework, add_offer, add_task, make_state, printed

MASTER = MasterInfo(id="m", ip=1, port=5050, hostname="h", pid="master@h:5050")


def test_a_framework_holds_what_is_used_and_what_is_offered() -> None:
    state = make_state()
    framework = add_framework(state, "one", "a")
    add_task(state, framework, "t1", "cpus:1;mem:32", "a")
    add_offer(state, framework, "o1", "cpus:2", "a")
    (shown,) = legacy_master.frameworks_answer(snapshot(state)).frameworks
    held = [
        msgspec.json.decode(one)["cpus"] for one in (shown.used_resources, shown.offered_resources, shown.resources)
    ]
    assert held == [1.0, 2.0, 3.0]
    assert [offer.id for offer in shown.offers] == ["o1"]
    (agent,) = legacy_master.agents_answer(snapshot(state)).slaves
    assert (
        msgspec.json.decode(agent.used_resources)["mem"],
        len(msgspec.json.decode(agent.offered_resources_full)),
    ) == (
        32.0,
        1,
    )


def test_offers_are_listed_with_where_they_are() -> None:
    state = make_state()
    framework = add_framework(state, "one", "a")
    add_offer(state, framework, "o1", "cpus:2", "a")
    (shown,) = master_v1.get_frameworks(snapshot(state)).frameworks
    (offer,) = shown.offers
    assert (offer.id.value, offer.agent_id.value, offer.hostname) == ("o1", AGENT_ID, "h")
    assert offer.allocation_info is not None
    assert offer.allocation_info.role == "a"


def test_without_multi_role_there_is_one_role() -> None:
    state = make_state()
    framework = add_framework(state, "old", "*")
    framework.info = type(framework.info)(name="old", user="u", framework_id=framework.framework_id)
    (shown,) = legacy_master.frameworks_answer(snapshot(state)).frameworks
    assert (shown.role, shown.roles) == ("*", None)


def test_an_executor_shows_its_command() -> None:
    state = make_state()
    framework = add_framework(state, "one", "a")
    info = ExecutorInfo(
        executor_id=ExecutorId("e"),
        type=ExecutorType.CUSTOM,
        framework_id=framework.framework_id,
        resources=Resources.parse("cpus:1").allocated_to("a"),
        command=CommandInfo(value="run", uris=(CommandInfoURI(value="http://h/f", executable=True),)),
    )
    framework.executors[AGENT_ID] = {info.executor_id: info}
    (shown,) = legacy_master.frameworks_answer(snapshot(state)).frameworks
    (executor,) = printed(shown.executors)
    assert (executor["role"], executor["type"], executor["slave_id"]) == ("a", "CUSTOM", AGENT_ID)
    assert executor["command"] == {
        "shell": True,
        "value": "run",
        "argv": [],
        "uris": [{"value": "http://h/f", "executable": True, "extract": True}],
    }
    (new,) = master_v1.get_executors(snapshot(state)).executors
    assert (new.executor_info.executor_id.value, new.agent_id.value) == ("e", AGENT_ID)


def test_the_summary_counts_tasks_in_each_state() -> None:
    state = make_state()
    framework = add_framework(state, "one", "a")
    add_task(state, framework, "t1", "cpus:1", "a")
    add_task(state, framework, "t2", "cpus:1", "a", task_state=TaskState.STAGING)
    framework.completed_tasks.append(add_task(state, framework, "t3", "cpus:1", "a", task_state=TaskState.FAILED))
    del framework.tasks[framework.completed_tasks[0].info.task_id]
    # A state that Mesos' summary does not count.
    framework.completed_tasks.append(add_task(state, framework, "t4", "cpus:1", "a", task_state=TaskState.DROPPED))
    del framework.tasks[framework.completed_tasks[1].info.task_id]
    answer = legacy_summary.state_summary_answer(snapshot(state), MASTER, {})
    for one in (*answer.slaves, *answer.frameworks):
        counts = {key: value for key, value in msgspec.structs.asdict(one).items() if key.startswith("TASK_") and value}
        assert counts == {"TASK_STAGING": 1, "TASK_RUNNING": 1, "TASK_FAILED": 1}


def test_m_le_01_the_summary_of_an_agent_forgets_frameworks_that_are_over() -> None:
    """As recorded after a framework's teardown: it is in none of the counts, and no agent names it."""
    state = make_state()
    framework = add_framework(state, "one", "a")
    framework.completed_tasks.append(add_task(state, framework, "t", "cpus:1", "a", task_state=TaskState.KILLED))
    framework.tasks.clear()

    def told() -> tuple[int, int]:
        (agent,) = printed(legacy_summary.state_summary_answer(snapshot(state), MASTER, {}).slaves)
        return agent["TASK_KILLED"], len(agent["framework_ids"])

    assert told() == (1, 1)
    state.completed_frameworks[framework.framework_id] = state.frameworks.pop(framework.framework_id)
    assert told() == (0, 0)


def test_the_last_update_is_the_one_that_was_shown() -> None:
    state = make_state()
    framework = add_framework(state, "one", "a")
    task = add_task(state, framework, "t1", "cpus:1", "a", times=(1.0,))
    assert next(iter(master_v1.get_tasks(snapshot(state)).tasks)).status_update_state is None
    task.shown = task.statuses[0]
    assert next(iter(master_v1.get_tasks(snapshot(state)).tasks)).status_update_state == "TASK_RUNNING"


def test_tasks_of_frameworks_that_are_over_are_completed() -> None:
    state = make_state()
    framework = add_framework(state, "one", "a")
    task = add_task(state, framework, "t1", "cpus:1", "a", task_state=TaskState.KILLED)
    framework.tasks.clear()
    framework.completed_tasks.append(task)
    framework.unregistered_at = 9.0
    state.completed_frameworks[framework.framework_id] = state.frameworks.pop(framework.framework_id)
    assert [one.task_id.value for one in master_v1.get_tasks(snapshot(state)).completed_tasks] == ["t1"]
    (shown,) = master_v1.get_frameworks(snapshot(state)).completed_frameworks
    assert shown.unregistered_time is not None
    assert shown.unregistered_time.nanoseconds == 9_000_000_000


def test_agents_that_are_away_are_counted_apart() -> None:
    state = make_state()
    state.agents[AGENT_ID].active = False
    answer = legacy_master.state_answer(snapshot(state), MASTER, VersionInfo(version="1.12.0"), {"cluster": "c"})
    assert (answer.activated_slaves, answer.deactivated_slaves, answer.cluster) == (0.0, 1.0, "c")
