"""Every pair of states is tried; what is not in the table is illegal."""

from __future__ import annotations

from itertools import product

import pytest

from mesos_service.core.task_states import TRANSITIONS, may_follow, refuse_transition, to_markdown
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState

STAGING, STARTING, RUNNING, KILLING = (
    TaskState.STAGING,
    TaskState.STARTING,
    TaskState.RUNNING,
    TaskState.KILLING,
)
ENDS = {
    TaskState.FINISHED,
    TaskState.FAILED,
    TaskState.KILLED,
    TaskState.ERROR,
    TaskState.LOST,
    TaskState.DROPPED,
    TaskState.GONE,
    TaskState.GONE_BY_OPERATOR,
}

LEGAL: dict[TaskState, set[TaskState]] = {
    STAGING: {STARTING, RUNNING, KILLING, TaskState.UNREACHABLE} | ENDS,
    STARTING: {STARTING, RUNNING, KILLING, TaskState.UNREACHABLE} | ENDS,
    RUNNING: {RUNNING, KILLING, TaskState.UNREACHABLE} | ENDS,
    KILLING: {KILLING, TaskState.UNREACHABLE} | ENDS,
    TaskState.UNREACHABLE: {STAGING, STARTING, RUNNING, KILLING} | ENDS,
}
"""Written out by hand, so that the table has something to be compared with."""


@pytest.mark.parametrize(("old", "new"), list(product(TaskState, TaskState)))
def test_every_pair_of_states(old: TaskState, new: TaskState) -> None:
    legal = new in LEGAL.get(old, set())
    assert may_follow(old, new) is legal
    refusal = refuse_transition(old, new)
    assert (refusal is None) is legal
    if refusal is not None:
        assert old in refusal or new in refusal


def test_x13_the_terminal_states_are_those_that_nothing_follows_but_unknown() -> None:
    assert {state for state in TaskState if not TRANSITIONS[state]} == TERMINAL_STATES | {TaskState.UNKNOWN}
    assert TERMINAL_STATES == ENDS
    assert TaskState.UNREACHABLE not in TERMINAL_STATES


def test_every_state_that_can_be_left_can_end() -> None:
    for state, following in TRANSITIONS.items():
        assert not following or following >= TERMINAL_STATES, state


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        (TaskState.FINISHED, RUNNING, "TASK_FINISHED is terminal"),
        (STAGING, STAGING, "TASK_STAGING is not reported twice"),
        (RUNNING, STARTING, "TASK_STARTING does not follow TASK_RUNNING"),
        (RUNNING, TaskState.UNKNOWN, "TASK_UNKNOWN is no state of a task, but of what is known of it"),
    ],
)
def test_refusals_say_why(old: TaskState, new: TaskState, text: str) -> None:
    assert refuse_transition(old, new) == text


def test_the_page_shows_every_mark_of_the_table() -> None:
    page = to_markdown()
    rows = [line for line in page.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == len(TaskState)
    assert page.count(" x ") == sum(len(following) for following in TRANSITIONS.values())
    assert "| **FINISHED** |" in page
