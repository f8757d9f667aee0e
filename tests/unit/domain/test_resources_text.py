"""Reading ``--resources``, and what is refused there and elsewhere (M-AL-09, M-AL-10, M-AL-25, X46)."""

from __future__ import annotations

import json

import pytest

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
    Value,
    Volume,
    plain_key,
    refuse_old_and_new_format,
    validate,
)
from mesos_service.domain.resources_text import ResourcesParseError, parse_resources


def cpus_json(**fields: object) -> str:
    return json.dumps([{"name": "cpus", "type": "SCALAR", "scalar": {"value": 1}} | fields])


def disk_json(**fields: object) -> str:
    return json.dumps([{"name": "disk", "type": "SCALAR", "scalar": {"value": 50}} | fields])


def test_m_al_25_text_form() -> None:
    assert parse_resources(" cpus:4; mem : 1024.5;ports:[1-2, 4-5];disk(role):10;zones:{a,b};") == (
        Resource(plain_key("cpus"), 4000),
        Resource(plain_key("mem"), 1_024_500),
        Resource(plain_key("ports"), Ranges(((1, 2), (4, 5)))),
        Resource(ResourceKey("disk", reservations=(Reservation("STATIC", "role"),)), 10_000),
        Resource(plain_key("zones"), frozenset(("a", "b"))),
    )


def test_m_al_25_the_text_form_prints_back() -> None:
    assert str(Resources.parse("cpus:4;mem:4096;disk:8192;ports:[31000-32000]")) == (
        "cpus:4; mem:4096; disk:8192; ports:[31000-32000]"
    )


def test_m_al_25_one_name_twice_adds_up() -> None:
    assert Resources.parse("cpus:1;cpus:0.5;ports:[1-2];ports:[3-4]") == Resources.parse("cpus:1.5;ports:[1-4]")


def test_m_al_09_what_names_no_role_goes_to_the_default_role() -> None:
    assert Resources.parse("cpus:1;mem(*):2", "ops") == Resources.parse("cpus(ops):1;mem:2")
    assert Resources.parse(cpus_json(), "ops") == Resources.parse("cpus(ops):1")
    assert Resources.parse(cpus_json(role="*"), "ops") == Resources.parse("cpus:1")


def test_x46_zero_is_kept_for_the_caller_to_see_and_is_no_resource() -> None:
    assert parse_resources("gpus:0") == (Resource(plain_key("gpus"), 0),)
    assert Resources.parse("gpus:0") == Resources.EMPTY


def test_m_al_25_nothing_is_lawful() -> None:
    assert parse_resources("") == parse_resources(" ; ") == parse_resources("[]") == ()


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("cpus:4;mem", "'mem'"),
        ("cpus=4", "'cpus=4'"),
        ("cpus:four", "'cpus:four': 'four' is not a number"),
        ("cpus:", "'cpus:'"),
        ("cpus:-1", "'cpus:-1': -1 is negative"),
        ("cpus:nan", "'cpus:nan'"),
        (":4", "':4' has no name"),
        ("cpus(a:4", "'cpus(a:4'"),
        ("cpus(a b):4", "'cpus(a b):4': Role component 'a b'"),
        ("cpus():4", "'cpus():4'"),
        ("ports:[5-1]", "'ports:[5-1]'"),
        ("ports:[1-2", "'ports:[1-2'"),
        ("zones:{a,}", "'zones:{a,}'"),
        ("gpus:0.5", "gpus:0.5"),
        ("x:1;x:[1-2]", "'x' have different types"),
        ("x:1;x(ops):[1-2]", "'x' have different types"),
        ("[", "not JSON"),
        ('[{"name": "cpus", "type": "SCALAR", "scalar": {"value": NaN}}]', "NaN"),
        pytest.param("[" * 100_000, "not JSON", id="nested too deeply"),
        ('["cpus"]', "[0] is not an object"),
        ('[{"type": "SCALAR"}]', "[0].name is missing"),
        ('[{"name": "cpus", "type": "SCALAR"}]', "[0].scalar is not an object"),
        (cpus_json(name="\ud800"), "not lawful Unicode"),
        (cpus_json(name=""), "Empty resource name"),
        (cpus_json(type="TEXT"), "'TEXT'"),
        (cpus_json(scalar={"value": True}), "[0].scalar.value is not text"),
        (cpus_json(scalar={"value": -1}), "[0]: -1 is negative"),
        (cpus_json(type="RANGES", ranges={"range": [{"begin": 1}]}), "[0].ranges.range[0].end is missing"),
        (cpus_json(type="RANGES", ranges={"range": [{"begin": 1, "end": 1.5}]}), "end '1.5'"),
        (cpus_json(type="SET", set={"item": [1, {}]}), "[0]: set.item"),
        (cpus_json(role="a b"), "Role component 'a b'"),
        (cpus_json(role="ops", reservations=[{"type": "STATIC", "role": "ops"}]), "[0]: 'role'"),
        (cpus_json(reservations=[{"type": "LOOSE", "role": "ops"}]), "[0].reservations[0]: type 'LOOSE'"),
        (cpus_json(reservations={}), "[0].reservations is not an array"),
        (cpus_json(disk={"source": {"type": "PATH"}}), "DiskInfo cannot be set on 'cpus'"),
        (disk_json(disk={"source": {"type": "TAPE"}}), "[0].disk.source: type 'TAPE'"),
        (
            disk_json(disk={"persistence": {"id": "v"}, "volume": {"container_path": "p", "mode": "WO"}}),
            "[0].disk.volume: mode 'WO'",
        ),
    ],
)
def test_m_al_25_mistakes_name_the_piece_at_fault(text: str, culprit: str) -> None:
    with pytest.raises(ResourcesParseError) as caught:
        Resources.parse(text)
    assert culprit in str(caught.value)
    assert isinstance(caught.value, ConfigurationError)


def test_m_al_09_an_unlawful_default_role_is_refused() -> None:
    with pytest.raises(ResourcesParseError, match="default role"):
        Resources.parse("cpus:1", "a b")


def test_m_al_25_json_form_reads_numbers_exactly_and_also_from_text() -> None:
    text = """[
      {"name": "cpus", "type": "SCALAR", "scalar": {"value": 0.1}, "unheard_of": [1]},
      {"name": "mem", "type": "SCALAR", "scalar": {"value": "64"}, "role": "ops"},
      {"name": "ports", "type": "RANGES", "ranges": {"range": [{"begin": 1, "end": "2"}, {"begin": 3, "end": 4}]}},
      {"name": "zones", "type": "SET", "set": {"item": ["a", "b"]}}
    ]"""
    assert Resources.parse(text) == Resources.parse("cpus:0.1;mem(ops):64;ports:[1-4];zones:{a,b}")


def test_m_al_09_json_form_reads_both_ways_to_say_reservations() -> None:
    labels = {"labels": [{"key": "team", "value": "red"}, {"key": "hot"}]}
    new = {"type": "DYNAMIC", "role": "ops", "principal": "op", "labels": labels}
    expected = Reservation("DYNAMIC", "ops", "op", (("team", "red"), ("hot", None)))
    (first,) = parse_resources(cpus_json(reservations=[new]))
    (second,) = parse_resources(cpus_json(role="ops", reservation={"principal": "op", "labels": labels}))
    assert first == second
    assert first.key.reservations == (expected,)


def test_m_al_09_json_form_reads_a_refined_stack() -> None:
    stack = [{"type": "STATIC", "role": "ops"}, {"type": "DYNAMIC", "role": "ops/db"}]
    (resource,) = parse_resources(cpus_json(reservations=stack))
    assert resource.key.reservations == (Reservation("STATIC", "ops"), Reservation("DYNAMIC", "ops/db"))


def test_m_al_12_json_form_reads_disks() -> None:
    source = {"type": "MOUNT", "mount": {"root": "/mnt"}, "id": "i", "profile": "fast", "vendor": "acme"}
    (resource,) = parse_resources(
        disk_json(
            disk={
                "source": source,
                "persistence": {"id": "v1", "principal": "op"},
                "volume": {"container_path": "data", "mode": "RW"},
            },
            role="ops",
            shared={},
            provider_id={"value": "p"},
        )
    )
    assert resource.key.disk == DiskInfo(
        DiskSource(DiskSourceType.MOUNT, "/mnt", "i", "fast", "acme"), Persistence("v1")
    )
    assert resource.key.disk is not None
    assert resource.key.disk.persistence is not None
    assert resource.key.disk.persistence.principal == "op"
    assert resource.key.disk.volume == Volume("data")
    assert resource.key.shared
    assert resource.key.provider_id == "p"
    assert not resource.key.revocable


# Refusals.

OPS = (Reservation("DYNAMIC", "ops"),)
VOLUME = DiskInfo(persistence=Persistence("v1"), volume=Volume("data"))
LAWFUL_VOLUME = ResourceKey("disk", reservations=OPS, disk=VOLUME)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (plain_key("cpus", "golden"), 1),
        (plain_key("gpus"), 2000),
        (plain_key("ports"), Ranges(((0, 0),))),
        (ResourceKey("cpus", revocable=True), 1000),
        (LAWFUL_VOLUME, 1000),
        (LAWFUL_VOLUME._replace(shared=True), 1000),
        (ResourceKey("disk", disk=DiskInfo(source=DiskSource(DiskSourceType.MOUNT, "/mnt"))), 1000),
    ],
)
def test_m_al_25_lawful_resources_pass(key: ResourceKey, value: Value) -> None:
    assert validate([Resource(key, value)]) is None


@pytest.mark.parametrize(
    ("key", "value", "refusal"),
    [
        (
            plain_key("cpus", "golden"),
            -1000,
            "Resource 'cpus(allocated: golden):-1' is invalid: Invalid scalar resource: value <= 0",
        ),
        (
            plain_key("cpus", "golden"),
            0,
            "Resource 'cpus(allocated: golden):0' is invalid: Invalid scalar resource: value <= 0",
        ),
        (plain_key(""), 1000, "Empty resource name"),
        (plain_key("gpus"), 1500, "'gpus' must be a whole number"),
        (plain_key("gpus"), frozenset("a"), "'gpus' must be a scalar"),
        (plain_key("ports"), Ranges.EMPTY, "no range"),
        (plain_key("zones"), frozenset(), "no item"),
        (plain_key("cpus", "a b"), 1000, "Invalid allocation role: Role component 'a b'"),
        (ResourceKey("cpus", reservations=(Reservation("STATIC", "*"),)), 1000, "'*' cannot be reserved to"),
        (ResourceKey("cpus", reservations=(Reservation("STATIC", "/a"),)), 1000, "Role '/a' cannot start"),
        (ResourceKey("cpus", reservations=(*OPS, Reservation("STATIC", "ops/a"))), 1000, "bottom of the stack"),
        (ResourceKey("cpus", reservations=(*OPS, Reservation("DYNAMIC", "dev"))), 1000, "strict sub-role of 'ops'"),
        (ResourceKey("cpus", reservations=OPS, revocable=True), 1000, "Revocable resources cannot be dynamically"),
        (ResourceKey("cpus", shared=True), 1000, "Only persistent volumes can be shared"),
        (ResourceKey("mem", reservations=OPS, disk=VOLUME), 1000, "DiskInfo cannot be set on 'mem'"),
        (LAWFUL_VOLUME._replace(reservations=()), 1000, "from unreserved resources"),
        (
            LAWFUL_VOLUME._replace(reservations=(Reservation("STATIC", "ops"),), revocable=True),
            1000,
            "from revocable resources",
        ),
        (LAWFUL_VOLUME._replace(disk=DiskInfo()), 1000, "DiskInfo is set but empty"),
        (LAWFUL_VOLUME._replace(disk=DiskInfo(volume=Volume("p"))), 1000, "Non-persistent volumes"),
        (LAWFUL_VOLUME._replace(disk=DiskInfo(persistence=Persistence("v"))), 1000, "need 'volume'"),
        (
            LAWFUL_VOLUME._replace(disk=DiskInfo(persistence=Persistence("a/b"), volume=Volume("p"))),
            1000,
            "Invalid persistence ID",
        ),
        (
            LAWFUL_VOLUME._replace(disk=DiskInfo(persistence=Persistence("v"), volume=Volume("p", "RW", "/h"))),
            1000,
            "cannot have a 'host_path'",
        ),
        (
            LAWFUL_VOLUME._replace(disk=DiskInfo(persistence=Persistence("v"), volume=Volume(""))),
            1000,
            "need a 'container_path'",
        ),
        (
            LAWFUL_VOLUME._replace(
                disk=DiskInfo(DiskSource(DiskSourceType.RAW), Persistence("v"), Volume("p")),
            ),
            1000,
            "from RAW disk",
        ),
    ],
)
def test_x46_m_al_10_unlawful_resources_are_refused(key: ResourceKey, value: Value, refusal: str) -> None:
    answer = validate([Resource(plain_key("cpus"), 1000), Resource(key, value)])
    assert answer is not None
    assert refusal in answer


def test_m_al_10_two_uses_of_one_volume_are_judged_apart() -> None:
    unlawful = LAWFUL_VOLUME._replace(disk=DiskInfo(persistence=Persistence("v1"), volume=Volume("p", "RW", "/h")))
    assert unlawful == LAWFUL_VOLUME
    assert validate([Resource(LAWFUL_VOLUME, 1000)]) is None
    assert validate([Resource(unlawful, 1000)]) is not None
    assert validate([Resource(LAWFUL_VOLUME, 1000)]) is None


@pytest.mark.parametrize(
    ("role", "has_reservation", "has_reservations", "lawful"),
    [
        (None, False, False, True),
        ("*", False, False, True),
        ("ops", False, False, True),
        ("ops", True, False, True),
        (None, False, True, True),
        ("*", True, False, False),
        (None, True, False, False),
        ("ops", False, True, False),
        (None, True, True, False),
    ],
)
def test_m_al_09_a_reservation_is_said_in_one_way_only(
    role: str | None, has_reservation: bool, has_reservations: bool, lawful: bool
) -> None:
    refusal = refuse_old_and_new_format(role, has_reservation=has_reservation, has_reservations=has_reservations)
    assert (refusal is None) is lawful
