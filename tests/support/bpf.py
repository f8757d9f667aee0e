"""Executes programs for seccomp(2) as the kernel would, for calls of whatever architecture."""

from __future__ import annotations

from typing import Literal

Order = Literal["little", "big"]


def run_program(
    program: bytes, architecture: int, number: int, arguments: tuple[int, ...], order: Order = "little"
) -> int:
    """What a program of classic BPF returns for a call, on a machine of this order of bytes; as far as programs for
    seccomp go."""
    data = number.to_bytes(4, order) + architecture.to_bytes(4, order) + bytes(8)
    data += b"".join(one.to_bytes(8, order) for one in (*arguments, *[0] * 6)[:6])
    at = accumulator = 0
    while True:
        code, yes, no = int.from_bytes(program[at * 8 : at * 8 + 2], order), *program[at * 8 + 2 : at * 8 + 4]
        operand = int.from_bytes(program[at * 8 + 4 : at * 8 + 8], order)
        at += 1
        if code == 0x20:
            accumulator = int.from_bytes(data[operand : operand + 4], order)
        elif code == 0x54:
            accumulator &= operand
        elif code == 0x05:
            at += operand
        elif code in (0x15, 0x25, 0x35, 0x45):
            true = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x35: accumulator >= operand}
            at += yes if true.get(code, bool(accumulator & operand)) else no
        else:
            assert code == 0x06, f"instruction {code:#x}"
            return operand
