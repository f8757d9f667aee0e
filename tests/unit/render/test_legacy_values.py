"""Resources and attributes as the old paths print them."""

from __future__ import annotations

import msgspec
import pytest

from mesos_service.domain.attributes import parse_attributes
from mesos_service.domain.resource import DiskInfo, Persistence, Reservation, Resource, ResourceKey, Volume
from mesos_service.domain.resources import Resources
from mesos_service.wire.render.legacy_values import (
    amounts,
    amounts_by_role,
    attributes,
    endpoint_resources,
    full,
    quantities,
    total,
)


def test_four_scalars_are_always_there_and_every_number_is_a_double() -> None:
    assert bytes(amounts(Resources.EMPTY)) == b'{"disk":0.0,"mem":0.0,"gpus":0.0,"cpus":0.0}'
    printed = bytes(amounts(Resources.parse("ports:[1-2,5-6];mem:32;cpus:0.1;tokens:3;names:{b,a}")))
    assert printed == (
        b'{"disk":0.0,"mem":32.0,"gpus":0.0,"cpus":0.1,"tokens":3.0,"ports":"[1-2, 5-6]","names":"{a, b}"}'
    )


def test_amounts_do_not_tell_who_they_are_reserved_or_allocated_for() -> None:
    mixed = Resources.parse("cpus:1;cpus(a):2;ports:[1-2];ports(a):[3-4]")
    assert msgspec.json.decode(amounts(mixed))["cpus"] == 3.0
    assert msgspec.json.decode(amounts(mixed))["ports"] == "[1-4]"
    assert bytes(amounts(mixed.unreserved().allocated_to("b"))) == bytes(amounts(mixed.unreserved()))


def test_revocable_amounts_have_names_of_their_own() -> None:
    both = Resources.of([Resource(ResourceKey("cpus"), 1000), Resource(ResourceKey("cpus", revocable=True), 2000)])
    assert msgspec.json.decode(amounts(both)) == {
        "disk": 0.0,
        "mem": 0.0,
        "gpus": 0.0,
        "cpus": 1.0,
        "cpus_revocable": 2.0,
    }


def test_reserved_amounts_are_by_role() -> None:
    found = msgspec.json.decode(amounts_by_role(Resources.parse("cpus:1;cpus(b):2;mem(a):3")))
    assert list(found) == ["a", "b"]
    assert (found["a"]["mem"], found["b"]["cpus"]) == (3.0, 2.0)


def test_quantities_leave_out_what_is_zero() -> None:
    assert bytes(quantities({"mem": 32_000, "cpus": 100, "disk": 0})) == b'{"cpus":0.1,"mem":32.0}'


def test_x49_of_attributes_of_one_name_the_first_counts() -> None:
    assert msgspec.json.decode(attributes(parse_attributes("rack:r1;level:3;range:[1-10];rack:r2"))) == {
        "rack": "r1",
        "level": 3.0,
        "range": "[1-10]",
    }


def reserved(*roles: str) -> Resources:
    stack = tuple(Reservation("DYNAMIC", role, "ops") for role in roles)
    return Resources.of([Resource(ResourceKey("cpus", reservations=stack), 1000)])


@pytest.mark.parametrize(
    ("resources", "role", "reservation", "levels"),
    [
        (Resources.parse("cpus:1"), "*", False, 0),
        (reserved("a"), "a", True, 1),
        # A refined reservation has no old spelling.
        (reserved("a", "a/b"), None, False, 2),
    ],
)
def test_reservations_are_spelled_in_both_ways(
    resources: Resources, role: str | None, reservation: bool, levels: int
) -> None:
    (item,) = endpoint_resources(resources)
    assert (item.role, item.reservation is not None, len(item.reservations)) == (role, reservation, levels)


def volume(path: str) -> Resources:
    disk = DiskInfo(persistence=Persistence("v", "ops"), volume=Volume(path, "RW"))
    key = ResourceKey("disk", reservations=(Reservation("DYNAMIC", "a", "ops"),), disk=disk)
    return Resources.of([Resource(key, 1000)])


def test_volumes_that_compare_equal_are_not_mixed_up() -> None:
    one, other = volume("one"), volume("other")
    assert one == other
    for resources, path in ((one, "one"), (other, "other")):
        (item,) = msgspec.json.decode(full(resources))
        assert item["disk"]["volume"]["container_path"] == path


def test_full_resources_are_in_ascii() -> None:
    assert b"\\u00e4" in bytes(full(Resources.of([Resource(ResourceKey("\u00e4"), 1000)])))


def test_totals_are_sums() -> None:
    assert total([]) == Resources.EMPTY
    assert total(map(Resources.parse, ("cpus:1", "cpus:2;mem:3"))) == Resources.parse("cpus:3;mem:3")


def test_what_was_printed_once_is_kept() -> None:
    first = amounts(Resources.parse("cpus:7;mem:7"))
    assert isinstance(first, msgspec.Raw)
    assert amounts(Resources.parse("cpus:7;mem:7")) is first
