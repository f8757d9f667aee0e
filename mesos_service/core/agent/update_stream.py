"""The updates of one task that its framework has not acknowledged: a queue that never grows past a bound (X01, X06).

While no master is there, or a framework is away, nothing is acknowledged, and an executor may say more and more. Mesos
keeps all. Here what is between the first update and the newest ones gives way, the oldest first: the first may be on
its way already, the newest are where the task stands, and an end is always the newest.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from mesos_service.core.trace import TraceParent
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import ExecutorId, FrameworkId, TaskId
from mesos_service.domain.tasks import TaskStatus

ACKNOWLEDGED_MAX: Final = 256
"""How many acknowledged updates of one task are remembered to tell a repetition from news (X06)."""
PENDING_MAX: Final = 1000
PENDING_BYTES_MAX: Final = 1024 * 1024
"""Of what executors may write at will, data and message. The first and the newest update stay, whatever their size."""


@dataclass(slots=True)
class PendingUpdate:
    """An update that the framework has not acknowledged."""

    status: TaskStatus
    executor_id: ExecutorId | None
    received_at: float
    parent: TraceParent | None = None
    trace: TraceParent | None = None
    sent: int = 0

    @property
    def size(self) -> int:
        """Bytes, as far as they are not much the same for all."""
        return len(self.status.data or b"") + len(self.status.message or "")


@dataclass(slots=True)
class UpdateStream:
    """The updates of one task, first in first out; only the head is in flight (X01)."""

    framework_id: FrameworkId
    task_id: TaskId
    pending: OrderedDict[bytes, PendingUpdate] = field(default_factory=OrderedDict)
    """By uuid, the head first. Changed by :meth:`put` and :meth:`take` only."""
    acknowledged: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    """The last uuids that were acknowledged, or gave way, oldest first."""
    retry_seconds: float = 0.0
    """The pause before the head is sent again."""
    kept: bool = False
    """Whether its updates are written down: those of frameworks that checkpoint are."""
    size: int = 0
    """Of all that are pending."""

    def is_known(self, uuid: bytes | None) -> bool:
        """Whether this update was received before (X06)."""
        return uuid in self.pending or uuid in self.acknowledged

    def put(self, update: PendingUpdate) -> int:
        """Add the newest update; how many have given way to it. The same updates always give way to the same ones, so
        that records of what was put are enough to know what is left."""
        uuid = update.status.uuid
        if uuid is None:
            raise InvariantBroken(f"an update of task {self.task_id} has no uuid, so that nobody could acknowledge it")
        self.pending[uuid] = update
        self.size += update.size
        given_way = 0
        while self.is_overfull:
            head = iter(self.pending)
            next(head)
            self.take(next(head))
            given_way += 1
        return given_way

    @property
    def is_overfull(self) -> bool:
        count = len(self.pending)
        return count > 2 and (count > PENDING_MAX or self.size > PENDING_BYTES_MAX)

    def take(self, uuid: bytes) -> PendingUpdate:
        """Remove one that is pending, and remember that it was here."""
        update = self.pending.pop(uuid)
        self.size -= update.size
        self.acknowledged[uuid] = None
        if len(self.acknowledged) > ACKNOWLEDGED_MAX:
            self.acknowledged.popitem(last=False)
        return update
