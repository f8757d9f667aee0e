"""The checker of the fault tests can fail: every promise is broken here once, and each time by one sentence."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.checker import Observed, Write, check
from tests.faults.facts import (
    Accepted,
    Acknowledged,
    AnyFact,
    Asked,
    Done,
    Journal,
    Killing,
    Launching,
    Refused,
    Run,
    Subscribed,
    Updated,
    read_truth,
    script,
)

AGENTS = {"a1": 2.0}


def launching(task_id: str, at: float = 1.0, agent_id: str = "a1") -> Launching:
    return Launching(at=at, task_id=task_id, agent_id=agent_id, cpus=1.0, lasting=False)


def told(task_id: str, state: str, message: str = "", at: float = 5.0, uuid: str = "") -> tuple[AnyFact, ...]:
    """An update and its acknowledgement."""
    uuid = uuid or f"{task_id}-{state}"
    return (
        Updated(at=at, task_id=task_id, state=state, uuid=uuid, message=message),
        Acknowledged(at=at, task_id=task_id, state=state, uuid=uuid),
    )


GOOD = Observed(
    facts=(
        Subscribed(at=0.0, framework_id="f", master="m"),
        launching("finished"),
        launching("failed"),
        Accepted(at=1.0, task_ids=("finished", "failed")),
        *told("finished", "TASK_RUNNING", at=1.5),
        *told("finished", "TASK_FINISHED", at=3.0),
        *told("failed", "TASK_FAILED", "Command exited with status 7", at=3.0),
        launching("killed", at=3.0),
        *told("killed", "TASK_RUNNING"),
        Killing(at=6.0, task_id="killed"),
        *told("killed", "TASK_KILLED", at=7.0),
        launching("dropped", at=6.0),
        *told("dropped", "TASK_DROPPED", at=7.0),
        launching("signalled", at=7.0),
        *told("signalled", "TASK_FAILED", "Command terminated with signal Killed", at=9.0),
        launching("unlaunchable", at=8.0),
        *told("unlaunchable", "TASK_FAILED", "Failed to launch container: no space left on device", at=9.0),
        launching("refused", at=9.0),
        Refused(at=9.0, task_ids=("refused",), why="no"),
        Done(at=9.5),
    ),
    truth={
        "finished": (Run(11, 1.5, 0, 2.9),),
        "failed": (Run(12, 1.5, 7, 2.9),),
        "killed": (Run(13, 4.0),),
        "signalled": (Run(14, 8.0, -9, 8.5),),
    },
    agent_cpus=AGENTS,
    agents_after=frozenset(AGENTS),
    writes=(Write(1, "m1"), Write(1, "m1"), Write(2, "m2")),
)


def also(*facts: AnyFact, truth: dict[str, tuple[Run, ...]] | None = None) -> Observed:
    return replace(GOOD, facts=(*GOOD.facts, *facts), truth={**GOOD.truth, **(truth or {})})


BROKEN = {
    "task x is lost: TASK_RUNNING was heard of it": also(launching("x"), *told("x", "TASK_RUNNING")),
    "task x is lost: TASK_FINISHED was heard of it": also(
        launching("x"),
        Updated(at=9.0, task_id="x", state="TASK_FINISHED", reason="REASON_RECONCILIATION"),
        truth={"x": (Run(20, 9.0, 0, 9.1),)},
    ),
    "task x is lost: nothing was heard of it": also(launching("x")),
    "the framework did not come to its end": replace(GOOD, facts=GOOD.facts[:-1]),
    "the framework was subscribed under 2 ids: f, g": also(Subscribed(at=9.0, framework_id="g", master="m")),
    "task x is told to be TASK_GONE, but it ran as process 20": also(
        launching("x"), *told("x", "TASK_GONE"), truth={"x": (Run(20, 9.0, 0, 9.1),)}
    ),
    "task x is told to be TASK_KILLED, but nobody killed it": also(launching("x"), *told("x", "TASK_KILLED")),
    "task x is told to be TASK_FINISHED, but it ended with 3": also(
        launching("x"), *told("x", "TASK_FINISHED"), truth={"x": (Run(20, 9.0, 3, 9.1),)}
    ),
    "task x is told to be TASK_FINISHED, but it never ran": also(launching("x"), *told("x", "TASK_FINISHED")),
    "task x is told to be TASK_FINISHED, but it did not end so": also(
        launching("x"), *told("x", "TASK_FINISHED", at=9.5), truth={"x": (Run(20, 9.0),)}
    ),
    "task x is told to be TASK_FAILED Command exited with status 1, but it ended with 2": also(
        launching("x"), *told("x", "TASK_FAILED", "Command exited with status 1"), truth={"x": (Run(20, 9.0, 2, 9.1),)}
    ),
    "task x is told to be TASK_FAILED Command terminated with signal Killed, but it ended with -15": also(
        launching("x"),
        *told("x", "TASK_FAILED", "Command terminated with signal Killed"),
        truth={"x": (Run(20, 9.0, -15, 9.1),)},
    ),
    "task x is told to be TASK_FAILED, but it ran as process 20, and how it ended is not told": also(
        launching("x"), *told("x", "TASK_FAILED"), truth={"x": (Run(20, 9.0, 2, 9.1),)}
    ),
    "task refused ran, though its launch was refused": also(truth={"refused": (Run(20, 9.0, 0, 9.1),)}),
    "task failed ran 2 times, as processes 12, 20": also(
        truth={"failed": (*GOOD.truth["failed"], Run(20, 9.0, 7, 9.1))}
    ),
    "task killed was acknowledged as TASK_KILLED, and then told to be TASK_RUNNING": also(
        Updated(at=9.0, task_id="killed", state="TASK_RUNNING")
    ),
    "task x was acknowledged as running, and then told to be TASK_STAGING": also(
        launching("x"),
        *told("x", "TASK_RUNNING"),
        Updated(at=9.0, task_id="x", state="TASK_STAGING"),
        *told("x", "TASK_DROPPED"),
    ),
    "update failed-TASK_FAILED was failed TASK_FAILED, and then finished TASK_FINISHED": also(
        Updated(at=9.0, task_id="finished", state="TASK_FINISHED", uuid="failed-TASK_FAILED")
    ),
    "agent a1 has 2 cpus, and its tasks used 3 at one moment": also(
        launching("x"), *told("x", "TASK_FINISHED"), truth={"x": (Run(20, 2.0, 0, 2.5),)}
    ),
    "tasks ran on agent a2, which nobody knew": also(
        launching("x", agent_id="a2"), *told("x", "TASK_FINISHED"), truth={"x": (Run(20, 9.0, 0, 9.1),)}
    ),
    "agent a1 was known before, and is not known after": replace(GOOD, agents_after=frozenset()),
    "agent a2 was not known before: one that was known has another id now": replace(
        GOOD, agents_after=frozenset({"a1", "a2"})
    ),
    "2 leaders wrote to the registry in epoch 2: m1, m2": replace(GOOD, writes=(*GOOD.writes, Write(2, "m1"))),
    "m1 wrote to the registry in epoch 1, after epoch 2 had begun": replace(
        GOOD, writes=(*GOOD.writes, Write(1, "m1"))
    ),
}


@pytest.mark.parametrize("state", ["TASK_GONE", "TASK_UNREACHABLE"])
def test_a_question_that_the_last_acknowledgement_overtook_is_answered_late(state: str) -> None:
    """By then the agent may be there, without the task, or be out of reach itself."""
    late = Updated(at=9.0, task_id="failed", state=state, reason="REASON_RECONCILIATION")
    asked = Asked(at=2.0, task_ids=("failed",))
    facts = [*GOOD.facts[:6], asked, *GOOD.facts[6:]]
    assert check(replace(GOOD, facts=[*facts, late])) == []
    # One question, one answer; and one that was put when the end was known already explains nothing.
    taken_back = f"task failed was acknowledged as TASK_FAILED, and then told to be {state}"
    assert taken_back in check(replace(GOOD, facts=[*facts, late, late]))
    assert taken_back in check(also(asked, late))


def test_nothing_is_said_against_a_run_that_kept_every_promise() -> None:
    assert check(GOOD) == []


@pytest.mark.parametrize("sentence", BROKEN)
def test_a_broken_promise_is_named(sentence: str) -> None:
    assert check(BROKEN[sentence]) == [sentence]


def test_a_journal_is_read_as_it_was_written_but_for_a_line_cut_off(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    for fact in GOOD.facts:
        journal.write(fact)
    journal.close()
    with (tmp_path / "journal").open("ab") as stream:
        stream.write(b'{"fact":"done",')
    assert tuple(journal.facts()) == tuple(GOOD.facts)


@pytest.mark.parametrize("status", [0, 7, -9, -15])
def test_a_task_tells_its_start_and_its_end(tmp_path: Path, status: int) -> None:
    done = subprocess.run(["/bin/sh", "-c", script(tmp_path, "t", 0.01, status)], check=False)
    ((task_id, (run,)),) = read_truth(tmp_path).items()
    assert (task_id, run.status, done.returncode) == ("t", status, status)
    assert run.ended_at is not None and run.started_at <= run.ended_at
