"""Rows of the registry's collections: how an entry becomes one, and what a batch changes.

A new collection is a field of ``Registry``, its table, a :class:`Collection` here, and a migration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import msgspec
from sqlalchemy import Column, Connection, Row, Table, delete, select

from mesos_service.core.registry.registry import RegisteredFramework, RegisteredRevocation, Registry
from mesos_service.core.registry.touched import Touched
from mesos_service.domain.agents import AgentInfo, Deactivation
from mesos_service.domain.ids import AgentId, FrameworkId, RevocationId, Role, TaskId
from mesos_service.domain.machines import Machine, MachineId, MachineMode, Unavailability
from mesos_service.plugins.allocator import Quota
from mesos_service.registrar import tables
from mesos_service.registrar.interface import RegistryFault
from mesos_service.wire.agent_link import AgentDescription
from mesos_service.wire.convert.agent_text import agent_description_json
from mesos_service.wire.convert.infos import framework_from_wire, framework_to_wire
from mesos_service.wire.convert.link import agent_description_from_wire
from mesos_service.wire.convert.maintenance import drain_from_wire, drain_to_wire
from mesos_service.wire.convert.policy import quota_from_wire, quota_to_wire
from mesos_service.wire.frameworks import FrameworkInfo as WireFrameworkInfo
from mesos_service.wire.policy import DrainConfig, QuotaConfig

K = TypeVar("K", AgentId, FrameworkId, Role, RevocationId, MachineId)
V = TypeVar("V")
T = TypeVar("T")

Columns = tuple[object, ...]
"""Values in the order of the table's columns."""
Insert = Callable[[Connection, Table, Sequence[Columns]], None]
"""Writes new rows, each with a value for every column; how many go fastest is a matter of the database."""

ROWS_AT_ONCE: Final = 1000

_ENCODER: Final = msgspec.json.Encoder()
_AGENT: Final = msgspec.json.Decoder(AgentDescription)
_FRAMEWORK: Final = msgspec.json.Decoder(WireFrameworkInfo)
_DRAIN: Final = msgspec.json.Decoder(DrainConfig)
_QUOTA: Final = msgspec.json.Decoder(QuotaConfig)


@dataclass(frozen=True, slots=True)
class Collection(Generic[K, V]):
    """One of the registry's mappings, and its table."""

    table: Table
    entries: Callable[[Registry], Mapping[K, V]]
    touched: Callable[[Touched], Set[K]]
    write: Callable[[V], Columns]
    """The columns after the key."""
    read: Callable[[Row[Any]], V]  # Any: a row's columns are the table's.
    """Raises ``ValueError`` (msgspec's errors are some) when the row cannot be understood."""

    @property
    def key(self) -> Column[Any]:  # Any: SQLAlchemy's own type of a column that is looked up.
        return next(iter(self.table.primary_key))


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch does to one table: ``gone`` are deleted, ``rows`` are written whole, in place of what was there."""

    table: Table
    gone: tuple[str, ...]
    rows: tuple[Columns, ...]


def _since(value: float) -> Columns:
    return (value,)


def _read_since(row: Row[Any]) -> float:  # Any: as in Collection.
    return float(row.since)


def _text(message: object) -> str:
    return _ENCODER.encode(message).decode()


def _write_agent(info: AgentInfo) -> Columns:
    return (agent_description_json(info).decode(),)


def _read_agent(row: Row[Any]) -> AgentInfo:  # Any: as in Collection.
    return agent_description_from_wire(_AGENT.decode(row.description))


def _write_framework(framework: RegisteredFramework) -> Columns:
    return framework.generation, _text(framework_to_wire(framework.info))


def _read_framework(row: Row[Any]) -> RegisteredFramework:  # Any: as in Collection.
    return RegisteredFramework(framework_from_wire(_FRAMEWORK.decode(row.info)), row.generation)


def _write_quota(quota: Quota) -> Columns:
    # The role is the row's key; in the document it only completes the form.
    return (_text(quota_to_wire(Role(""), quota)),)


def _read_quota(row: Row[Any]) -> Quota:  # Any: as in Collection.
    return quota_from_wire(_QUOTA.decode(row.config))


def _write_deactivation(one: Deactivation) -> Columns:
    drain = None if one.drain is None else _text(drain_to_wire(one.drain))
    return one.since, drain, one.drained


def _read_deactivation(row: Row[Any]) -> Deactivation:  # Any: as in Collection.
    drain = None if row.drain is None else drain_from_wire(_DRAIN.decode(row.drain))
    return Deactivation(since=float(row.since), drain=drain, drained=bool(row.drained))


def _write_revocation(one: RegisteredRevocation) -> Columns:
    return one.framework_id, one.task_id, one.agent_id, one.beneficiary, one.at


def _read_revocation(row: Row[Any]) -> RegisteredRevocation:  # Any: as in Collection.
    return RegisteredRevocation(
        FrameworkId(row.framework_id),
        TaskId(row.task_id),
        AgentId(row.agent_id),
        Role(row.beneficiary),
        float(row.decided_at),
    )


def _write_machine(one: Machine) -> Columns:
    when = one.unavailability
    return one.mode.value, one.window, when.start, when.duration


def _read_machine(row: Row[Any]) -> Machine:  # Any: as in Collection.
    when = Unavailability(row.unavailable_from, row.unavailable_for)
    return Machine(MachineMode(row.mode), row.window_number, when)


def _read_weight(row: Row[Any]) -> float:  # Any: as in Collection.
    return float(row.weight)


ADMITTED: Final[Collection[AgentId, AgentInfo]] = Collection(
    tables.ADMITTED, lambda registry: registry.admitted, lambda keys: keys.agents, _write_agent, _read_agent
)
UNREACHABLE: Final[Collection[AgentId, float]] = Collection(
    tables.UNREACHABLE, lambda registry: registry.unreachable, lambda keys: keys.agents, _since, _read_since
)
GONE: Final[Collection[AgentId, float]] = Collection(
    tables.GONE, lambda registry: registry.gone, lambda keys: keys.agents, _since, _read_since
)
DEACTIVATED: Final[Collection[AgentId, Deactivation]] = Collection(
    tables.DEACTIVATED,
    lambda registry: registry.deactivated,
    lambda keys: keys.agents,
    _write_deactivation,
    _read_deactivation,
)
FRAMEWORKS: Final[Collection[FrameworkId, RegisteredFramework]] = Collection(
    tables.FRAMEWORKS,
    lambda registry: registry.frameworks,
    lambda keys: keys.frameworks,
    _write_framework,
    _read_framework,
)
REMOVED_FRAMEWORKS: Final[Collection[FrameworkId, float]] = Collection(
    tables.REMOVED_FRAMEWORKS,
    lambda registry: registry.removed_frameworks,
    lambda keys: keys.frameworks,
    _since,
    _read_since,
)

MACHINES: Final[Collection[MachineId, Machine]] = Collection(
    tables.MACHINES, lambda registry: registry.machines, lambda keys: keys.machines, _write_machine, _read_machine
)
QUOTAS: Final[Collection[Role, Quota]] = Collection(
    tables.QUOTAS, lambda registry: registry.quotas, lambda keys: keys.roles, _write_quota, _read_quota
)
REVOCATIONS: Final[Collection[RevocationId, RegisteredRevocation]] = Collection(
    tables.REVOCATIONS,
    lambda registry: registry.revocations,
    lambda keys: keys.revocations,
    _write_revocation,
    _read_revocation,
)
WEIGHTS: Final[Collection[Role, float]] = Collection(
    tables.WEIGHTS,
    lambda registry: registry.weights,
    lambda keys: keys.roles,
    lambda weight: (weight,),
    _read_weight,
)


def changes(before: Registry, after: Registry, keys: Touched) -> tuple[Change, ...]:
    """What has to be written to come from one registry to the other, where only ``keys`` may differ."""
    found = (
        _change(ADMITTED, before, after, keys),
        _change(UNREACHABLE, before, after, keys),
        _change(GONE, before, after, keys),
        _change(DEACTIVATED, before, after, keys),
        _change(FRAMEWORKS, before, after, keys),
        _change(REMOVED_FRAMEWORKS, before, after, keys),
        _change(MACHINES, before, after, keys),
        _change(QUOTAS, before, after, keys),
        _change(WEIGHTS, before, after, keys),
        _change(REVOCATIONS, before, after, keys),
    )
    return tuple(change for change in found if change.gone or change.rows)


def _change(collection: Collection[K, V], before: Registry, after: Registry, keys: Touched) -> Change:
    old, new = collection.entries(before), collection.entries(after)
    columns = collection.write
    gone: list[str] = []
    rows: list[Columns] = []
    # Sorted, so that one batch is one sequence of statements.
    names: list[K] = sorted(name for name in collection.touched(keys) if name in new or name in old)
    for name in names:
        if name not in new:
            gone.append(name)
        elif name not in old:
            rows.append(_row(name, columns(new[name])))
        elif new[name] is not old[name]:
            # Identity, not equality: what an info carries beside its fields does not count in comparisons.
            gone.append(name)
            rows.append(_row(name, columns(new[name])))
    return Change(collection.table, tuple(gone), tuple(rows))


def _row(key: object, others: Columns) -> Columns:
    return (key, *others)


def write(connection: Connection, found: Iterable[Change], insert: Insert) -> None:
    """Write inside the transaction that is open."""
    for change in found:
        key = next(iter(change.table.primary_key))
        for names in _chunks(change.gone):
            connection.execute(delete(change.table).where(key.in_(names)))
        for rows in _chunks(change.rows):
            insert(connection, change.table, rows)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """In pieces that are sent at once: a server that hears nothing within a transaction takes its client for frozen."""
    return (items[begin : begin + ROWS_AT_ONCE] for begin in range(0, len(items), ROWS_AT_ONCE))


def load(connection: Connection) -> Registry:
    """The registry as the tables hold it, what has a time oldest first.

    Raises:
        RegistryFault: a row cannot be understood.
    """
    return Registry(
        admitted=_load(connection, ADMITTED),
        unreachable=_load(connection, UNREACHABLE),
        gone=_load(connection, GONE),
        deactivated=_load(connection, DEACTIVATED),
        frameworks=_load(connection, FRAMEWORKS),
        removed_frameworks=_load(connection, REMOVED_FRAMEWORKS),
        machines=_load(connection, MACHINES),
        quotas=_load(connection, QUOTAS),
        weights=_load(connection, WEIGHTS),
        revocations=_load(connection, REVOCATIONS),
    )


def _load(connection: Connection, collection: Collection[K, V]) -> dict[K, V]:
    table = collection.table
    order = [table.c.since] if "since" in table.c else []
    entries: dict[K, V] = {}
    # In pieces too, as they are read into values between one and the next.
    query = select(table).order_by(*order, collection.key).execution_options(yield_per=ROWS_AT_ONCE)
    # Closed also where a row is refused: a server's cursor would outlive it.
    with connection.execute(query) as found:
        for row in found:
            key: K = row[0]
            try:
                entries[key] = collection.read(row)
            except (ValueError, TypeError) as error:
                raise RegistryFault(
                    f"the row '{key}' of table {table.name} cannot be understood: {error}. Nothing was changed; restore"
                    " the registry from a backup, or delete that row if you know that it is not needed"
                ) from error
    return entries
