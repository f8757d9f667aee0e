"""Scalars in thousandths, ranges and sets (X40, X41)."""

from __future__ import annotations

import pytest

from mesos_service.domain.values import (
    MILLI_MAX,
    RANGE_BOUND_MAX,
    Ranges,
    format_milli,
    from_milli,
    is_number,
    parse_set,
    to_milli,
    to_milli_signed,
)


def test_x40_a_tenth_and_two_tenths_are_three_tenths() -> None:
    assert to_milli(0.1) + to_milli(0.2) == to_milli(0.3)


@pytest.mark.parametrize(
    ("value", "milli"),
    [
        (0.1, 100),
        (4, 4000),
        (0.0004, 0),
        (0.0005, 1),
        (0.0015, 2),
        (1.23449, 1234),
        (0.0004999999999999999, 0),
        # Adding a half to this one, scaled, would already lose it: halves are no doubles at that size.
        (4503599627370.497, 4503599627370497),
        (4096.0, 4_096_000),
        ("0.1", 100),
        ("0.0005", 1),
        ("0.00049999999999999999999999999999999999", 0),
        ("1e3", 1_000_000),
        ("1e-9999", 0),
        ("0e9999", 0),
        (" 2.5 ", 2500),
        (".5", 500),
        ("9007199254740993.001", 9007199254740993001),
    ],
)
def test_x40_to_milli_rounds_half_away_from_zero(value: float | str, milli: int) -> None:
    assert to_milli(value) == milli


@pytest.mark.parametrize(("value", "milli"), [(-0.0005, -1), (-0.0004, 0), ("-1.0005", -1001), (-3, -3000)])
def test_x40_negative_halves_round_away_from_zero_too(value: float | str, milli: int) -> None:
    assert to_milli_signed(value) == milli


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), float("-inf"), 1e306, -1, -0.5, -1e-9, "-1", "-0.0001", MILLI_MAX, "1e9999", 1e17],
)
def test_x40_what_is_no_amount_is_refused(value: float | str) -> None:
    with pytest.raises(ValueError, match=r"negative|finite|too large"):
        to_milli(value)


@pytest.mark.parametrize("text", ["", "nan", "inf", "Infinity", "0x10", "1_000", "1,5", "four", "1e", "٣", "1" * 65])
def test_x40_text_that_is_no_number_is_refused(text: str) -> None:
    assert not is_number(text)
    with pytest.raises(ValueError, match="is not a number"):
        to_milli(text)


def test_x40_the_largest_amount_is_that_of_a_signed_64_bit_integer() -> None:
    assert to_milli("9223372036854775.807") == MILLI_MAX
    with pytest.raises(ValueError, match="too large"):
        to_milli("9223372036854775.808")


@pytest.mark.parametrize(
    ("milli", "text"), [(4000, "4"), (250, "0.25"), (1, "0.001"), (0, "0"), (-1000, "-1"), (-5, "-0.005")]
)
def test_n19_amounts_print_as_short_decimals(milli: int, text: str) -> None:
    assert format_milli(milli) == text
    assert from_milli(milli) == float(text)


@pytest.mark.parametrize(
    ("given", "coalesced"),
    [
        ([(1, 3), (2, 5)], [(1, 5)]),
        ([(1, 3), (4, 5)], [(1, 5)]),
        ([(1, 3), (5, 5)], [(1, 3), (5, 5)]),
        ([(7, 9), (1, 2)], [(1, 2), (7, 9)]),
        ([(1, 10), (2, 3), (12, 12)], [(1, 10), (12, 12)]),
        ([(0, RANGE_BOUND_MAX)], [(0, RANGE_BOUND_MAX)]),
        ([], []),
    ],
)
def test_x41_overlapping_and_adjacent_spans_become_one(
    given: list[tuple[int, int]], coalesced: list[tuple[int, int]]
) -> None:
    assert list(Ranges.of(given)) == coalesced
    assert Ranges.of(given) == Ranges(tuple(coalesced))


@pytest.mark.parametrize("span", [(2, 1), (-1, 3), (0, RANGE_BOUND_MAX + 1)])
def test_x41_a_span_is_ordered_and_unsigned_64_bit(span: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="range"):
        Ranges((span,))


def test_x41_subtraction_splits_spans() -> None:
    ports = Ranges.parse("[31000-32000]")
    assert str(ports - Ranges.parse("[31005-31006]")) == "[31000-31004, 31007-32000]"
    assert str(ports - Ranges.parse("[31000-31000, 32000-40000]")) == "[31001-31999]"
    assert ports - ports == Ranges.EMPTY
    assert Ranges.parse("[1-2, 4-5, 7-8]") - Ranges.parse("[2-7]") == Ranges.parse("[1-1, 8-8]")


def test_x41_union_and_intersection() -> None:
    assert Ranges.parse("[1-2]") | Ranges.parse("[3-4]") == Ranges.parse("[1-4]")
    assert Ranges.parse("[1-5, 8-9]") & Ranges.parse("[4-8]") == Ranges.parse("[4-5, 8-8]")


def test_x41_containment_size_and_numbers() -> None:
    ports = Ranges.parse("[1-3, 5-6]")
    assert ports.contains(Ranges.parse("[2-3, 5-5]"))
    assert ports.contains(Ranges.EMPTY)
    assert not ports.contains(Ranges.parse("[3-5]"))
    assert not Ranges.EMPTY.contains(ports)
    assert ports.size() == 5
    assert len(ports) == 2
    assert list(ports.numbers()) == [1, 2, 3, 5, 6]


@pytest.mark.parametrize("text", ["[ 31000 - 32000 , 4-5 ]", "[4-5,31000-32000]"])
def test_x41_ranges_are_read_from_text(text: str) -> None:
    assert Ranges.parse(text) == Ranges(((4, 5), (31000, 32000)))


def test_x41_empty_brackets_are_the_empty_ranges() -> None:
    assert Ranges.parse("[]") == Ranges.EMPTY
    assert not Ranges.EMPTY


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("1-2", "brackets"),
        ("[", "brackets"),
        ("[1-2, 5]", "'5'"),
        ("[1-2-3]", "'1-2-3'"),
        ("[a-b]", "'a-b'"),
        ("[1-2,]", "''"),
        ("[9-1]", "9-1"),
        ("[-1-2]", "'-1-2'"),
        ("[²-³]", "'²-³'"),
    ],
)
def test_x41_mistakes_in_ranges_are_named(text: str, culprit: str) -> None:
    with pytest.raises(ValueError, match="rang") as caught:
        Ranges.parse(text)
    assert culprit in str(caught.value)


def test_x41_sets_are_read_from_text() -> None:
    assert parse_set("{a, b,a}") == {"a", "b"}
    assert parse_set("{}") == frozenset()
    for text in ("a,b", "{a,,b}", "{"):
        with pytest.raises(ValueError, match="set"):
            parse_set(text)
