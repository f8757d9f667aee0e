"""Which roles are in use, and what they hold."""

from __future__ import annotations

from mesos_service.core.master.role_use import roles_in_use
from mesos_service.wire.render import legacy_master, master_v1
from tests.unit.render.world import add_framework, add_offer, add_task, make_state, printed


def test_nobody_uses_any_role() -> None:
    assert roles_in_use(make_state()) == {}


def test_m_al_06_a_role_holds_what_its_subtree_holds() -> None:
    state = make_state()
    add_task(state, add_framework(state, "one", "eng/web"), "t1", "cpus:1", "eng/web")
    add_offer(state, add_framework(state, "two", "eng"), "o1", "cpus:0.5;mem:8", "eng")
    uses = roles_in_use(state)
    assert list(uses) == ["eng", "eng/web"]
    assert (uses["eng"].allocated, uses["eng"].offered) == ({"cpus": 1000}, {"cpus": 500, "mem": 8000})
    assert uses["eng"].resources() == {"cpus": 1500, "mem": 8000}
    assert (uses["eng/web"].allocated, uses["eng/web"].offered) == ({"cpus": 1000}, {})
    assert (uses["eng"].frameworks, uses["eng/web"].frameworks) == (["m-two"], ["m-one"])


def test_reserved_resources_are_consumed_once_whether_used_or_not() -> None:
    state = make_state("cpus(a):2;cpus:2;mem:64")
    add_task(state, add_framework(state, "one", "a"), "t1", "cpus(a):1;cpus:0.5;mem:32", "a")
    use = roles_in_use(state)["a"]
    assert use.reserved == {"cpus": 2000}
    assert use.allocated == {"cpus": 1500, "mem": 32000}
    assert use.consumed() == {"cpus": 2500, "mem": 32000}


def test_weights_make_a_role_known() -> None:
    state = make_state(weights={"heavy": 2.5})
    (role,) = printed(legacy_master.roles_answer(state))["roles"]
    assert (role["name"], role["weight"], role["resources"], role["frameworks"]) == ("heavy", 2.5, {}, [])
    assert printed(master_v1.get_roles(state)) == {"roles": [{"name": "heavy", "weight": 2.5}]}


def test_the_new_call_lists_plain_resources() -> None:
    state = make_state("cpus(a):2")
    add_task(state, add_framework(state, "one", "a"), "t1", "cpus(a):1", "a")
    (role,) = printed(master_v1.get_roles(state))["roles"]
    assert role["resources"] == [{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1.0}}]
