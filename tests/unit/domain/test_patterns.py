"""Patterns of strangers mean what they mean elsewhere, and never take long (M-AL-14)."""

from __future__ import annotations

import random
import re

import pytest

from mesos_service.domain.patterns import DEPTH_MAX, Pattern


def drawn(source: random.Random, depth: int) -> str:
    kind = source.random()
    if depth == 0 or kind < 0.4:
        return source.choice(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\.", "x"])
    if kind < 0.6:
        return drawn(source, depth - 1) + drawn(source, depth - 1)
    if kind < 0.75:
        return f"({drawn(source, depth - 1)}|{drawn(source, depth - 1)})"
    return f"(?:{drawn(source, depth - 1)})" + source.choice(["*", "+", "?", "{2}", "{1,2}", "{0,}", "*?"])


@pytest.mark.parametrize("seed", range(200))
def test_m_al_14_a_pattern_means_what_it_means_to_the_standard_library(seed: int) -> None:
    source = random.Random(seed)
    text = drawn(source, 4)
    pattern = Pattern(text)
    for _ in range(20):
        tried = "".join(source.choice("abx1.") for _ in range(source.randrange(7)))
        assert pattern.matches(tried) == bool(re.fullmatch(text, tried, re.DOTALL)), (text, tried)


@pytest.mark.parametrize("text", ["(a*)*b", "((a|aa)+)+c", "(a|a)*d", ".*.*.*.*.*e"])
def test_m_al_14_patterns_that_would_take_for_ever_do_not(text: str) -> None:
    """Tried with what the standard library's would not have finished in the age of the universe."""
    assert not Pattern(text).matches("a" * 5000)


def test_anchors_at_the_ends_say_nothing_new() -> None:
    assert Pattern("^r[12]$").matches("r1") and not Pattern("^r$").matches("r1")


@pytest.mark.parametrize(
    "text,said",
    [
        ("(", "without its ')'"),
        ("a)", "too many"),
        ("*a", "means nothing"),
        ("[a", "without its ']'"),
        ("[z-a]", "bad character range"),
        ("a{3,1}", "counts down"),
        ("a{x}", "no count"),
        ("(?=x)", "not understood"),
        (r"\b", "not understood"),
        (r"(a)\1", "not understood"),
        ("a^b", "means nothing"),
        ("((a{100}){100}){100}", "repeats too much"),
        ("(" * (DEPTH_MAX + 1) + "a" + ")" * (DEPTH_MAX + 1), "groups within groups"),
        ("a" * 1000, "more than"),
    ],
)
def test_m_al_14_what_is_no_pattern_is_refused_with_a_sentence(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Pattern(text)
