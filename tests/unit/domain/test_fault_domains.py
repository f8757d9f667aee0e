"""Regions and zones as flags write them, and who may register where (M-AL-21)."""

from __future__ import annotations

import pytest

from mesos_service.domain.fault_domains import FaultDomain, parse_fault_domain, refuse_place

EU = '{"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "rack1"}}}'


def test_m_al_21_a_domain_is_read_as_mesos_writes_it() -> None:
    assert parse_fault_domain(EU) == FaultDomain("eu", "rack1")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("eu", "a domain is written in JSON"),
        ("[" * 100_000, "a domain is written in JSON"),
        ("[]", "needs 'fault_domain'"),
        ("{}", "needs 'fault_domain'"),
        ('{"fault_domain": {}}', "needs 'region'"),
        ('{"fault_domain": {"region": "eu", "zone": {"name": "a"}}}', "needs 'region'"),
        ('{"fault_domain": {"region": {"name": "eu"}}}', "needs 'zone'"),
        ('{"fault_domain": {"region": {"name": 1}, "zone": {"name": "a"}}}', "'region' of a domain needs a 'name'"),
        ('{"fault_domain": {"region": {"name": "eu"}, "zone": {"name": ""}}}', "'zone' of a domain needs a 'name'"),
        ('{"fault_domain": {"region": {"name": "\\ud800"}, "zone": {"name": "a"}}}', "'region' .* that is no text"),
    ],
)
def test_m_al_21_what_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_fault_domain(text)


@pytest.mark.parametrize(
    ("master", "agent", "required", "refused"),
    [
        (None, None, False, False),
        (None, "us", False, True),
        ("eu", "us", False, False),
        ("eu", None, False, False),
        ("eu", None, True, True),
        ("eu", "us", True, False),
    ],
)
def test_m_al_21_who_may_register_where(master: str | None, agent: str | None, required: bool, refused: bool) -> None:
    places = [None if one is None else FaultDomain(one, "z") for one in (master, agent)]
    assert (refuse_place(*places, required=required) is not None) is refused
