"""What resources add up to, what they contain, and how they are reserved (X40-X48)."""

from __future__ import annotations

import copy
import pickle

import pytest

from mesos_service.domain.resources import (
    LEFT_MAX,
    DiskInfo,
    DiskSource,
    DiskSourceType,
    Persistence,
    Ranges,
    Reservation,
    Resource,
    ResourceKey,
    Resources,
    ResourcesError,
    Volume,
    plain_key,
    to_milli,
)

AGENT = Resources.parse("cpus:4;mem:4096;disk:8192;ports:[31000-32000]")
OPS = Reservation("DYNAMIC", "ops", "op")
VOLUME = DiskInfo(persistence=Persistence("v1", "op"), volume=Volume("data"))


def disk(megabytes: int, info: DiskInfo | None, *, shared: bool = False) -> Resources:
    key = ResourceKey("disk", reservations=(OPS,), disk=info, shared=shared)
    return Resources.of([Resource(key, to_milli(megabytes))])


def mount(root: str, megabytes: int) -> Resources:
    return disk(megabytes, DiskInfo(source=DiskSource(DiskSourceType.MOUNT, root)))


# Arithmetic.


def test_x40_ten_tenths_are_one() -> None:
    total = Resources.EMPTY
    for _ in range(10):
        total += Resources.scalars(cpus=0.1)
    assert total == Resources.scalars(cpus=1)
    assert total - Resources.scalars(cpus=0.7) - Resources.scalars(cpus=0.3) == Resources.EMPTY


def test_x41_ports_split_and_come_back_together() -> None:
    task = Resources.parse("cpus:0.1;mem:32;ports:[31005-31006]")
    left = AGENT - task
    assert str(left) == "cpus:3.9; mem:4064; disk:8192; ports:[31000-31004, 31007-32000]"
    assert left + task == AGENT
    assert left.ports() == Ranges.parse("[31000-31004, 31007-32000]")


def test_x41_sets_unite_and_differ() -> None:
    zones = Resources.parse("zones:{a,b}") + Resources.parse("zones:{b,c}")
    assert str(zones) == "zones:{a, b, c}"
    assert zones - Resources.parse("zones:{a,c}") == Resources.parse("zones:{b}")


PLAIN = ResourceKey("disk", "ops", (OPS,))


@pytest.mark.parametrize(
    "other",
    [
        PLAIN._replace(name="mem"),
        PLAIN._replace(allocation_role="dev"),
        PLAIN._replace(allocation_role=None),
        PLAIN._replace(reservations=()),
        PLAIN._replace(reservations=(OPS._replace(type="STATIC"),)),
        PLAIN._replace(reservations=(OPS._replace(role="dev"),)),
        PLAIN._replace(reservations=(OPS._replace(principal="x"),)),
        PLAIN._replace(reservations=(OPS._replace(labels=(("k", None),)),)),
        PLAIN._replace(reservations=(OPS, Reservation("DYNAMIC", "ops/a"))),
        PLAIN._replace(disk=DiskInfo(source=DiskSource(DiskSourceType.PATH, "/a"))),
        PLAIN._replace(revocable=True),
        PLAIN._replace(shared=True),
        PLAIN._replace(provider_id="p"),
    ],
)
def test_x42_whatever_differs_does_not_add_up(other: ResourceKey) -> None:
    one, two = Resources.of([Resource(PLAIN, 1000)]), Resources.of([Resource(other, 1000)])
    assert len(one + two) == 2
    assert not one.contains(two)
    assert one.shortage(two) == two
    assert (one + two) - two == one


def test_x42_path_disk_adds_up_and_root_disk_is_another() -> None:
    path = disk(10, DiskInfo(source=DiskSource(DiskSourceType.PATH, "/a")))
    assert len(path + path) == 1
    assert (path + path).scalar("disk") == to_milli(20)
    assert len(path + disk(10, None)) == 2


@pytest.mark.parametrize(
    "info",
    [
        VOLUME,
        DiskInfo(source=DiskSource(DiskSourceType.MOUNT, "/mnt")),
        DiskInfo(source=DiskSource(DiskSourceType.BLOCK, id="b")),
        DiskInfo(source=DiskSource(DiskSourceType.RAW, id="r")),
    ],
)
def test_m_al_12_exclusive_disk_is_taken_whole_or_not_at_all(info: DiskInfo) -> None:
    large, small = disk(100, info), disk(40, info)
    assert len(large + small) == 2
    assert not large.contains(small)
    with pytest.raises(ResourcesError):
        large - small
    assert large - large == Resources.EMPTY
    assert (large + small) - large == small
    assert (large + large).scalar("disk") == to_milli(200)


def test_m_al_12_raw_disk_without_id_can_be_divided() -> None:
    raw = disk(100, DiskInfo(source=DiskSource(DiskSourceType.RAW, profile="fast")))
    part = disk(40, DiskInfo(source=DiskSource(DiskSourceType.RAW, profile="fast")))
    assert (raw - part).scalar("disk") == to_milli(60)


def test_m_al_12_two_mounts_stay_two() -> None:
    mounts = mount("/a", 100) + mount("/b", 100)
    assert len(mounts) == 2
    assert mounts - mount("/a", 100) == mount("/b", 100)


def test_m_al_10_a_volume_is_the_same_wherever_it_is_mounted_and_whoever_says_so() -> None:
    elsewhere = DiskInfo(persistence=Persistence("v1"), volume=Volume("other", "RO"))
    assert disk(10, VOLUME).contains(disk(10, elsewhere))
    assert disk(10, VOLUME) - disk(10, elsewhere) == Resources.EMPTY
    assert not disk(10, VOLUME).contains(disk(10, DiskInfo(persistence=Persistence("v2"), volume=Volume("data"))))


def test_m_al_10_allocating_keeps_each_volume_where_it_was_mounted() -> None:
    for path in ("data", "other"):
        mounted = disk(10, DiskInfo(persistence=Persistence("v1"), volume=Volume(path)))
        (item,) = mounted.allocated_to("ops")
        assert item.key.disk is not None
        assert item.key.disk.volume == Volume(path)


def test_x43_zero_and_empty_disappear() -> None:
    nothing = Resources.parse("cpus:0;ports:[];zones:{}")
    assert nothing == Resources.EMPTY
    assert not nothing
    assert len(nothing) == 0
    assert str(AGENT - AGENT) == ""


def test_x43_subtracting_what_is_not_there_raises_and_says_what_is_short() -> None:
    have = Resources.parse("cpus:2;mem:64;ports:[1-5]")
    with pytest.raises(ResourcesError) as caught:
        have - Resources.parse("cpus:3;mem:64;ports:[4-7];gpus:1")
    assert str(caught.value) == (
        "cpus:2; mem:64; ports:[1-5] does not contain cpus:3; mem:64; ports:[4-7]; gpus:1;"
        " short of cpus:1; ports:[6-7]; gpus:1"
    )


def test_x43_a_failed_subtraction_leaves_both_sides_as_they_were() -> None:
    have, want = Resources.parse("cpus:2;mem:64"), Resources.parse("cpus:1;mem:65")
    with pytest.raises(ResourcesError):
        have - want
    assert have == Resources.parse("cpus:2;mem:64")
    assert want == Resources.parse("cpus:1;mem:65")


def test_x42_one_name_cannot_have_two_types() -> None:
    scalar, ranges = Resources.parse("x:1"), Resources.parse("x:[1-2]")
    assert not scalar.contains(ranges)
    assert scalar.shortage(ranges) == ranges
    with pytest.raises(ResourcesError, match="types differ"):
        scalar + ranges
    with pytest.raises(ResourcesError, match="does not contain"):
        scalar - ranges


def test_x43_negative_amounts_do_not_come_in() -> None:
    with pytest.raises(ResourcesError, match="cpus:-1 is negative"):
        Resources.of([Resource(plain_key("cpus"), -1000)])


# Sharing.


def test_x45_shared_volumes_are_counted_by_copies() -> None:
    shared = disk(10, VOLUME, shared=True)
    (item,) = shared
    twice = shared + shared
    assert twice.copies(item) == 2
    assert len(twice) == 2
    assert twice.contains(shared)
    assert not shared.contains(twice)
    assert shared.shortage(twice) == shared
    assert twice - shared == shared
    assert twice - shared - shared == Resources.EMPTY
    with pytest.raises(ResourcesError):
        shared - twice
    assert Resources.of(twice) == twice


def test_x45_copies_do_not_make_more_disk() -> None:
    shared = disk(10, VOLUME, shared=True)
    assert (shared + shared).scalar("disk") == to_milli(10)
    assert (shared + shared).quantities() == {"disk": to_milli(10)}


# Allocation roles.


def test_x48_allocation_role_is_attached_and_stripped() -> None:
    offered = AGENT.allocated_to("golden")
    assert str(offered) == (
        "cpus(allocated: golden):4; mem(allocated: golden):4096; disk(allocated: golden):8192;"
        " ports(allocated: golden):[31000-32000]"
    )
    assert offered != AGENT
    assert not AGENT.contains(offered)
    assert offered.unallocated() == AGENT
    assert offered.allocated_to("dev") == AGENT.allocated_to("dev")


def test_x48_what_several_roles_have_adds_up_once_unallocated() -> None:
    half = Resources.parse("cpus:2;mem:2048;disk:4096;ports:[31000-31499]")
    rest = AGENT - half
    both = half.allocated_to("a") + rest.allocated_to("b")
    assert both.allocations() == {"a": half.allocated_to("a"), "b": rest.allocated_to("b")}
    assert both.unallocated() == AGENT


def test_x48_allocations_of_unallocated_resources_are_a_mistake() -> None:
    with pytest.raises(ResourcesError, match=r"cpus:4; .* is not allocated"):
        AGENT.allocations()
    with pytest.raises(ResourcesError, match="mem:1 is not allocated"):
        (Resources.scalars(cpus=1).allocated_to("a") + Resources.scalars(mem=1)).allocations()
    assert Resources.EMPTY.allocations() == {}


# Reservations.


def test_m_al_09_reserve_and_unreserve() -> None:
    part = Resources.parse("cpus:0.25;disk:64")
    reserved = part.push_reservation(OPS)
    assert str(reserved) == ("cpus(reservations: [(DYNAMIC,ops,op)]):0.25; disk(reservations: [(DYNAMIC,ops,op)]):64")
    total = AGENT - part + reserved
    assert total.reserved() == total.reserved("ops") == reserved
    assert total.unreserved() == AGENT - part
    assert total.reservations() == {"ops": reserved}
    assert total.to_unreserved() == AGENT
    assert reserved.pop_reservation() == part


def test_m_al_09_the_refusal_to_unreserve_twice_reads_as_in_mesos() -> None:
    with pytest.raises(ResourcesError) as caught:
        AGENT - Resources.scalars(cpus=0.25).push_reservation(OPS)
    assert str(caught.value).startswith(
        "cpus:4; mem:4096; disk:8192; ports:[31000-32000] does not contain cpus(reservations: [(DYNAMIC,ops,op)]):0.25"
    )


def test_x44_refining_pushes_a_strict_subrole_and_popping_uncovers_the_owner_below() -> None:
    refined = Resources.scalars(cpus=1).push_reservation(OPS).push_reservation(Reservation("DYNAMIC", "ops/db"))
    (item,) = refined
    assert item.role == "ops/db"
    assert refined.reserved("ops") == Resources.EMPTY
    assert refined.pop_reservation().reserved("ops") == Resources.scalars(cpus=1).push_reservation(OPS)


@pytest.mark.parametrize("role", ["ops", "dev", "op", "*", "", "ops/../x"])
def test_x44_only_a_strict_subrole_may_refine(role: str) -> None:
    reserved = Resources.scalars(cpus=1).push_reservation(OPS)
    with pytest.raises(ResourcesError, match="cannot reserve cpus"):
        reserved.push_reservation(Reservation("DYNAMIC", role))


def test_x44_static_reservations_are_at_the_bottom_and_never_popped() -> None:
    static = Resources.parse("cpus(ops):1")
    with pytest.raises(ResourcesError, match="statically reserved"):
        static.pop_reservation()
    with pytest.raises(ResourcesError, match="static reservation"):
        static.push_reservation(Reservation("STATIC", "ops/db"))
    assert static.push_reservation(Reservation("DYNAMIC", "ops/db")).pop_reservation() == static
    with pytest.raises(ResourcesError, match="not reserved"):
        Resources.scalars(cpus=1).pop_reservation()


@pytest.mark.parametrize(
    ("role", "cpus"), [("*", 1), ("a", 3), ("a/b", 7), ("a/b/c", 7), ("ab", 1), ("b", 1), ("a/bb", 3)]
)
def test_x44_allocatable_to_role_and_whoever_is_below_it(role: str, cpus: int) -> None:
    total = Resources.parse("cpus:1;cpus(a):2;cpus(a/b):4")
    assert total.allocatable_to(role).scalar("cpus") == to_milli(cpus)


def test_x47_a_reservation_makes_a_new_shape_that_filters_do_not_contain() -> None:
    refused = Resources.scalars(cpus=4, mem=4096)
    since = Resources.scalars(cpus=3, mem=4096) + Resources.scalars(cpus=1).push_reservation(OPS)
    assert refused.contains(Resources.scalars(cpus=3))
    assert not refused.contains(since)


# Looking in.


def test_m_al_25_quantities_drop_metadata_and_what_is_no_scalar() -> None:
    total = Resources.parse("cpus:1;cpus(ops):2.5;mem:64;ports:[1-2];zones:{a}") + disk(10, VOLUME)
    assert total.quantities() == {"cpus": 3500, "mem": 64_000, "disk": 10_000}
    assert total.scalar("cpus") == 3500
    assert total.scalar("ports") == total.scalar("gpus") == 0
    assert total.names() == {"cpus", "mem", "disk", "ports", "zones"}


def test_x42_parts_by_what_resources_are() -> None:
    revocable = Resources.of([Resource(ResourceKey("cpus", revocable=True), 1000)])
    shared = disk(10, VOLUME, shared=True)
    owned = disk(5, VOLUME)
    total = AGENT + revocable + shared + shared + owned + mount("/a", 1)
    assert total.revocable() == revocable
    assert total.non_revocable() + revocable == total
    assert total.shared() == shared + shared
    assert total.non_shared() + shared + shared == total
    assert total.persistent_volumes() == shared + shared + owned
    assert total.filter(lambda resource: resource.name == "disk" and resource.role == "ops") == (
        shared + shared + owned + mount("/a", 1)
    )
    assert total.filter(lambda resource: not resource.is_scalar) == Resources.parse("ports:[31000-32000]")


def test_m_al_25_equality_and_hash_ignore_order() -> None:
    one, two = Resources.parse("cpus:1;mem:2"), Resources.parse("mem:2;cpus:1")
    assert one == two
    assert hash(one) == hash(two)
    assert one != Resources.parse("cpus:1;mem:3")
    assert one != "cpus:1; mem:2"
    assert len({one, two, AGENT}) == 2


def test_m_al_25_copies_and_pickles_are_equal() -> None:
    total = AGENT + disk(10, VOLUME, shared=True)
    assert hash(total) == hash(pickle.loads(pickle.dumps(total)))
    assert pickle.loads(pickle.dumps(total)) == copy.deepcopy(total) == total


def test_x42_resources_print_all_that_sets_them_apart() -> None:
    key = ResourceKey(
        "disk",
        "ops",
        (Reservation("STATIC", "ops"), Reservation("DYNAMIC", "ops/db", "op", (("team", "red"), ("hot", None)))),
        DiskInfo(DiskSource(DiskSourceType.MOUNT, "/mnt"), Persistence("v1"), Volume("data", "RO")),
        revocable=True,
        shared=True,
    )
    assert str(Resource(key, 1500)) == (
        "disk(allocated: ops)(reservations: [(STATIC,ops), (DYNAMIC,ops/db,op,{team: red, hot})])"
        "[MOUNT:/mnt,v1:data:ro]{REV}<SHARED>:1.5"
    )
    assert repr(Resources.scalars(cpus=1)) == "<Resources cpus:1>"


def test_x43_what_is_left_is_worked_out_once_and_never_for_others() -> None:
    """Objects that have gone give their identity to the next ones: what is remembered must be of the very same two."""
    for cpus in range(2 * LEFT_MAX):
        have, held = Resources.parse(f"cpus:{cpus + 2};mem:64"), Resources.parse("cpus:1;mem:64")
        left, is_short = have.without(held)
        assert (str(left), is_short) == (f"cpus:{cpus + 1}", False)
        assert have.without(held)[0] is left
        assert held.without(have) == (Resources.EMPTY, True)
