"""A scheduler that reserves, makes volumes, uses them and gives all of it back, at random (X14c, M-SC-15).

It remembers what it was told of each operation: whatever was said to have happened may not be said to have been
dropped, nor the other way round, whichever master says so.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from mesos_service.core import events
from mesos_service.core import scheduler_messages as messages
from mesos_service.core.resource_messages import ResourceOperation
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.frameworks import SHARED_RESOURCES, FrameworkInfo
from mesos_service.domain.ids import AgentId, OperationId, StreamId
from mesos_service.domain.offers import Filters, Offer
from mesos_service.domain.operations import Create, Destroy, GrowVolume, Operation, Reserve, ShrinkVolume, Unreserve
from mesos_service.domain.resource import DiskInfo, Persistence, Reservation, Resource, Volume
from mesos_service.domain.resources import Resources, plain_key
from mesos_service.domain.tasks import TaskInfo
from mesos_service.simulator.frameworks import TASK, SimFramework
from mesos_service.simulator.masters import Masters
from mesos_service.simulator.network import Network
from mesos_service.simulator.promises import Promises

WANTED: Final = Resources.scalars(cpus="0.5", mem=128, disk=16)
OVER: Final = frozenset({"OPERATION_FINISHED", "OPERATION_FAILED", "OPERATION_ERROR", "OPERATION_DROPPED"})
SETTLED: Final = OVER | {"OPERATION_UNKNOWN", "OPERATION_GONE_BY_OPERATOR"}
"""After which there is nothing to ask any more."""


class OperatingFramework(SimFramework):
    """``share`` of its answers to offers hold operations on what is offered."""

    def __init__(
        self, network: Network, masters: Masters, info: FrameworkInfo, seed: int, promises: Promises, share: float
    ) -> None:
        super().__init__(network, masters, info, seed, promises)
        self.operations: dict[OperationId, events.OperationState] = {}
        self._share = share
        self._agents: dict[OperationId, AgentId] = {}
        self._reserved = Resources.EMPTY
        self._made = Resources.EMPTY
        """What it last wanted reserved, and made: it may have come about or not."""

    # -- what the master says --------------------------------------------------------------------------------
    def hear(self, stream_id: StreamId, event: events.SchedulerEvent) -> None:
        if isinstance(event, events.UpdateOperationStatus) and stream_id == self._stream_id:
            self._on_operation(event)
        else:
            super().hear(stream_id, event)

    def _on_operation(self, event: events.UpdateOperationStatus) -> None:
        known = self.operations[event.operation_id]
        if known in OVER:
            if event.state in OVER and event.state != known:
                raise InvariantBroken(f"operation {event.operation_id} was {known}, and is said to be {event.state}")
        else:
            self.operations[event.operation_id] = event.state
        if event.uuid is not None and event.agent_id is not None and (self.healed or self._source.random() < 0.9):
            self._call(
                messages.AcknowledgeOperationStatus,
                agent_id=event.agent_id,
                operation_id=event.operation_id,
                uuid=event.uuid,
            )

    def unsettled(self) -> dict[OperationId, events.OperationState]:
        """What it still does not know the end of."""
        return {name: state for name, state in self.operations.items() if state not in SETTLED}

    def ask(self) -> None:
        super().ask()
        asked = tuple((name, self._agents[name]) for name in self.unsettled())
        if asked:
            self._call(messages.ReconcileOperations, operations=asked)

    # -- what it does ----------------------------------------------------------------------------------------
    def _answer(self, offer: Offer) -> None:
        if self.healed or self._source.random() >= self._share:
            super()._answer(offer)
            return
        asked: list[messages.AcceptOperation] = []
        held = offer.resources.unallocated()
        for _ in range(self._source.randrange(1, 4)):
            operation = self._some(offer, held)
            if operation is not None:
                asked.append(self._named(offer, operation))
        if self._source.random() < 0.6:
            asked.append(messages.LaunchOperation((self._task_on(offer, held),)))
        filters = Filters(self._source.choice([0.0, 0.5, 5.0]))
        self._call(messages.Accept, offer_ids=(offer.offer_id,), operations=tuple(asked), filters=filters)

    def _named(self, offer: Offer, operation: Operation) -> ResourceOperation:
        if self._source.random() < 0.3:
            return ResourceOperation(operation)
        self._counter += 1
        name = OperationId(f"{self.name}-op-{self._counter}")
        self.operations[name] = "OPERATION_PENDING"
        self._agents[name] = offer.agent_id
        return ResourceOperation(operation, name)

    def _some(self, offer: Offer, held: Resources) -> Operation | None:
        """Mostly what the offer allows, now and then what it does not."""
        own = [item for item in held if item.key.reservations and item.role == offer.role and item.key.disk is None]
        volumes = list(held.persistent_volumes())
        dice = self._source.random()
        wanted = WANTED.push_reservation(Reservation("DYNAMIC", offer.role))
        if dice < 0.35 and held.contains(WANTED):
            self._reserved = wanted
            return Reserve(wanted)
        if dice < 0.55:
            disks = [item for item in (*own, *self._reserved) if item.name == "disk" and item.role == offer.role]
            return Create(self._volume(self._source.choice(disks))) if disks else None
        if volumes and dice < 0.8:
            return self._resized(self._source.choice(volumes))
        if own and dice < 0.95:
            return Unreserve(Resources.of((self._source.choice(own),)))
        return Unreserve(wanted)

    def _resized(self, volume: Resource) -> Operation:
        assert isinstance(volume.value, int)
        plain = volume.key._replace(disk=None)
        match self._source.randrange(3):
            case 0 if volume.value > 2000:
                return ShrinkVolume(volume, 1000)
            case 1:
                return GrowVolume(volume, Resource(plain, 1000))
            case _:
                return Destroy(Resources.of((volume,)))

    def _volume(self, disk: Resource) -> Resources:
        self._counter += 1
        # Few names, so that they are used again when their volume is gone.
        name = f"{self.name}-{self._counter % 4}"
        made = DiskInfo(persistence=Persistence(name), volume=Volume("data"))
        shared = self.info.has(SHARED_RESOURCES) and self._source.random() < 0.6
        self._made = Resources.of((Resource(disk.key._replace(disk=made, shared=shared), 4000),))
        return self._made

    def _task_on(self, offer: Offer, held: Resources) -> TaskInfo:
        """On what is reserved, or a volume, there or hoped for."""
        info = self._new_task(offer)
        volumes = list(held.persistent_volumes())
        needs = TASK
        if self._source.random() < 0.5:
            needs = TASK.push_reservation(Reservation("DYNAMIC", offer.role))
        if volumes and self._source.random() < 0.7:
            needs = needs + Resources.of((self._source.choice(volumes),))
        elif self._made and self._source.random() < 0.7:
            needs = needs + self._made
        return replace(info, resources=needs)


OPERATORS: Final = Resources.of((Resource(plain_key("cpus"), 250),)).push_reservation(Reservation("DYNAMIC", "ops"))
"""What operators reserve, again and again, and give back."""
