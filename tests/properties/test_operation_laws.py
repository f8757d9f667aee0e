"""Laws of operations on resources: nothing comes of nothing, and what is done can be undone (X14c, X44; M-AL-09)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.domain.operations import (
    Conversion,
    Create,
    Destroy,
    GrowVolume,
    Operation,
    Reserve,
    ShrinkVolume,
    Unreserve,
    conversions,
    convert,
    made_by_operations,
    mapped,
    places,
    with_made,
)
from mesos_service.domain.resource import DiskInfo, Persistence, Reservation, Resource, Volume
from mesos_service.domain.resources import Resources, ResourcesError
from mesos_service.wire.convert.operations import exact_operation, operation_to_wire

CONFIGURED = Resources.parse("cpus:8;mem:1024;disk:64;disk(static):32;ports:[100-120];gpus:2")

Move = tuple[int, int, int]


def top(role: str, principal: str | None = None) -> Reservation:
    return Reservation("DYNAMIC", role, principal)


def lawful(total: Resources, move: Move) -> Operation:
    """Some operation that ``total`` allows, whatever numbers were drawn."""
    kind, which, amount = move
    items = [item for item in total if not isinstance(item.value, int) or item.value >= 2000]
    item = items[which % len(items)]
    if isinstance(item.value, int):
        item = item._replace(value=1000 * (1 + amount % (item.value // 1000)))
    key, disk = item.key, item.key.disk
    volume = disk is not None and disk.persistence is not None
    if volume:
        whole = next(one for one in total if one.key == key)
        assert isinstance(whole.value, int)
        if kind % 3 == 0 and whole.value > 1000:
            return ShrinkVolume(whole, 1000)
        plain = key._replace(disk=None)
        rest = total.filter(lambda one: one.key == plain)
        if kind % 3 == 1 and rest:
            return GrowVolume(whole, Resource(plain, min(1000, rest.scalar("disk"))))
        return Destroy(Resources.of((whole,)))
    if key.reservations and key.reservations[-1].type == "DYNAMIC" and kind % 3 == 0:
        return Unreserve(Resources.of((item,)))
    if key.name == "disk" and key.reservations and kind % 3 == 1:
        taken = {place.id for place in places(total)}
        fresh = next(f"v{number}" for number in range(100) if f"v{number}" not in taken)
        made = DiskInfo(persistence=Persistence(fresh), volume=Volume("data"))
        return Create(Resources.of((item._replace(key=key._replace(disk=made)),)))
    role = "r" if not key.reservations else f"{key.role}/{amount % 3}"
    return Reserve(Resources.of((item,)).push_reservation(top(role, "p")))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 9)), max_size=12))
def test_x14c_operations_keep_quantities_and_are_undone_backwards(moves: list[Move]) -> None:
    total = CONFIGURED
    done: list[Conversion] = []
    for move in moves:
        operation = lawful(total, move)
        changes = conversions(operation)
        assert exact_operation(operation_to_wire(operation)) == operation
        total = convert(total, changes)
        done += changes
        assert total.quantities() == CONFIGURED.quantities()
        assert total.ports() == CONFIGURED.ports()
        assert total.to_unreserved().quantities() == CONFIGURED.to_unreserved().quantities()
        # What an agent keeps gives its total back, after any restart (M-AL-09).
        assert with_made(CONFIGURED, made_by_operations(total)) == total
    for consumed, converted in reversed(done):
        total = convert(total, [Conversion(converted, consumed)])
    assert total == CONFIGURED


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30), st.integers(0, 9)), min_size=1, max_size=6))
def test_x14c_an_operation_finds_the_same_in_an_offer_as_in_a_total(moves: list[Move]) -> None:
    """X48: with allocation roles and without, the same is done."""
    total, offered = CONFIGURED, CONFIGURED.allocated_to("r")
    for move in moves:
        operation = lawful(total, move)
        total = convert(total, conversions(operation))
        offered = convert(offered, conversions(mapped(operation, lambda part: part.allocated_to("r"))))
        assert offered.unallocated() == total


def test_x14c_too_little_is_said_by_the_first_that_is_short() -> None:
    wanted = Reserve(Resources.parse("cpus:2;mem:4096").push_reservation(top("r")))
    with pytest.raises(ResourcesError, match=r"^cpus:.* does not contain mem:4096$"):
        convert(CONFIGURED, conversions(wanted))


def test_m_al_09_less_than_was_made_something_of_is_too_little() -> None:
    made = Resources.parse("cpus:4").push_reservation(top("r"))
    assert with_made(Resources.parse("cpus:6"), made).unreserved() == Resources.parse("cpus:2")
    with pytest.raises(ResourcesError, match="cpus:3 does not contain cpus:4"):
        with_made(Resources.parse("cpus:3"), made)


def test_x44_a_static_reservation_is_never_popped() -> None:
    static = CONFIGURED.reserved("static")
    with pytest.raises(ResourcesError, match="not dynamically reserved"):
        conversions(Unreserve(static))
    with pytest.raises(ResourcesError, match="not dynamically reserved"):
        conversions(Reserve(static))
    refined = static.push_reservation(top("static/a"))
    assert convert(CONFIGURED, conversions(Reserve(refined))).reserved("static/a") == refined
    assert with_made(CONFIGURED, refined).reserved("static/a") == refined


def test_m_al_09_reservation_of_one_role_for_another() -> None:
    source = Resources.parse("cpus:2").push_reservation(top("a", "p"))
    wanted = Resources.parse("cpus:2").push_reservation(top("b", "q"))
    total = convert(CONFIGURED, conversions(Reserve(source)))
    assert convert(total, conversions(Reserve(wanted, source))).reservations().keys() == {"b", "static"}
