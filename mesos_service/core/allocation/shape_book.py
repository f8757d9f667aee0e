"""All shapes that have been met, and what was prepared of them; see :mod:`~mesos_service.core.allocation.shapes`."""

from __future__ import annotations

from typing import Final

from mesos_service.core.allocation.clients import Client, minimum_of
from mesos_service.core.allocation.drf import Scale
from mesos_service.core.allocation.entries import AgentBook
from mesos_service.core.allocation.gates import covers, gates_with, prepare
from mesos_service.core.allocation.parts import OfferSize
from mesos_service.core.allocation.shapes import Kept, Prepared, Shape, Traits
from mesos_service.core.allocation.table import AgentTable
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView, AllocatorOptions

PREPARED_MAX: Final = 50_000
"""How many answers are kept; where free resources are of too many kinds to be met again, remembering does not help."""


class ShapeBook:
    """Finds the shape of an agent, and what a client would be offered of it."""

    def __init__(
        self, options: AllocatorOptions, scale: Scale, table: AgentTable[AgentBook], size: OfferSize | None = None
    ) -> None:
        self._table = table
        self._gates = gates_with(size)
        self._options = options
        self._scale = scale
        self._default_minimum = minimum_of(options.min_allocatable)
        self._traits: dict[tuple[bool, bool, Kept], Traits] = {}
        self._kept = 0
        self.by_number: list[Shape] = [_no_shape()]
        """Number 0 is nobody's: what is free on an agent is never the very object that is free there."""

        self.frees: list[Resources] = [self.by_number[0].free]
        """What is free, by number."""

    def traits_of(self, view: AgentView, kept: Kept = ()) -> Traits:
        """What gates ask for of an agent, apart from what is free."""
        has_gpus = self._options.filter_gpu_resources and view.total.scalar("gpus") > 0
        is_remote = view.region is not None and self._options.region not in (None, view.region)
        key = (has_gpus, is_remote, kept)
        traits = self._traits.get(key)
        if traits is None:
            traits = self._traits[key] = Traits(*key)
        return traits

    def of(self, agent: AgentBook) -> Shape:
        """What is free on ``agent``, together with all other agents of which the same is."""
        return self.at(agent.index)

    def at(self, index: int) -> Shape:
        """As :meth:`of`, for the agent in row ``index``."""
        table = self._table
        free = table.free[index]
        shape = self.by_number[int(table.shapes[index])]
        if shape.free is not free:
            book = table.books[index]
            assert book is not None, "a row that is asked for has an agent"
            shape = self.shape_of(book.traits, free)
            table.shapes[index] = shape.number
            table.free[index] = shape.free
        return shape

    def shape_of(self, traits: Traits, free: Resources) -> Shape:
        """All agents with these traits of which ``free`` is free."""
        shape = traits.shapes.get(free)
        if shape is None:
            self._bound()
            shape = traits.shapes[free] = Shape(free, traits, len(self.by_number))
            self.by_number.append(shape)
            self.frees.append(shape.free)
            minimum = self._default_minimum
            shape.is_crumbs = bool(minimum) and not covers(shape.quantities, minimum)
        return shape

    def prepared(self, shape: Shape, client: Client) -> Prepared:
        """What ``client`` would be offered of ``shape`` if nobody had refused anything and there were no quota."""
        prepared = shape.prepared.get(client.stamp)
        if prepared is None:
            self._bound()
            prepared = shape.prepared[client.stamp] = prepare(shape, client, self._scale, self._gates)
        return prepared

    def _bound(self) -> None:
        """One more is kept. When there are too many, forget all."""
        self._kept += 1
        if self._kept > PREPARED_MAX:
            self._kept = 0
            for traits in self._traits.values():
                traits.shapes = {}
            used = {book.traits for book in self._table.books if book is not None}
            self._traits = {key: traits for key, traits in self._traits.items() if traits in used}
            for shape in self.by_number:
                shape.prepared.clear()
            self.by_number = self.by_number[:1]  # a pass at work goes on with the old ones
            self.frees = self.frees[:1]
            self._table.shapes[:] = 0


def _no_shape() -> Shape:
    return Shape(Resources.of(()), Traits(False, False), 0)
