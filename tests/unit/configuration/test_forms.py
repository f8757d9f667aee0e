"""Durations, sizes, addresses and names: what is read, how it is shown, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.configuration.forms import split_host_port
from mesos_service.configuration.units import Duration, Size
from mesos_service.domain.addresses import join_host_port


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("15secs", 15.0, "15secs"),
        ("500ms", 0.5, "500ms"),
        ("1mins", 60.0, "1mins"),
        ("60secs", 60.0, "1mins"),
        ("90secs", 90.0, "90secs"),
        ("1.5secs", 1.5, "1500ms"),
        ("10hrs", 36_000.0, "10hrs"),
        ("2weeks", 1_209_600.0, "2weeks"),
        ("7days", 604_800.0, "1weeks"),
        ("0secs", 0.0, "0ns"),
        ("0.1secs", 0.1, "100ms"),
    ],
)
def test_durations_are_read_and_shown_as_mesos_does(text: str, seconds: float, shown: str) -> None:
    duration = Duration.parse(text)

    assert duration.seconds == seconds
    assert str(duration) == shown


@pytest.mark.parametrize(
    "text", ["15", "secs", "15 seconds", "15s", "-1secs", "1e3secs", "inf", "9" * 30 + "weeks", ""]
)
def test_what_is_no_duration_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        Duration.parse(text)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_shown_duration_reads_back_exactly(nanoseconds: int) -> None:
    assert Duration.parse(str(Duration(nanoseconds))) == Duration(nanoseconds)


@pytest.mark.parametrize(
    ("text", "octets", "shown"), [("2GB", 2 * 1024**3, "2GB"), ("1536MB", 1536 * 1024**2, "1536MB"), ("0B", 0, "0B")]
)
def test_sizes_are_powers_of_1024(text: str, octets: int, shown: str) -> None:
    assert Size.parse(text) == Size(octets)
    assert str(Size(octets)) == shown


@pytest.mark.parametrize("text", ["2", "2gb", "GB", "-2GB", "2GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        Size.parse(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [("a:1", ("a", 1)), ("a", ("a", 5050)), ("[::1]:7", ("::1", 7)), ("[::1]", ("::1", 5050))],
)
def test_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert split_host_port(text, 5050) == address
    assert split_host_port(join_host_port(*address), 1) == address


@pytest.mark.parametrize("text", ["::1", "a:0", "a:99999", ":5", "a b:1", "u@a:1", "a:-1"])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        split_host_port(text, 5050)
