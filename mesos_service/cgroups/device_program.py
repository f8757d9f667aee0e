"""Which devices a group of version 2 may open: a small program in the kernel, as there is no file to write that to.

The kernel runs it whenever a process of the group opens or makes a device node (``BPF_PROG_TYPE_CGROUP_DEVICE``; Linux,
Control Group v2, "Device controller"). It is told the kind and what is wanted in one number, then the device's two
numbers, and answers 1 for yes. It goes with its group.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from mesos_service.domain.errors import ConfigurationError, OperatingFault

_SYSTEM_CALLS: Final = {"x86_64": 321, "aarch64": 280, "riscv64": 280, "ppc64le": 361, "s390x": 351}
_LOAD, _ATTACH = 5, 8
_OF_DEVICES: Final = 15
"""``BPF_PROG_TYPE_CGROUP_DEVICE``."""
_TO_DEVICES: Final = 6
"""``BPF_CGROUP_DEVICE``."""
_BESIDE_OTHERS: Final = 2
"""``BPF_F_ALLOW_MULTI``: programs of groups above, such as a service manager's, are asked too."""
_LICENCE: Final = b"Apache-2.0"
_KINDS: Final = {"b": 1, "c": 2}
_WISHES: Final = {"m": 1, "r": 2, "w": 4}
_ALL_WISHES: Final = 7
_ANSWER, _CONTEXT, _WISH, _KIND, _MAJOR, _MINOR, _REST = 0, 1, 2, 3, 4, 5, 6
"""Registers."""
_LOAD_WORD, _COPY, _SET, _AND, _SHIFT_RIGHT, _JUMP_UNLESS, _EXIT = 0x61, 0xBF, 0xB7, 0x57, 0x77, 0x55, 0x95


class Device(NamedTuple):
    """One line of what is allowed; ``None`` is any number."""

    kind: str
    major: int | None
    minor: int | None
    wishes: str

    @classmethod
    def read(cls, text: str) -> Device:
        """From the form that version 1 has for it, such as ``c 136:* rwm``."""
        kind, numbers, wishes = text.split()
        major, minor = (None if number == "*" else int(number) for number in numbers.split(":"))
        return cls(kind, major, minor, wishes)


def program(allowed: Sequence[Device]) -> bytes:
    """Instructions that answer 1 for what one of the lines allows as a whole, else 0."""
    code = _instruction(_LOAD_WORD, _WISH, _CONTEXT, 0)
    code += _instruction(_COPY, _KIND, _WISH) + _instruction(_AND, _KIND, number=0xFFFF)
    code += _instruction(_SHIFT_RIGHT, _WISH, number=16)
    code += _instruction(_LOAD_WORD, _MAJOR, _CONTEXT, 4) + _instruction(_LOAD_WORD, _MINOR, _CONTEXT, 8)
    yes = _instruction(_SET, _ANSWER, number=1) + _instruction(_EXIT)
    for one in allowed:
        beyond = _ALL_WISHES & ~sum(_WISHES[wish] for wish in one.wishes)
        tests = [[_instruction(_JUMP_UNLESS, _KIND, number=_KINDS[one.kind])]]
        if beyond:
            rest = [_instruction(_COPY, _REST, _WISH), _instruction(_AND, _REST, number=beyond)]
            tests.append([*rest, _instruction(_JUMP_UNLESS, _REST, number=0)])
        for register, number in ((_MAJOR, one.major), (_MINOR, one.minor)):
            if number is not None:
                tests.append([_instruction(_JUMP_UNLESS, register, number=number)])
        steps = [step for test in tests for step in test]
        for place, step in enumerate(steps):
            # What does not fit goes on behind this line's answer.
            further = len(steps) - place - 1 + len(yes) // len(step) if step[0] == _JUMP_UNLESS else 0
            code += step[:2] + struct.pack("<h", further) + step[4:]
        code += yes
    return code + _instruction(_SET, _ANSWER, number=0) + _instruction(_EXIT)


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, number: int = 0) -> bytes:
    return struct.pack("<BBhi", code, target | source << 4, offset, number)


def require_programs() -> None:
    """Raises :class:`ConfigurationError` where the kernel takes no such programs from us, which says why."""
    try:
        os.close(_loaded(program(())))
    except OSError as error:
        raise ConfigurationError(
            "Bounding devices by version 2 of control groups takes programs in the kernel (BPF), and this kernel"
            f" refuses them: {error.strerror}"
        ) from error


def allow_only(group: Path, allowed: Sequence[Device]) -> None:
    """From now on nobody in the group, or below it, opens anything else. Raises :class:`OperatingFault`."""
    try:
        loaded = _loaded(program(allowed))
        try:
            directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                _call(_ATTACH, struct.pack("<IIIII", directory, loaded, _TO_DEVICES, _BESIDE_OTHERS, 0))
            finally:
                os.close(directory)
        finally:
            os.close(loaded)
    except OSError as error:
        raise OperatingFault(f"Failed to bound the devices of {group}: {error.strerror}") from error


def _loaded(code: bytes) -> int:
    """A descriptor of the program."""
    instructions = ctypes.create_string_buffer(code, len(code))
    licence = ctypes.create_string_buffer(_LICENCE)
    places = ctypes.addressof(instructions), ctypes.addressof(licence)
    return _call(_LOAD, struct.pack("<IIQQ", _OF_DEVICES, len(code) // 8, *places))


def _call(command: int, arguments: bytes) -> int:
    number = _SYSTEM_CALLS.get(platform.machine())
    if number is None or not hasattr(ctypes, "CDLL"):
        raise OSError(0, f"it is not known how to ask a kernel for {platform.machine()}")
    # The kernel takes fields that it knows and this does not for 0.
    buffer = ctypes.create_string_buffer(arguments.ljust(120, b"\0"), 120)
    answer = ctypes.CDLL(None, use_errno=True).syscall(number, command, buffer, len(buffer))
    if answer < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(answer)
