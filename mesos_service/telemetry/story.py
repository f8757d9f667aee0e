"""Tells the life of a task, an offer, an agent or a framework in order, one sentence for each fact.

The last facts are kept in a bounded ring; telling looks them through, so it is for people and not for hot paths.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from mesos_service.core.effects import Note

FACTS_MAX: Final = 20_000

SENTENCES: Final = {
    "agent.registered": "agent {agent_id} registered",
    "agent.reregistered": "agent {agent_id} registered again",
    "agent.disconnected": "agent {agent_id} lost its connection",
    "agent.unreachable": "agent {agent_id} did not answer and is unreachable",
    "container.exited": "container {container_id} exited with wait status {status}",
    "executor.launched": "executor {executor_id} was launched",
    "executor.registered": "executor {executor_id} registered",
    "executor.terminated": "executor {executor_id} is gone",
    "framework.subscribed": "framework {framework_id} subscribed",
    "framework.disconnected": "framework {framework_id} lost its connection",
    "framework.torn_down": "framework {framework_id} was torn down",
    "offer.sent": "offer {offer_id} of agent {agent_id} went to framework {framework_id}",
    "offer.accepted": "offer {offer_id} was accepted",
    "offer.declined": "offer {offer_id} was declined",
    "offer.discarded": "offer {offer_id} was discarded",
    "offer.rescinded": "offer {offer_id} was taken back",
    "task.kill_requested": "task {task_id} is to be killed",
    "task.launched": "task {task_id} was sent to agent {agent_id}",
    "task.updated": "task {task_id} is {state}",
}
"""How a fact reads; what it tells beyond its sentence follows in brackets. Other facts are told as they are named."""


@dataclass(frozen=True, slots=True)
class Told:
    """A fact and when it was told, unix seconds."""

    at: float
    note: Note


class Story:
    """The last ``facts_max`` facts of one service or one cluster. Not thread-safe."""

    def __init__(self, facts_max: int = FACTS_MAX) -> None:
        self._told: deque[Told] = deque(maxlen=facts_max)

    def note(self, note: Note, at: float) -> None:
        """Remember a fact; the oldest one goes when there are too many."""
        self._told.append(Told(at, note))

    def task(self, task_id: str, framework_id: str | None = None) -> list[str]:
        """A task's life, with that of the offers its facts name. Task ids are unique only within a framework."""
        own = [
            told
            for told in self._told
            if told.note.attributes.get("task_id") == task_id
            and (framework_id is None or told.note.attributes.get("framework_id") == framework_id)
        ]
        offers = {told.note.attributes["offer_id"] for told in own if "offer_id" in told.note.attributes}
        chosen = {id(told) for told in own}
        return render(
            told
            for told in self._told
            if id(told) in chosen
            or ("task_id" not in told.note.attributes and told.note.attributes.get("offer_id") in offers)
        )

    def about(self, name: str, value: str) -> list[str]:
        """Every fact that tells ``value`` under ``name``, such as ``about("offer_id", "m-O1")``."""
        return render(told for told in self._told if told.note.attributes.get(name) == value)

    def whole(self) -> list[str]:
        """All that is remembered."""
        return render(self._told)


def render(facts: Iterable[Told]) -> list[str]:
    """One line for each fact, with the seconds since the first."""
    return list(_lines(facts))


def _lines(facts: Iterable[Told]) -> Iterator[str]:
    start: float | None = None
    for told in facts:
        if start is None:
            start = told.at
        yield f"{told.at - start:+9.3f} s  {sentence(told.note)}"


class _Parts(dict[str, object]):
    """Remembers which attributes a sentence used, and shows a question mark for one that was not told."""

    def __init__(self, note: Note) -> None:
        super().__init__(note.attributes)
        self.used: set[str] = set()

    def __getitem__(self, name: str) -> object:
        self.used.add(name)
        return self.get(name, "?")


def sentence(note: Note) -> str:
    """One fact as a sentence; nothing of what it tells is left out."""
    parts = _Parts(note)
    text = SENTENCES.get(note.fact, note.fact.replace(".", " ").replace("_", " ")).format_map(parts)
    rest = ", ".join(f"{name}: {value}" for name, value in note.attributes.items() if name not in parts.used)
    return f"{text} ({rest})" if rest else text
