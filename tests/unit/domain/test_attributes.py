"""Agent attributes (M-AL-25, X49)."""

from __future__ import annotations

import pytest

from mesos_service.domain.attributes import Attribute, first, format_attributes, parse_attributes
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.values import Ranges


def test_m_al_25_scalars_ranges_and_text_are_told_apart() -> None:
    assert parse_attributes("rack:r1;level:3;range:[1-10]") == (
        Attribute("rack", "r1"),
        Attribute("level", 3000),
        Attribute("range", Ranges(((1, 10),))),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a:b:c", "b:c"),
        ("a: b ", "b"),
        ("a:-1.5", -1500),
        ("a:nan", "nan"),
        ("a:0x10", "0x10"),
        ("a:10.0.0.1", "10.0.0.1"),
        ("a:1.23456", 1235),
    ],
)
def test_m_al_25_values(text: str, value: int | str) -> None:
    assert parse_attributes(text) == (Attribute("a", value),)


def test_m_al_25_empty_pieces_mean_nothing() -> None:
    assert parse_attributes("") == ()
    assert parse_attributes(" rack:r1 ;; ") == (Attribute("rack", "r1"),)


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("rack:r1;level", "'level'"),
        (":r1", "':r1'"),
        ("rack:", "'rack:'"),
        ("zones:{a,b}", "is a set"),
        ("range:[1-x]", "'1-x'"),
        ("level:1e99", "too large"),
    ],
)
def test_m_al_25_mistakes_are_named(text: str, culprit: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_attributes(text)
    assert culprit in str(caught.value)


def test_x49_the_first_of_one_name_counts() -> None:
    attributes = parse_attributes("rack:r1;rack:r2")
    found = first(attributes, "rack")
    assert found == Attribute("rack", "r1")
    assert found is not None
    assert found.is_text
    assert first(attributes, "zone") is None


def test_m_al_25_what_was_read_prints_as_written() -> None:
    text = "rack:r1;level:3;weight:-0.5;range:[1-10, 12-13]"
    assert format_attributes(parse_attributes(text)) == text
