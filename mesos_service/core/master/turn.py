"""One step under way: the state, the time, and what has been decided so far, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesos_service.core.effects import MasterEffect, Note, Persist, Reply, SendAgent, SendScheduler, Span
from mesos_service.core.events import SchedulerEvent
from mesos_service.core.link import Downlink
from mesos_service.core.master.state import Agent, Framework, MasterState
from mesos_service.core.registry.operations import Operation
from mesos_service.core.trace import TraceParent, child_of
from mesos_service.domain.randomness import format_uuid, random_uuid

Fact = str | int | float | bool


@dataclass(slots=True)
class Turn:
    """Handed to every handler; ``effects`` is what ``step`` returns."""

    state: MasterState
    now: float
    effects: list[MasterEffect] = field(default_factory=list)

    def do(self, effect: MasterEffect) -> None:
        self.effects.append(effect)

    def reply(self, request: int, status: int, text: str = "") -> None:
        self.effects.append(Reply(request, status, text))

    def tell(self, framework: Framework, event: SchedulerEvent) -> None:
        """Put an event on the framework's stream; without a stream nobody hears it, and nothing is kept (X11)."""
        if framework.stream_id is not None:
            self.effects.append(SendScheduler(framework.stream_id, event))

    def tell_agent(self, agent: Agent, message: Downlink) -> None:
        """Send on the agent's link; a disconnected agent hears nothing, and what matters is repeated later (X21)."""
        if agent.link_id is not None:
            self.effects.append(SendAgent(agent.link_id, agent.agent_id, message))

    def persist(self, operation: Operation, continuation: object) -> int:
        """Have an operation stored; ``step`` goes on with the continuation when it is (X16). Returns its number."""
        state = self.state
        state.operation_counter += 1
        number = state.operation_counter
        state.persisting[number] = (operation, continuation)
        self.effects.append(Persist(number, operation))
        return number

    def note(self, fact: str, **attributes: Fact) -> None:
        self.effects.append(Note(fact, attributes))

    def span(
        self,
        name: str,
        trace: TraceParent | None,
        parent: TraceParent | None,
        start: float,
        attributes: Mapping[str, Fact],
        link: TraceParent | None = None,
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
                    link=link,
                    error=error,
                )
            )

    def new_span(self, parent: TraceParent | None) -> TraceParent | None:
        return child_of(parent, self.state.random) if parent is not None else None

    def new_uuid_text(self) -> str:
        return format_uuid(random_uuid(self.state.random))
