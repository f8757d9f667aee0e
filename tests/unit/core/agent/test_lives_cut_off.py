"""A life that is cut off at any write is told to its end by the next one (X05, X07, X52)."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from mesos_service.core.agent.records import AgentKept, UpdateAcknowledged
from mesos_service.core.agent_messages import FromMaster
from mesos_service.core.link import KillTask, RunTask, RunTaskGroup
from mesos_service.domain.ids import TaskId
from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.lives import STORIES, Died, Life
from tests.unit.core.agent.world import FRAMEWORK_ID, custom, framework_info, pod, task_info


def writes_of(story: Callable[[Life], None]) -> int:
    life = Life()
    life.register()
    story(life)
    return len(life.disk)


@pytest.mark.parametrize(
    ("name", "cut"), [(name, cut) for name, story in STORIES.items() for cut in range(1, writes_of(story))]
)
def test_x05_x07_x52_a_life_that_is_cut_off_anywhere_is_told_to_its_end(name: str, cut: int) -> None:
    life = Life()
    life.register()
    life.writes_left = cut - len(life.disk)
    with pytest.raises(Died):
        STORIES[name](life)
    life.be_reborn()
    life.end_all(0)
    assert life.world.state.frameworks == {}, "something is left that nobody owes anything for"
    assert life.world.state.streams == {}
    assert life.alive == {}
    for task_id, said in life.told.items():
        assert [one.is_terminal for one in said].count(True) == 1, said
        assert said[-1].is_terminal
        if said[-1].state is TaskState.DROPPED:
            assert task_id not in life.ran, "what is dropped never ran"
        elif said[-1].message is not None and name != "kill":
            assert said[-1].message == "Command exited with status 0"
    # What was never told is what the master had not been told of either: it asks for those itself (X21).
    assert life.ran <= life.told.keys()


def test_x02_x07_what_an_acknowledgement_left_out_of_the_records_is_not_said_after_the_end() -> None:
    """--no-strict: updates go out one by one, so whoever acknowledged the last had acknowledged those before it."""
    life = Life()
    life.register()
    STORIES["command"](life)
    told = {task_id: list(said) for task_id, said in life.told.items()}
    acknowledged = [one for one in life.disk if isinstance(one, UpdateAcknowledged)]
    for lost in acknowledged[:-1]:
        reborn = Life()
        reborn.disk = [one for one in life.disk if one is not lost]
        reborn.be_reborn()
        assert reborn.told == {}, told
        assert reborn.world.state.streams == {}
        assert reborn.world.state.frameworks == {}


@pytest.mark.parametrize("seed", range(60))
def test_x07_whatever_lines_are_left_out_of_the_records_the_agent_goes_on(seed: int) -> None:
    """--no-strict: less is known then, but what is known makes sense at every step, and all ends."""
    source = random.Random(seed)
    life = Life()
    life.register()
    for number in range(source.randrange(2, 7)):
        choice = source.randrange(4)
        if choice == 0:
            life.run(RunTask(framework=framework_info(), task=task_info(f"t{number}")))
        elif choice == 1:
            tasks = (task_info(f"g{number}a"), task_info(f"g{number}b"))
            life.run(RunTaskGroup(framework=framework_info(), executor=pod(), tasks=tasks))
        elif choice == 2:
            kill = KillTask(framework_id=FRAMEWORK_ID, task_id=TaskId(f"t{source.randrange(7)}"))
            life.take(FromMaster(link_id=life.world.link, message=kill))
        else:
            life.run(RunTask(framework=framework_info(), task=task_info(f"c{number}", custom())))
    lost = source.choice([0.02, 0.1, 0.3, 0.6])
    life.disk = [one for one in life.disk if isinstance(one, AgentKept) or source.random() > lost]
    for container_id in list(life.alive):
        fate = source.random()
        if fate < 0.2:
            del life.alive[container_id]
        elif fate < 0.4:
            life.alive[container_id] = 0
    life.be_reborn()
    life.end_all(0)
    assert not any(
        executor.launched for one in life.world.state.frameworks.values() for executor in one.executors.values()
    )
