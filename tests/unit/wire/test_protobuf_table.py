"""The table of numbers, beside the structs, and beside the .proto files of a client that we did not write (M-PK-03)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import msgspec
import pytest

from mesos_service.wire import agent_operator, executor, operator, scheduler
from mesos_service.wire.fields import Kind, fields_of
from mesos_service.wire.protobuf.notation import read_numbers
from mesos_service.wire.protobuf.table import ENUMS, FIELDS, numbered_fields
from tests.support.mesos_go import MESOS_GO
from tests.support.real_parts import missing_part

ROOTS = (
    scheduler.Call,
    scheduler.Event,
    executor.Call,
    executor.Event,
    operator.Call,
    operator.Response,
    operator.Event,
    agent_operator.Call,
    agent_operator.Response,
)


def below(cls: type[msgspec.Struct], found: set[type[msgspec.Struct]]) -> set[type[msgspec.Struct]]:
    """The messages that protobuf has of ``cls`` and all that it is made of."""
    if cls not in found:
        found.add(cls)
        for one in numbered_fields(cls):
            if one.field.message is not None:
                below(one.field.message, found)
    return found


def test_every_field_of_every_message_has_a_number_and_none_twice() -> None:
    reachable: set[type[msgspec.Struct]] = set()
    for root in ROOTS:
        below(root, reachable)
    assert reachable == set(FIELDS), "nothing is missing, nothing left over"
    for cls, text in FIELDS.items():
        assert list(read_numbers(text)) == list(cls.__struct_encode_fields__), cls.__name__


def test_every_value_of_every_enum_has_a_number() -> None:
    for cls in FIELDS:
        for one in numbered_fields(cls):
            if one.field.kind is Kind.ENUM:
                assert set(ENUMS[one.field.names]) == one.field.names


@pytest.mark.parametrize("text", ["a=1 a=2", "a=1 b=1"])
def test_what_is_said_twice_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="twice"):
        read_numbers(text)


PROTO_FILES = {
    "mesos.proto": "",
    "scheduler/scheduler.proto": "scheduler",
    "executor/executor.proto": "executor",
    "master/master.proto": "operator",
    "agent/agent.proto": "agent_operator",
}
FIELD = re.compile(r"(?:required|optional|repeated)\s+[\w.]+\s+(\w+)\s*=\s*(\d+)|^\s*(\w+)\s*=\s*(\d+)")
OPENING = re.compile(r"\b(?:message|enum)\s+(\w+)\s*\{")


def read_proto(path: Path) -> Iterator[tuple[str, str, int]]:
    """(message or enum, field or value, number) of a .proto file; nested names run together, as ours do."""
    text = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    text = re.sub(r"\[.*?\]", "", text, flags=re.DOTALL)
    within: list[str] = []
    for statement in re.findall(r"[^;{}]*[;{}]", text):
        opening = OPENING.search(statement)
        if opening is not None:
            within.append(opening.group(1))
        elif statement.endswith("}"):
            within.pop()
        elif statement.endswith(";") and within:
            found = FIELD.search(statement)
            if found is not None:
                yield "".join(within), found.group(1) or found.group(3), int(found.group(2) or found.group(4))


def structs_of(module: str) -> dict[str, type[msgspec.Struct]]:
    rooms = [module] if module else ["common", "resources", "offers", "agents", "frameworks", "tasks", "containers"]
    rooms += [] if module else ["checks", "policy", "statistics"]
    return {
        name: cls
        for room in rooms
        for name, cls in vars(import_module(f"mesos_service.wire.{room}")).items()
        if inspect.isclass(cls)
        and issubclass(cls, msgspec.Struct)
        and cls in FIELDS
        and cls.__module__.endswith(f".{room}")
    }


@pytest.mark.parametrize(("file", "module"), PROTO_FILES.items(), ids=PROTO_FILES)
def test_the_numbers_are_those_that_mesos_go_has(file: str, module: str) -> None:
    if not (MESOS_GO / file).exists():
        missing_part("mesos-go")
    structs = structs_of(module)
    compared = 0
    for message, name, number in read_proto(MESOS_GO / file):
        cls = structs.get(message)
        if cls is not None and name in fields_of(cls):
            assert read_numbers(FIELDS[cls])[name] == number, (message, name)
            compared += 1
    assert compared >= 30


def test_the_values_are_those_that_mesos_go_has() -> None:
    if not MESOS_GO.exists():
        missing_part("mesos-go")
    enums: dict[tuple[str, str], dict[str, int]] = {}
    for file in PROTO_FILES:
        for enum, name, number in read_proto(MESOS_GO / file):
            if name.isupper():
                enums.setdefault((file, enum), {})[name] = number
    compared = 0
    for theirs in enums.values():
        # mesos-go is older: it has fewer values, and in agent.proto and master.proto spells some of them otherwise.
        ours = [one for names, one in ENUMS.items() if set(theirs) <= names]
        if ours:
            assert any(all(one[name] == number for name, number in theirs.items()) for one in ours), theirs
            compared += 1
    assert compared > 15
