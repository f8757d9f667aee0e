"""The program that says which devices may be opened, read by an interpreter of its few instructions (M-AG-06)."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.cgroups.device_program import Device, program, require_programs
from mesos_service.domain.errors import ConfigurationError

LINES = ("c *:* m", "c 1:3 rwm", "c 136:* rw", "b 8:0 r")
KINDS = {"b": 1, "c": 2}


def answer(code: bytes, kind: str, wish: int, major: int, minor: int) -> int:
    """As the kernel runs it (Linux, instruction set of BPF)."""
    registers = [0] * 11
    context = {0: wish << 16 | KINDS[kind], 4: major, 8: minor}
    instructions = [struct.unpack("<BBhi", code[at : at + 8]) for at in range(0, len(code), 8)]
    at = 0
    while True:
        operation, pair, offset, number = instructions[at]
        target, source = pair & 15, pair >> 4
        at += 1
        if operation == 0x61:
            assert source == 1, "only the context is memory"
            registers[target] = context[offset]
        elif operation == 0xBF:
            registers[target] = registers[source]
        elif operation == 0xB7:
            registers[target] = number
        elif operation == 0x57:
            registers[target] &= number
        elif operation == 0x77:
            registers[target] >>= number
        elif operation == 0x55:
            at += offset if registers[target] != number else 0
        else:
            assert operation == 0x95
            return registers[0]


def allowed(kind: str, wish: int, major: int, minor: int) -> bool:
    """The same, by the lines themselves."""
    for line in LINES:
        its, numbers, wishes = line.split()
        fits = all(one in ("*", str(number)) for one, number in zip(numbers.split(":"), (major, minor), strict=True))
        bits = sum({"m": 1, "r": 2, "w": 4}[one] for one in wishes)
        if its == kind and fits and not wish & ~bits:
            return True
    return False


@given(
    st.sampled_from("bc"), st.integers(1, 7), st.sampled_from([0, 1, 8, 136, 2**32 - 1]), st.sampled_from([0, 3, 2**20])
)
def test_m_ag_06_a_device_is_opened_where_one_line_allows_all_that_is_wanted(
    kind: str, wish: int, major: int, minor: int
) -> None:
    code = program([Device.read(line) for line in LINES])
    assert answer(code, kind, wish, major, minor) == allowed(kind, wish, major, minor)


def test_m_ag_06_without_lines_nothing_is_opened() -> None:
    assert answer(program(()), "c", 2, 1, 3) == 0


def test_m_ag_06_a_machine_whose_kernel_cannot_be_asked_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "pdp11")
    with pytest.raises(ConfigurationError, match=r"kernel refuses them: it is not known how to ask .* pdp11"):
        require_programs()
