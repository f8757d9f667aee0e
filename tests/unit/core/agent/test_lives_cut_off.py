"""A life that is cut off at any write is told to its end by the next one (X05, X07, X52)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesos_service.domain.tasks import TaskState
from tests.unit.core.agent.lives import STORIES, Died, Life


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
