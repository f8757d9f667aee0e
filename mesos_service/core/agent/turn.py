"""One step under way: the state, the time, and what has been decided so far, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesos_service.core.agent.records import Record
from mesos_service.core.agent.state import AgentState
from mesos_service.core.effects import AgentEffect, Checkpoint, Note, SendMaster, Span
from mesos_service.core.link import Uplink
from mesos_service.core.trace import TraceParent, child_of
from mesos_service.domain.randomness import format_uuid, random_uuid

Fact = str | int | float | bool


@dataclass(slots=True)
class Turn:
    """Handed to every handler; ``effects`` is what ``step`` returns."""

    state: AgentState
    now: float
    effects: list[AgentEffect] = field(default_factory=list)

    def do(self, effect: AgentEffect) -> None:
        self.effects.append(effect)

    def checkpoint(self, record: Record) -> None:
        """Write this down; whatever else is decided from here on waits until it is stored."""
        self.state.checkpoints += 1
        self.effects.append(Checkpoint(self.state.checkpoints, record))

    def tell_master(self, message: Uplink) -> None:
        """Send on the open link, or not at all: what must not be lost is kept elsewhere (X62)."""
        if self.state.link_id is not None:
            self.effects.append(SendMaster(self.state.link_id, self.state.agent_id, message))

    def note(self, fact: str, **attributes: Fact) -> None:
        self.effects.append(Note(fact, attributes))

    def span(
        self,
        name: str,
        trace: TraceParent | None,
        parent: TraceParent | None,
        start: float,
        attributes: Mapping[str, Fact],
        error: str | None = None,
    ) -> None:
        """Tell a span that ends now; without a trace there is none."""
        if trace is not None:
            self.effects.append(
                Span(
                    name=name,
                    trace=trace,
                    parent=parent,
                    start=start,
                    end=self.now,
                    attributes=attributes,
                    error=error,
                )
            )

    def new_uuid(self) -> bytes:
        return random_uuid(self.state.random)

    def new_uuid_text(self) -> str:
        return format_uuid(random_uuid(self.state.random))

    def new_span(self, parent: TraceParent | None) -> TraceParent | None:
        return child_of(parent, self.state.random)
