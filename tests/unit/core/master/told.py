"""What the effects of a master's step tell."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from mesos_service.core.effects import MasterEffect, Note, Reply, SendAgent, Span
from mesos_service.core.link import (
    Downlink,
    RunTask,
)
from mesos_service.domain.ids import AgentId
from mesos_service.domain.tasks import TaskInfo

Wanted = TypeVar("Wanted")


def only(effects: Iterable[object], kind: type[Wanted]) -> list[Wanted]:
    """Those of one kind, in order."""
    return [effect for effect in effects if isinstance(effect, kind)]


def facts(effects: Iterable[MasterEffect]) -> list[str]:
    return [note.fact for note in only(effects, Note)]


def fact(effects: Iterable[MasterEffect], name: str) -> Note:
    """The one note of that name."""
    found = [note for note in only(effects, Note) if note.fact == name]
    assert len(found) == 1, f"{len(found)} notes {name} instead of one"
    return found[0]


def spans(effects: Iterable[MasterEffect], name: str) -> list[Span]:
    return [span for span in only(effects, Span) if span.name == name]


def downlinks(effects: Iterable[MasterEffect], kind: type[Wanted]) -> list[Wanted]:
    """What agents are told, of one kind."""
    return [effect.message for effect in only(effects, SendAgent) if isinstance(effect.message, kind)]


def replies(effects: Iterable[MasterEffect]) -> list[tuple[int, str]]:
    return [(reply.status, reply.text) for reply in only(effects, Reply)]


def launched(effects: Iterable[MasterEffect]) -> list[TaskInfo]:
    """Tasks that agents are told to run."""
    return [message.task for message in downlinks(effects, RunTask)]


def messages_to(effects: Iterable[MasterEffect], agent_id: AgentId) -> list[Downlink]:
    return [effect.message for effect in only(effects, SendAgent) if effect.agent_id == agent_id]
