"""Laws of resource arithmetic (X40-X48, N19), against a slow definition that is plainly right.

The slow definition forgets all representation: scalars are counters, ranges are sets of numbers, and what never
merges is a multiset.
"""

from __future__ import annotations

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.domain.attributes import format_attributes, parse_attributes
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resources import (
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
    from_milli,
    to_milli,
    validate,
)
from mesos_service.domain.resources_text import ResourcesParseError
from mesos_service.domain.roles import ancestors, is_strict_subrole, refuse_role

# Few names, roles and numbers, so that what is drawn meets often.

SPANS = st.tuples(st.integers(0, 30), st.integers(0, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))
RANGES = st.lists(SPANS, max_size=5).map(Ranges.of)
STACKS = st.sampled_from(
    [
        (),
        (Reservation("STATIC", "a"),),
        (Reservation("DYNAMIC", "a", "p"),),
        (Reservation("DYNAMIC", "a", "q", (("k", "v"),)),),
        (Reservation("STATIC", "a"), Reservation("DYNAMIC", "a/b")),
        (Reservation("DYNAMIC", "b"),),
    ]
)
NONE: st.SearchStrategy[None] = st.none()
NO = st.just(False)
ALLOCATIONS = st.sampled_from([None, "a", "a/b"])
DISKS = st.sampled_from(
    [
        None,
        DiskInfo(DiskSource(DiskSourceType.PATH, "/p")),
        DiskInfo(DiskSource(DiskSourceType.MOUNT, "/m")),
        DiskInfo(DiskSource(DiskSourceType.RAW)),
        DiskInfo(DiskSource(DiskSourceType.RAW, id="r")),
        DiskInfo(persistence=Persistence("v"), volume=Volume("x")),
        DiskInfo(persistence=Persistence("v"), volume=Volume("y", "RO")),
    ]
)


def keys(
    names: list[str],
    disks: st.SearchStrategy[DiskInfo | None] = NONE,
    revocable: st.SearchStrategy[bool] = NO,
    shared: st.SearchStrategy[bool] = NO,
) -> st.SearchStrategy[ResourceKey]:
    fields = st.tuples(st.sampled_from(names), ALLOCATIONS, STACKS, disks, revocable, shared)
    return fields.map(lambda drawn: ResourceKey(*drawn))


SCALAR = st.tuples(keys(["cpus", "mem"], revocable=st.booleans()), st.integers(0, 5000))
DISK = st.tuples(keys(["disk"], DISKS, shared=st.booleans()), st.sampled_from([0, 1000, 2000]))
PORTS = st.tuples(keys(["ports"]), RANGES)
ZONES = st.tuples(keys(["zones"]), st.frozensets(st.sampled_from("abc")))
ITEMS = st.lists(st.one_of(SCALAR, DISK, PORTS, ZONES).map(lambda pair: Resource(*pair)), max_size=6)
BUNDLES = ITEMS.map(Resources.of)

Model = Counter[tuple[object, ...]]


def model(items: list[Resource]) -> Model:
    """What a bundle of ``items`` holds: thousandths and copies are counted, numbers and set items are there or not."""
    counts: Model = Counter()
    for key, value in items:
        if key.shared or (key.disk is not None and is_whole(key.disk)):
            if value:
                counts["copy", key, value] += 1
        elif isinstance(value, int):
            counts["milli", key] += value
        else:
            members = value.numbers() if isinstance(value, Ranges) else value
            for member in members:
                counts["member", key, member] = 1
    return +counts


def is_whole(disk: DiskInfo) -> bool:
    if disk.persistence is not None:
        return True
    assert disk.source is not None
    return disk.source.type == "MOUNT" or (disk.source.type == "RAW" and disk.source.id == "r")


def joined(left: Model, right: Model) -> Model:
    total = left + right
    for entry in total:
        if entry[0] == "member":
            total[entry] = 1
    return total


# Scalars and ranges.


@given(st.integers(0, 2**50))
def test_x40_every_amount_survives_the_wire(milli: int) -> None:
    assert to_milli(from_milli(milli)) == milli


@given(st.decimals(0, 10**12, places=9, allow_nan=False))
def test_n19_decimal_text_is_rounded_as_the_decimal_it_is(amount: Decimal) -> None:
    expected = int((amount * 1000).to_integral_value(ROUND_HALF_UP))
    assert to_milli(str(amount)) == expected
    assert to_milli(format(amount, "f")) == expected


@given(st.floats(0, 1e9, allow_nan=False))
def test_x40_a_float_is_off_by_half_a_thousandth_at_most(amount: float) -> None:
    assert abs(to_milli(amount) - Fraction(amount) * 1000) <= Fraction(1, 2) + Fraction(1, 10**3)


@given(st.lists(SPANS, max_size=6))
def test_x41_ranges_hold_what_was_put_in_and_are_coalesced(spans: list[tuple[int, int]]) -> None:
    ranges = Ranges.of(spans)
    assert set(ranges.numbers()) == {number for begin, end in spans for number in range(begin, end + 1)}
    assert ranges.size() == len(set(ranges.numbers()))
    assert all(begin <= end for begin, end in ranges)
    assert all(left[1] + 1 < right[0] for left, right in zip(ranges.spans, ranges.spans[1:], strict=False))
    assert Ranges.parse(str(ranges)) == ranges


@given(RANGES, RANGES)
def test_x41_ranges_behave_as_sets_of_numbers(left: Ranges, right: Ranges) -> None:
    mine, yours = set(left.numbers()), set(right.numbers())
    for ranges, numbers in ((left | right, mine | yours), (left - right, mine - yours), (left & right, mine & yours)):
        assert list(ranges.numbers()) == sorted(numbers)
        # Equal sets are equal values, however they came about.
        assert ranges == Ranges.of((number, number) for number in numbers)
    assert left.contains(right) == (mine >= yours)


# Resources.


@given(ITEMS, ITEMS)
def test_x42_addition_is_as_the_slow_definition_says(left: list[Resource], right: list[Resource]) -> None:
    total = Resources.of(left) + Resources.of(right)
    assert model(list(total)) == joined(model(left), model(right))
    assert total == Resources.of([*left, *right])


@given(ITEMS, ITEMS)
def test_x43_containment_subtraction_and_shortage_agree_with_the_slow_definition(
    left: list[Resource], right: list[Resource]
) -> None:
    have, want = Resources.of(left), Resources.of(right)
    fits = model(right) <= model(left)
    assert have.contains(want) is fits
    assert (not have.shortage(want)) is fits
    assert model(list(have.shortage(want))) == model(right) - model(left)
    rest, is_short = have.without(want)
    assert is_short is not fits
    assert model(list(rest)) == model(left) - model(right)
    if fits:
        assert model(list(have - want)) == model(left) - model(right)
        assert (have - want) + want == have
    else:
        with pytest.raises(ResourcesError):
            have - want


@given(BUNDLES, BUNDLES, BUNDLES)
def test_x42_addition_commutes_and_associates(one: Resources, two: Resources, three: Resources) -> None:
    assert one + two == two + one
    assert hash(one + two) == hash(two + one)
    assert (one + two) + three == one + (two + three)
    assert one + Resources.EMPTY == one == Resources.EMPTY + one


@given(BUNDLES, BUNDLES)
def test_x43_what_was_added_is_contained(one: Resources, two: Resources) -> None:
    total = one + two
    assert total.contains(one)
    assert total.contains(two)
    assert total - total == Resources.EMPTY
    assert bool(total) is (len(total) > 0)
    if not (one.names() | two.names()) & {"ports", "zones"}:
        # Members of ranges and sets that both had are there only once.
        assert total - two == one


@given(BUNDLES, BUNDLES)
def test_x40_arithmetic_changes_neither_side(one: Resources, two: Resources) -> None:
    before = list(one), list(two)
    one + two
    one.shortage(two)
    if one.contains(two):
        one - two
    assert (list(one), list(two)) == before


@given(BUNDLES)
def test_x43_nothing_zero_or_empty_is_there(bundle: Resources) -> None:
    assert all(item.value for item in bundle)
    assert Resources.of(bundle) == bundle
    assert len(list(bundle)) == len(bundle)


@given(BUNDLES)
def test_x45_quantities_count_shared_resources_once(bundle: Resources) -> None:
    shared = {item for item in bundle if item.key.shared}
    expected: Counter[str] = Counter()
    for item in [*(item for item in bundle if not item.key.shared), *shared]:
        if isinstance(item.value, int):
            expected[item.name] += item.value
    assert bundle.quantities() == expected
    for name in expected:
        assert bundle.scalar(name) == expected[name]


@given(BUNDLES, st.sampled_from(["a", "c"]))
def test_x48_allocation_is_only_a_label(bundle: Resources, role: str) -> None:
    allocated = bundle.allocated_to(role)
    assert allocated.unallocated() == bundle.unallocated()
    assert allocated.allocations() == ({role: allocated} if bundle else {})
    assert bundle.unallocated().unallocated() == bundle.unallocated()


@given(BUNDLES)
def test_x44_every_resource_is_in_one_part(bundle: Resources) -> None:
    owned = sum(bundle.reservations().values(), Resources.EMPTY)
    assert owned == bundle.reserved()
    assert bundle.unreserved() + owned == bundle
    assert bundle.revocable() + bundle.non_revocable() == bundle
    assert bundle.shared() + bundle.non_shared() == bundle


@given(BUNDLES, st.sampled_from(["*", "a", "a/b", "a/b/c", "b", "ab"]))
def test_x44_allocatable_to_a_role_is_what_it_or_its_ancestors_own(bundle: Resources, role: str) -> None:
    owners = (role, *ancestors(role))
    expected = sum((bundle.reserved(owner) for owner in owners), bundle.unreserved())
    assert bundle.allocatable_to(role) == expected


@given(BUNDLES)
def test_x44_popping_undoes_pushing(bundle: Resources) -> None:
    reservation = Reservation("DYNAMIC", "a/b/c", "p")
    candidates = bundle.allocatable_to("a/b/c")
    pushed = candidates.push_reservation(reservation)
    assert pushed.pop_reservation() == candidates
    assert pushed == pushed.reserved("a/b/c")
    assert pushed.to_unreserved() == candidates.to_unreserved()


@given(BUNDLES)
def test_m_al_25_validation_has_the_last_word_on_the_same_list(bundle: Resources) -> None:
    refusals = [validate([item]) for item in bundle]
    assert (validate(bundle) is None) is not any(refusals)


# Text.

TEXT_AMOUNTS = st.one_of(
    st.integers(1, 10**9).map(lambda milli: f"{milli // 1000}.{milli % 1000:03d}"),
    st.lists(SPANS, min_size=1, max_size=4).map(lambda spans: str(Ranges.of(spans))),
)


@given(st.dictionaries(st.sampled_from(["cpus", "mem", "ports", "x"]), TEXT_AMOUNTS, min_size=1))
def test_m_al_25_what_was_parsed_prints_to_what_parses_alike(amounts: dict[str, str]) -> None:
    once = Resources.parse(";".join(f"{name}:{amount}" for name, amount in amounts.items()))
    assert once
    assert Resources.parse(str(once)) == once


@given(st.text(st.sampled_from('cpus:;()[]{}-*/,.0123456789 "\\n\x00'), max_size=30) | st.text(max_size=30))
def test_m_al_25_no_text_breaks_the_parsers(text: str) -> None:
    try:
        Resources.parse(text)
    except ResourcesParseError as error:
        assert str(error)
    try:
        attributes = parse_attributes(text)
    except ConfigurationError as error:
        assert str(error)
    else:
        assert parse_attributes(format_attributes(attributes)) == attributes


JSON_VALUES = st.recursive(
    st.sampled_from(["null", "true", "1", "-0.5", "1e999", '"x"', '"SCALAR"', '"\\ud800"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda items: "[" + ",".join(items) + "]"),
        st.dictionaries(
            st.sampled_from(
                [
                    "name",
                    "type",
                    "scalar",
                    "value",
                    "role",
                    "disk",
                    "reservations",
                    "persistence",
                    "id",
                    "volume",
                    "mode",
                ]
            ),
            inner,
            max_size=4,
        ).map(lambda fields: "{" + ",".join(f'"{name}":{value}' for name, value in fields.items()) + "}"),
    ),
    max_leaves=12,
)


@given(JSON_VALUES)
def test_m_al_25_no_json_breaks_the_parser(value: str) -> None:
    lawful = '"name":"disk","type":"SCALAR","scalar":{"value":1}'
    for text in (f"[{value}]", f'[{{{lawful},"disk":{value}}}]', f'[{{{lawful},"reservations":{value}}}]'):
        try:
            Resources.parse(text)
        except ResourcesParseError as error:
            assert str(error)


@given(st.text(st.sampled_from("ab/.-* *\t"), max_size=8), st.text(st.sampled_from("ab/"), max_size=4))
def test_m_al_06_lawful_roles_have_lawful_ancestors(role: str, other: str) -> None:
    if refuse_role(role) is not None:
        return
    for ancestor in ancestors(role):
        assert refuse_role(ancestor) is None
        assert is_strict_subrole(role, of=ancestor)
    if other:
        assert is_strict_subrole(role, of=other) == (other in ancestors(role))
