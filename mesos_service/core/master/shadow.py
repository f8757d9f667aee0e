"""An allocator that runs in shadow: told what the deciding one is told, asked when it is asked, and never acted on.

Both see the same books before each pass, and the same random numbers. What the shadow grants is compared with what was
decided and taken back; what was offered is booked with it, so that it goes on from what is so. It is guarded like the
deciding one (``guard``): when it fails it is made anew, and nobody else notices.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, MutableSequence, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from mesos_service.core.allocation.shuffle import place
from mesos_service.core.master.guard import Guard, MadeOf
from mesos_service.core.master.state import MasterState
from mesos_service.core.watch import Watch
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.domain.randomness import RandomSource
from mesos_service.plugins.allocator import Allocator, Grant, Observer

Draw = tuple[str, int, object]
"""A method of a random source, its argument, and what it gave."""

DIFFERENCES_MAX: Final = 50
"""Agents on which both decided differently that are remembered, the last ones."""


def shadow_of(state: MasterState) -> Shadow | None:
    """The allocator that runs in shadow, where one does."""
    return state.allocator.shadow if isinstance(state.allocator, Followed) else None


@dataclass(frozen=True, slots=True)
class Difference:
    """One agent of one pass; ``at`` is unix seconds."""

    at: float
    agent_id: AgentId
    decided: tuple[Grant, ...]
    shadow: tuple[Grant, ...]


@dataclass(slots=True)
class Shadow:
    """The module in its guard, and what became of comparing. Counts are of this master's life."""

    guard: Guard
    passes: int = 0
    differing: int = 0
    agreed: int = 0
    """Grants that both made."""
    decided_only: int = 0
    shadow_only: int = 0
    failures: int = 0
    by_framework: dict[FrameworkId, tuple[int, int]] = field(default_factory=dict)
    """Grants to each, decided and in shadow; of frameworks that have not ended."""
    differences: deque[Difference] = field(default_factory=lambda: deque(maxlen=DIFFERENCES_MAX))

    def follow(
        self, now: float, drawn: Drawn, agents: Collection[AgentId] | None, limit: int, decided: Sequence[Grant]
    ) -> bool | None:
        """Let it decide on the same, compare, and book what was offered, which is ``decided``.

        Whether both were of one mind; ``None`` when it failed.
        """
        guard = self.guard
        if guard.broken:
            return None
        granted = guard.allocate(now, drawn.again(), agents=agents, limit=limit)
        if guard.broken:
            return None
        self.passes += 1
        same = list(granted) == list(decided)
        if not same:
            for grant in granted:
                guard.recover(
                    grant.framework_id, grant.agent_id, grant.resources, refuse_seconds=None, allocated=False, now=now
                )
            for grant in decided:
                guard.add_offer(grant.framework_id, grant.agent_id, grant.resources)
        same = self._compare(now, decided, granted)
        return None if guard.broken else same

    def forget(self, framework_id: FrameworkId) -> None:
        self.by_framework.pop(framework_id, None)

    def _compare(self, now: float, decided: Sequence[Grant], granted: Sequence[Grant]) -> bool:
        by_agent: dict[AgentId, tuple[list[Grant], list[Grant]]] = {}
        for side, grants in enumerate((decided, granted)):
            for grant in grants:
                by_agent.setdefault(grant.agent_id, ([], []))[side].append(grant)
                counts = self.by_framework.get(grant.framework_id, (0, 0))
                self.by_framework[grant.framework_id] = (counts[0] + (side == 0), counts[1] + (side == 1))
        same = True
        for agent_id, (ours, theirs) in by_agent.items():
            rest = list(theirs)
            for grant in ours:
                if grant in rest:
                    rest.remove(grant)
                    self.agreed += 1
                else:
                    self.decided_only += 1
                    same = False
            self.shadow_only += len(rest)
            same = same and not rest
            if rest or len(ours) != len(theirs):
                self.differences.append(Difference(now, agent_id, tuple(ours), tuple(theirs)))
        self.differing += not same
        return same


class Drawn:
    """A random source that remembers what was drawn, so that another may be given the same."""

    def __init__(self, source: RandomSource) -> None:
        self._source = source
        self._drawn: list[Draw] = []

    def again(self) -> RandomSource:
        """The same numbers once more; when they are used up, or others are asked for, any that follow from them."""
        return _Again(self._drawn)

    def only_number(self) -> int | None:
        """The one of 64 bits that was drawn, where nothing else was."""
        if len(self._drawn) != 1 or self._drawn[0][:2] != ("getrandbits", 64):
            return None
        value = self._drawn[0][2]
        return value if isinstance(value, int) else None

    def random(self) -> float:
        value = self._source.random()
        self._drawn.append(("random", 0, value))
        return value

    def getrandbits(self, k: int, /) -> int:
        value = self._source.getrandbits(k)
        self._drawn.append(("getrandbits", k, value))
        return value

    def randrange(self, stop: int, /) -> int:
        value = self._source.randrange(stop)
        self._drawn.append(("randrange", stop, value))
        return value

    def shuffle(self, x: MutableSequence[Any], /) -> None:  # Any: as in RandomSource
        order = list(range(len(x)))
        self._source.shuffle(order)
        self._drawn.append(("shuffle", len(x), tuple(order)))
        x[:] = [x[index] for index in order]


class _Again:
    def __init__(self, drawn: Sequence[Draw]) -> None:
        self._left = deque(drawn)
        self._seed = next((value for _, _, value in drawn if isinstance(value, int)), 0)
        self._made = 0

    def _next(self, method: str, argument: int) -> object:
        if self._left and self._left[0][:2] == (method, argument):
            return self._left.popleft()[2]
        self._left.clear()
        return None

    def _make(self, bits: int) -> int:
        value = 0
        for _ in range(0, bits, 64):
            self._made += 1
            value = value << 64 | place(self._seed, self._made)
        return value >> (-bits % 64)

    def random(self) -> float:
        value = self._next("random", 0)
        return value if isinstance(value, float) else self._make(53) / 2.0**53

    def getrandbits(self, k: int, /) -> int:
        value = self._next("getrandbits", k)
        return value if isinstance(value, int) else self._make(k)

    def randrange(self, stop: int, /) -> int:
        value = self._next("randrange", stop)
        return value if isinstance(value, int) else self._make(64) % stop

    def shuffle(self, x: MutableSequence[Any], /) -> None:  # Any: as in RandomSource
        order = self._next("shuffle", len(x))
        if not isinstance(order, tuple):
            order = tuple(sorted(range(len(x)), key=lambda _: self._make(64)))
        x[:] = [x[index] for index in order]


class Followed(Guard):
    """The guard of the deciding allocator when another one runs in its shadow: what it is told, both are told."""

    def __init__(
        self, module: Allocator, shadow: Shadow, watch: Watch | None = None, made_of: MadeOf | None = None
    ) -> None:
        super().__init__(module, watch, made_of)
        self.shadow = shadow
        self.drawn = Drawn(_NO_NUMBERS)
        """What was drawn in the last pass."""

    @property
    def _shadow(self) -> Allocator | _Nobody:
        return _NOBODY if self.alone else self.shadow.guard

    def _tell(self, method: str, *arguments: Any, **named: Any) -> None:  # Any: as the method has them
        super()._tell(method, *arguments, **named)
        if method == "add_offer" or (method == "update_quota" and not self.shadow.guard.knows_quota()):
            return  # it hears of offers after each pass
        getattr(self._shadow, method)(*arguments, **named)
        if method == "remove_framework":
            self.shadow.forget(arguments[0])

    def give_up(self, grant: Grant, now: float) -> None:
        """Take back a grant of the deciding allocator that was not offered; its shadow never heard of it."""
        super()._tell(
            "recover",
            grant.framework_id,
            grant.agent_id,
            grant.resources,
            refuse_seconds=None,
            allocated=False,
            now=now,
        )

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        self.drawn = Drawn(random)
        return super().allocate(now, self.drawn, agents=agents, limit=limit, observer=observer)


class _Nobody:
    """Hears whatever is said, and does nothing."""

    def __getattr__(self, name: str) -> Any:  # Any: any method of an allocator
        return _ignore


def _ignore(*_: object, **__: object) -> None:
    return


_NOBODY: Final = _Nobody()
_NO_NUMBERS: Final[RandomSource] = _Again(())
