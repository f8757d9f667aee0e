"""What a step of either core has alike: the time, what has been decided so far, and what is told of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from mesos_service.core.effects import Note, Span
from mesos_service.core.trace import TraceParent, child_of
from mesos_service.domain.randomness import RandomSource, format_uuid, random_uuid

Fact = str | int | float | bool


class HasRandom(Protocol):
    """What a state is to a turn: where its random numbers come from."""

    @property
    def random(self) -> RandomSource:
        """Seeded, so that one seed is one history."""


State = TypeVar("State", bound=HasRandom)
Effect = TypeVar("Effect")


@dataclass(slots=True)
class BaseTurn(Generic[State, Effect]):
    """One step under way; ``effects`` is what it returns, in this order."""

    state: State
    now: float
    effects: list[Effect | Note | Span] = field(default_factory=list)

    def do(self, effect: Effect) -> None:
        self.effects.append(effect)

    def note(self, fact: str, **attributes: Fact) -> None:
        self.effects.append(Note(fact, attributes))

    def span(
        self,
        name: str,
        trace: TraceParent | None,
        parent: TraceParent | None,
        start: float,
        attributes: Mapping[str, Fact],
        *,
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
        return child_of(parent, self.state.random)

    def new_uuid_text(self) -> str:
        return format_uuid(random_uuid(self.state.random))
