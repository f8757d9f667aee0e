"""Compares what was promised with what is so: every acknowledged fact must hold, whatever was done to the cluster.

Pure: facts in, sentences out, one for each promise that was broken. ``test_checker.py`` has every sentence said once.
"""

from __future__ import annotations

import re
import signal
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from mesos_service.domain.tasks import TERMINAL_STATES
from tests.faults.facts import (
    Acknowledged,
    AnyFact,
    Asked,
    Done,
    Killing,
    Launching,
    Refused,
    Run,
    Subscribed,
    Updated,
)

NEVER_RAN: Final = frozenset({"TASK_DROPPED", "TASK_ERROR", "TASK_GONE", "TASK_LOST", "TASK_GONE_BY_OPERATOR"})
"""No fault of these tests takes a machine away for good, so that nothing that has run may be called lost."""
FORGOTTEN: Final = frozenset({"TASK_GONE", "TASK_UNKNOWN", "TASK_LOST", "TASK_UNREACHABLE"})
"""What a master says of a task that it does not know, by what it knows of the agent."""
BEFORE_RUNNING: Final = frozenset({"TASK_STAGING", "TASK_STARTING"})
CLOCK_SECONDS: Final = 0.01
"""The grain of ``/proc/uptime``, which rounds down."""
_EXITED: Final = re.compile(r"exited with status (\d+)")
_SIGNALLED: Final = re.compile(r"terminated with signal ([A-Za-z0-9 ]*[A-Za-z0-9])")


@dataclass(frozen=True, slots=True)
class Write:
    """One write to the registry, in the order of commits: who led by then, in which epoch."""

    epoch: int
    leader: str


@dataclass(frozen=True, slots=True)
class Observed:
    """All that is known after a run."""

    facts: Sequence[AnyFact]
    truth: Mapping[str, Sequence[Run]]
    agent_cpus: Mapping[str, float] = field(default_factory=dict)
    """What each agent has, by id, as the master said before any fault."""
    agents_after: frozenset[str] = frozenset()
    writes: Sequence[Write] = ()


def check(observed: Observed) -> list[str]:
    """Every broken promise, as a sentence; none is the good answer."""
    observed = replace(observed, facts=_without_late_answers(observed.facts))
    return [
        *_one_framework(observed.facts),
        *_every_task_ended(observed),
        *_every_end_is_true(observed),
        *_no_task_ran_twice(observed.truth),
        *_no_word_was_taken_back(observed.facts),
        *_no_resource_was_used_twice(observed),
        *_no_agent_was_forgotten(observed),
        *_one_writer_at_a_time(observed.writes),
    ]


def _without_late_answers(facts: Sequence[AnyFact]) -> list[AnyFact]:
    """Leave out what was answered to a question that the acknowledgement of the task's end overtook.

    A RECONCILE that a master in doubt about its leadership turned away (503) is sent again a little later, and so may
    be read after the ACKNOWLEDGE that was sent after it. By then master and agent have rightly forgotten the task, and
    say so (X15). One answer for each such question, and none for one that was put after the acknowledgement.
    """
    kept: list[AnyFact] = []
    asked = Counter[str]()
    ended: set[str] = set()
    for fact in facts:
        if isinstance(fact, Asked):
            asked.update(task_id for task_id in fact.task_ids if task_id not in ended)
        elif isinstance(fact, Acknowledged) and fact.state in TERMINAL_STATES:
            ended.add(fact.task_id)
        elif isinstance(fact, Updated) and _answers(fact) and asked[fact.task_id] > 0:
            asked[fact.task_id] -= 1
            if fact.task_id in ended and fact.state in FORGOTTEN:
                continue
        kept.append(fact)
    return kept


def _answers(update: Updated) -> bool:
    return update.reason == "REASON_RECONCILIATION" and not update.uuid


def _updates(facts: Iterable[AnyFact]) -> dict[str, list[Updated]]:
    found = defaultdict[str, list[Updated]](list)
    for fact in facts:
        if isinstance(fact, Updated):
            found[fact.task_id].append(fact)
    return found


def _one_framework(facts: Iterable[AnyFact]) -> Iterator[str]:
    ids = {fact.framework_id: None for fact in facts if isinstance(fact, Subscribed)}
    if len(ids) != 1:
        yield f"the framework was subscribed under {len(ids)} ids: {', '.join(ids)}"


def _every_task_ended(observed: Observed) -> Iterator[str]:
    refused = {task_id for fact in observed.facts if isinstance(fact, Refused) for task_id in fact.task_ids}
    updates = _updates(observed.facts)
    for fact in observed.facts:
        if isinstance(fact, Launching) and fact.task_id not in refused:
            states = [update.state for update in updates[fact.task_id]]
            if not any(update.final for update in updates[fact.task_id]):
                yield f"task {fact.task_id} is lost: {', '.join(states) or 'nothing'} was heard of it"
    if not any(isinstance(fact, Done) for fact in observed.facts):
        yield "the framework did not come to its end"


def _every_end_is_true(observed: Observed) -> Iterator[str]:
    killed = {fact.task_id for fact in observed.facts if isinstance(fact, Killing)}
    for task_id, updates in _updates(observed.facts).items():
        runs = observed.truth.get(task_id, ())
        for update in updates:
            if update.final:
                what_is_wrong = _what_is_wrong(update, runs, task_id in killed)
                if what_is_wrong:
                    told = f"{update.state} {update.message}".rstrip()
                    yield f"task {task_id} is told to be {told}, but {what_is_wrong}"
                    break
    refused = [task_id for fact in observed.facts if isinstance(fact, Refused) for task_id in fact.task_ids]
    yield from (
        f"task {task_id} ran, though its launch was refused" for task_id in refused if task_id in observed.truth
    )


def _what_is_wrong(update: Updated, runs: Sequence[Run], killed: bool) -> str | None:
    status = runs[0].status if runs else None
    match update.state:
        case state if state in NEVER_RAN:
            return f"it ran as process {runs[0].pid}" if runs else None
        case "TASK_KILLED":
            return None if killed else "nobody killed it"
        case "TASK_FINISHED":
            told: int | None = 0
        case _:
            told = _told_status(update.message)
    if told is None:
        # Without a word on how the command ended, it was never begun.
        return f"it ran as process {runs[0].pid}, and how it ended is not told" if runs else None
    if status is None:
        return "it did not end so" if runs else "it never ran"
    return None if told == status else f"it ended with {status}"


def _told_status(message: str) -> int | None:
    """Exit status, or minus the number of the signal, from the words of an update."""
    if exited := _EXITED.search(message):
        return int(exited[1])
    if signalled := _SIGNALLED.search(message):
        names = {signal.strsignal(number): -number for number in signal.valid_signals()}
        return names.get(signalled[1])
    return None


def _no_task_ran_twice(truth: Mapping[str, Sequence[Run]]) -> Iterator[str]:
    for task_id, runs in truth.items():
        if len(runs) > 1:
            yield f"task {task_id} ran {len(runs)} times, as processes {', '.join(str(run.pid) for run in runs)}"


def _no_word_was_taken_back(facts: Sequence[AnyFact]) -> Iterator[str]:
    ended: dict[str, str] = {}
    running: set[str] = set()
    told: dict[str, tuple[str, str]] = {}
    for fact in facts:
        if isinstance(fact, Updated):
            task_id, state = fact.task_id, fact.state
            if task_id in ended and state != ended[task_id]:
                yield f"task {task_id} was acknowledged as {ended[task_id]}, and then told to be {state}"
            elif task_id in running and state in BEFORE_RUNNING:
                yield f"task {task_id} was acknowledged as running, and then told to be {state}"
            if fact.uuid and told.setdefault(fact.uuid, (task_id, state)) != (task_id, state):
                first_task, first_state = told[fact.uuid]
                yield f"update {fact.uuid} was {first_task} {first_state}, and then {task_id} {state}"
        elif isinstance(fact, Acknowledged):
            if fact.state in TERMINAL_STATES:
                ended.setdefault(fact.task_id, fact.state)
            elif fact.state == "TASK_RUNNING":
                running.add(fact.task_id)


def _no_resource_was_used_twice(observed: Observed) -> Iterator[str]:
    """Tasks that lived at one moment on one agent never had more than it has. A life is told from within, by the
    task's own first and last word, so that it was longer if anything."""
    heard = {
        task_id: next((update.at for update in updates if update.state in TERMINAL_STATES), float("inf"))
        for task_id, updates in _updates(observed.facts).items()
    }
    changes = defaultdict[str, list[tuple[float, float]]](list)
    for fact in observed.facts:
        if isinstance(fact, Launching):
            for run in observed.truth.get(fact.task_id, ()):
                end = heard.get(fact.task_id, float("inf")) if run.ended_at is None else run.ended_at
                start = run.started_at + CLOCK_SECONDS
                if start < end:
                    changes[fact.agent_id] += [(start, fact.cpus), (end, -fact.cpus)]
    for agent_id, moments in changes.items():
        used = most = 0.0
        for _, change in sorted(moments):
            used += change
            most = max(most, used)
        total = observed.agent_cpus.get(agent_id)
        if total is None:
            yield f"tasks ran on agent {agent_id}, which nobody knew"
        elif most > total + 1e-6:
            yield f"agent {agent_id} has {total:g} cpus, and its tasks used {most:g} at one moment"


def _no_agent_was_forgotten(observed: Observed) -> Iterator[str]:
    for agent_id in sorted(observed.agent_cpus.keys() - observed.agents_after):
        yield f"agent {agent_id} was known before, and is not known after"
    for agent_id in sorted(observed.agents_after - observed.agent_cpus.keys()):
        yield f"agent {agent_id} was not known before: one that was known has another id now"


def _one_writer_at_a_time(writes: Sequence[Write]) -> Iterator[str]:
    leaders = Counter({(write.epoch, write.leader): 1 for write in writes})
    for epoch, count in Counter(epoch for epoch, _ in leaders).items():
        if count > 1:
            names = sorted(leader for one, leader in leaders if one == epoch)
            yield f"{count} leaders wrote to the registry in epoch {epoch}: {', '.join(names)}"
    latest = 0
    for write in writes:
        if write.epoch < latest:
            yield f"{write.leader} wrote to the registry in epoch {write.epoch}, after epoch {latest} had begun"
        latest = max(latest, write.epoch)
