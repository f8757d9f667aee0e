"""Which state a task may take after which, as its master sees it (X13; Mesos docs, "Task state reasons").

Agents and executors report states; the master believes a report when the table allows it, and otherwise passes it on
without changing its mind: a task never goes back to a state it has left, and never leaves a terminal one.

Three states are the master's own word. UNREACHABLE is about the agent and not about the task: whatever the task has
become meanwhile may follow. UNKNOWN is an answer about something that is not there, so that no task ever takes it.
LOST stands for UNREACHABLE towards frameworks without PARTITION_AWARE, which take it for the end; when the agent comes
back, its tasks are taken from its report anew, not from this state.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mesos_service.domain.tasks import TERMINAL_STATES, TaskState

_ALIVE: Final = (TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING)
"""In the order in which a task passes them; any but the first may be skipped."""

REPEATABLE: Final = frozenset({TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING})
"""States that may be reported again with news of another kind, such as the result of a health check."""


def _table() -> dict[TaskState, frozenset[TaskState]]:
    table: dict[TaskState, frozenset[TaskState]] = dict.fromkeys(TaskState, frozenset())
    for position, state in enumerate(_ALIVE):
        again = {state} & REPEATABLE
        table[state] = TERMINAL_STATES | again | {*_ALIVE[position + 1 :], TaskState.UNREACHABLE}
    table[TaskState.UNREACHABLE] = TERMINAL_STATES | {*_ALIVE}
    return table


TRANSITIONS: Final[Mapping[TaskState, frozenset[TaskState]]] = _table()
"""For each state, those that may follow it."""


def may_follow(old: TaskState, new: TaskState) -> bool:
    """Whether a task in ``old`` may take ``new``."""
    return new in TRANSITIONS[old]


def refuse_transition(old: TaskState, new: TaskState) -> str | None:
    """Say why a task in ``old`` may not take ``new``, or ``None`` when it may."""
    if new in TRANSITIONS[old]:
        return None
    if old in TERMINAL_STATES:
        return f"{old} is terminal"
    if TaskState.UNKNOWN in (old, new):
        return f"{TaskState.UNKNOWN} is no state of a task, but of what is known of it"
    if old is new:
        return f"{old} is not reported twice"
    return f"{new} does not follow {old}"


def to_markdown() -> str:
    """The table for ``docs/generated/task_states.md``: rows are what a task is, columns what may follow."""
    columns = [state for state in TaskState if any(state in allowed for allowed in TRANSITIONS.values())]
    lines = [
        "# Task states",
        "",
        "Drawn from `mesos_service/core/task_states.py` by `make docs`. A mark says that the state of the column may",
        "follow the state of the row; terminal states are in bold, and nothing follows them.",
        "",
        "| from \\ to | " + " | ".join(_name(state) for state in columns) + " |",
        "| --- |" + " :-: |" * len(columns),
    ]
    for state in TaskState:
        marks = ("x" if column in TRANSITIONS[state] else " " for column in columns)
        lines.append(f"| {_name(state)} | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def _name(state: TaskState) -> str:
    name = state.removeprefix("TASK_")
    return f"**{name}**" if state in TERMINAL_STATES else name
