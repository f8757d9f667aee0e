"""The record of what the deciding allocator was told and granted, for whoever asks later whether it was fair (N23).

Only made where ``--allocation_journal`` asks for it: then :class:`Journaled` stands where a plain guard would. What is
written is what passed between master and module, call by call, so that a reader needs to trust neither's books. An
instance that is made anew after a failure begins with ``begin`` again, and is told everything from the start.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from mesos_service.core.allocation.over_ledger import LedgerAllocator
from mesos_service.core.effects import JournalAllocations, Told
from mesos_service.core.master.guard import Guard, MadeOf
from mesos_service.core.master.shadow import Drawn, Followed, Shadow
from mesos_service.core.master.turn import Turn
from mesos_service.core.watch import Watch
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import (
    PROMISES,
    Allocator,
    AllocatorOptions,
    Grant,
    Observer,
)


class Began(NamedTuple):
    """An instance of the module ``allocator``, which promises so much, knows nothing but its options."""

    allocator: str
    options: AllocatorOptions
    promises: tuple[str, ...] = tuple(sorted(PROMISES))


class Carried(NamedTuple):
    """What a journal that begins in the middle has to say beside what calls can: what is held, with what of it are
    copies of shared volumes in use; refusals, until when; how often each place in the tree of roles was served; agents
    that a limit left out; and how many agents a new master waits for, until when."""

    held: tuple[tuple[FrameworkId, Role, AgentId, Resources, Resources | None], ...]
    filters: tuple[tuple[str, str, str, Resources, float | None], ...]
    served: dict[str, int]
    left_out: tuple[str, ...]
    missing: int
    waits_until: float


class Decided(NamedTuple):
    """One pass. ``seed`` is the number that was drawn for it, where it was one; ``agents`` those that were touched, and
    ``None`` in a full pass; ``limit`` the most grants."""

    now: float
    seed: int | None
    agents: tuple[AgentId, ...] | None
    limit: int | None
    grants: tuple[Grant, ...]


class Journaled(Guard):
    """A guard that writes down what is said to the module, and what it says. What a broken one is not told is not
    written either."""

    def __init__(self, module: Allocator, watch: Watch | None = None, made_of: MadeOf | None = None) -> None:
        Guard.__init__(self, module, watch, made_of)
        self.written: list[Told] = []
        """What nobody has taken yet."""
        self._begin()

    def _begin(self) -> None:
        # As the class and the master say: what the module has made of its own attributes is not to be relied on.
        promises = tuple(sorted(PROMISES & type(self.module).promises))
        self.written.append(Told("begin", Began(self.name, self.options, promises)))

    def _write(self, method: str, *arguments: Any) -> None:  # Any: as the method has them
        if not self.broken:
            self.written.append(Told(method, arguments))

    def replace(self) -> bool:
        # Before: what it is told within belongs to the new instance.
        self._begin()
        return super().replace()

    def _tell(self, method: str, *arguments: Any, **named: Any) -> None:  # Any: as the method has them
        if method == "add_agent":
            super()._tell(method, *arguments, **named)
            self._write(method, *map(_kept, arguments), self._number(arguments[0].agent_id))
            return
        if method != "request_resources":  # nothing is decided by them that could be wrong
            self._write(method, *map(_kept, arguments), *named.values())
        super()._tell(method, *arguments, **named)

    def _number(self, agent_id: AgentId) -> int | None:
        """By what the built-in allocators put agents in the order of a pass, where that is known."""
        if self.broken or not isinstance(self.module, LedgerAllocator):
            return None
        return self.module.ledger.agents[agent_id].serial

    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        drawn = Drawn(random)
        grants = super().allocate(now, drawn, agents=agents, limit=limit, observer=observer)
        touched = None if agents is None else tuple(agents)
        if not self.broken:
            self.written.append(Told("pass", Decided(now, drawn.only_number(), touched, limit, tuple(grants))))
        return grants


class JournaledFollowed(Journaled, Followed):
    """The same with another module in its shadow, of which nothing is written."""

    def __init__(
        self, module: Allocator, shadow: Shadow, watch: Watch | None = None, made_of: MadeOf | None = None
    ) -> None:
        Journaled.__init__(self, module, watch, made_of)
        Followed.__init__(self, module, shadow, watch, made_of)

    def give_up(self, grant: Grant, now: float) -> None:
        self._write("recover", grant.framework_id, grant.agent_id, grant.resources, None, False, now)
        super().give_up(grant, now)


def _kept(argument: object) -> object:
    """As it is now, whatever becomes of the caller's."""
    match argument:
        case Mapping():
            return dict(argument)
        case list() | set() | frozenset():
            return tuple(argument)
        case other:
            return other


def hand_over(turn: Turn) -> None:
    """After a pass: let what was written go out."""
    allocator = turn.state.allocator
    if isinstance(allocator, Journaled) and allocator.written:
        written, allocator.written = allocator.written, []
        turn.do(JournalAllocations(tuple(written)))
