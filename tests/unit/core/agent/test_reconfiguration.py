"""May an agent come back as another than it was?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from mesos_service.core.agent.reconfiguration import refuse_reconfiguration
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.attributes import parse_attributes
from mesos_service.domain.resources import Resources

BEFORE = AgentInfo(
    hostname="h", resources=Resources.parse("cpus:2;mem:512"), attributes=parse_attributes("rack:r1;level:3")
)
MORE = {
    "resources": replace(BEFORE, resources=Resources.parse("cpus:4;mem:512;disk:10")),
    "attributes": replace(BEFORE, attributes=parse_attributes("rack:r1;level:3;new:yes")),
    "region": replace(BEFORE, region="r", zone="z"),
}
OTHER = {
    "hostname": replace(BEFORE, hostname="other"),
    "port": replace(BEFORE, port=1),
    "resources": replace(BEFORE, resources=Resources.parse("cpus:1;mem:512")),
    "attributes": replace(BEFORE, attributes=parse_attributes("rack:r2;level:3")),
}


@pytest.mark.parametrize("name", MORE)
def test_m_ag_17_more_is_allowed_under_additive_only(name: str) -> None:
    assert refuse_reconfiguration(BEFORE, MORE[name], additive=True) is None
    refusal = refuse_reconfiguration(BEFORE, MORE[name], additive=False)
    assert refusal is not None
    assert name in refusal


@pytest.mark.parametrize("name", OTHER)
@pytest.mark.parametrize("additive", [False, True])
def test_m_ag_17_other_than_it_was_is_refused_by_name(name: str, additive: bool) -> None:
    refusal = refuse_reconfiguration(BEFORE, OTHER[name], additive)
    assert refusal is not None
    assert refusal.startswith((f"its {name} was", f"its {name} were"))


def test_the_same_in_another_order_is_the_same() -> None:
    turned = replace(BEFORE, attributes=tuple(reversed(BEFORE.attributes)))
    assert refuse_reconfiguration(BEFORE, turned, additive=False) is None


def test_what_lost_its_region_is_another() -> None:
    refusal = refuse_reconfiguration(MORE["region"], BEFORE, additive=True)
    assert refusal == "its region and zone was r/z and is not set"
