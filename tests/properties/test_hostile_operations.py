"""Whatever operations say, the master stays upright and its books agree (X14c, M-OM-09), after every step of it."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mesos_service.core.effects import Reply
from mesos_service.core.resource_messages import OperatorOperation, ResourceOperation
from mesos_service.domain.operations import made_by_operations, with_made
from mesos_service.wire.convert.operations import exact_operation, operation_from_wire, operation_to_wire
from mesos_service.wire.decode import decode_leniently
from mesos_service.wire.offers import OfferOperation
from tests.unit.core.master.infos import framework_info
from tests.unit.core.master.resource_world import applied, capable_agent, finish
from tests.unit.core.master.told import only
from tests.unit.core.master.world import World

Json = dict[str, Any]  # Any: JSON documents

ROLES = st.sampled_from(["role", "role/sub", "other", "*", "", "a/../b"])
LEVEL = st.fixed_dictionaries(
    {"type": st.sampled_from(["DYNAMIC", "DYNAMIC", "STATIC"]), "role": ROLES},
    optional={"principal": st.sampled_from(["p", ""]), "labels": st.just({"labels": [{"key": "k"}]})},
)
DISK = st.fixed_dictionaries(
    {},
    optional={
        "persistence": st.fixed_dictionaries({"id": st.sampled_from(["v", "w", "..", "a/b", ""])}),
        "volume": st.fixed_dictionaries(
            {"mode": st.sampled_from(["RW", "RO"]), "container_path": st.sampled_from(["data", "/abs", "../up", ""])},
            optional={"host_path": st.just("/etc")},
        ),
        "source": st.sampled_from(
            [
                {"type": "PATH", "path": {"root": "/p"}},
                {"type": "MOUNT", "mount": {"root": "/m"}},
                {"type": "MOUNT"},
                {"type": "RAW", "id": "r"},
            ]
        ),
    },
)
AMOUNT = st.sampled_from([0, 0.0001, 1, 2, 8, 16, -1, 1e18, 1e300])


def _of_a_kind(name: str) -> Json:
    if name == "ports":
        return {"type": "RANGES", "ranges": {"range": [{"begin": 31000, "end": 31003}]}}
    return {"type": "SCALAR"}


@st.composite
def resources(draw: st.DrawFn) -> Json:
    name = draw(st.sampled_from(["disk", "disk", "cpus", "mem", "ports", "gpus", ""]))
    made: Json = {"name": name, **_of_a_kind(name)}
    if name != "ports":
        made["scalar"] = {"value": draw(AMOUNT)}
    made["reservations"] = draw(st.lists(LEVEL, max_size=2))
    if draw(st.booleans()):
        made["disk"] = draw(DISK)
    for extra, value in (("shared", {}), ("revocable", {}), ("provider_id", {"value": "x"}), ("role", "role")):
        if draw(st.integers(0, 9)) == 0:
            made[extra] = value
    if draw(st.integers(0, 9)) == 0:
        made["allocation_info"] = {"role": draw(ROLES)}
    return made


RESOURCE = resources()
SEVERAL = st.lists(RESOURCE, max_size=3)
OPERATION = st.one_of(
    st.fixed_dictionaries(
        {
            "type": st.just("RESERVE"),
            "reserve": st.fixed_dictionaries({"resources": SEVERAL}, optional={"source": SEVERAL}),
        }
    ),
    st.fixed_dictionaries({"type": st.just("UNRESERVE"), "unreserve": st.fixed_dictionaries({"resources": SEVERAL})}),
    st.fixed_dictionaries({"type": st.just("CREATE"), "create": st.fixed_dictionaries({"volumes": SEVERAL})}),
    st.fixed_dictionaries({"type": st.just("DESTROY"), "destroy": st.fixed_dictionaries({"volumes": SEVERAL})}),
    st.fixed_dictionaries(
        {
            "type": st.just("GROW_VOLUME"),
            "grow_volume": st.fixed_dictionaries({"volume": RESOURCE, "addition": RESOURCE}),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("SHRINK_VOLUME"),
            "shrink_volume": st.fixed_dictionaries(
                {"volume": RESOURCE, "subtract": st.fixed_dictionaries({"value": AMOUNT})}
            ),
        }
    ),
    st.sampled_from([{"type": "RESERVE"}, {"type": "CREATE"}]),
)
GOOD = {"name": "disk", "type": "SCALAR", "reservations": [{"type": "DYNAMIC", "role": "role"}]}
VOLUME = {**GOOD, "disk": {"persistence": {"id": "v"}, "volume": {"mode": "RW", "container_path": "data"}}}
FIRST: list[Json] = [
    {"type": "RESERVE", "reserve": {"resources": [{**GOOD, "scalar": {"value": 32}}]}},
    {"type": "CREATE", "create": {"volumes": [{**VOLUME, "scalar": {"value": 8}}]}},
]
"""Something to work on."""


def asked(document: Json, operation_id: str | None = None) -> ResourceOperation | None:
    """As the wire reads it."""
    sent = decode_leniently(OfferOperation, msgspec.json.encode(document), "")
    read = operation_from_wire(sent)
    if read is None:
        return None
    if read[1] is None:
        # What the master lets through, its agent must be able to read.
        assert exact_operation(operation_to_wire(read[0])) == read[0]
    return ResourceOperation(read[0], None, read[1])


@settings(max_examples=150, deadline=None)
@given(st.lists(OPERATION, min_size=1, max_size=4), st.booleans())
def test_x14c_no_operation_breaks_the_master(documents: list[Json], by_operator: bool) -> None:
    world = World()
    node = capable_agent(world, "cpus:4;mem:64;disk:64;ports:[31000-31010]")
    configured = node.record.total
    scheduler = world.framework(framework_info(roles=("role",)))
    world.settle()
    operations = [one for document in (*FIRST, *documents) if (one := asked(document)) is not None]
    if by_operator:
        for one in operations:
            effects = world.take(
                OperatorOperation(
                    request=world.request(), agent_id=node.agent_id, operation=one.operation, refusal=one.refusal
                )
            )
            assert [reply.status in (202, 400, 409) for reply in only(effects, Reply)] == [True]
            for message in applied(effects):
                finish(node, message)
    else:
        effects = scheduler.accept(scheduler.offers, *operations)
        for message in applied(effects):
            finish(node, message)
    world.settle()
    assert node.record.operations == {}
    # Whatever has come about is what the agent could keep, and find again.
    assert with_made(configured, made_by_operations(node.record.total)) == node.record.total
    assert node.record.total.quantities() == configured.quantities()
