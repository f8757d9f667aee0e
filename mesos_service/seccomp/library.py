"""libseccomp, which makes the kernel's program of a profile: it knows the calls' numbers on each architecture.

As in Mesos; called by ctypes, since there is nothing to compile then.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Final

from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.seccomp.profile import ACTIONS, OPERATORS, Profile, Rule, version_of

_NAME: Final = "libseccomp.so.2"
_PROGRAM_BYTES_MAX: Final = 4096 * 8
"""The kernel takes no more (BPF_MAXINSNS)."""
_NO_SUCH_CALL: Final = -1
_PERMISSIVE: Final = frozenset({ACTIONS["SCMP_ACT_ALLOW"], ACTIONS["SCMP_ACT_LOG"]})
_EXISTS, _INVALID, _NO_MEMORY = -17, -22, -12
_NATIVE: Final = {
    "x86_64": "SCMP_ARCH_X86_64",
    "aarch64": "SCMP_ARCH_AARCH64",
    "i686": "SCMP_ARCH_X86",
    "armv7l": "SCMP_ARCH_ARM",
    "ppc64le": "SCMP_ARCH_PPC64LE",
    "s390x": "SCMP_ARCH_S390X",
    "riscv64": "SCMP_ARCH_RISCV64",
    "loongarch64": "SCMP_ARCH_LOONGARCH64",
}
"""By what ``uname`` says."""


class _Comparison(ctypes.Structure):
    """``struct scmp_arg_cmp``."""

    _fields_ = (
        ("index", ctypes.c_uint),
        ("operator", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


class Library:
    """Made where it is installed, for this machine or for one of another kind, as its ``uname`` says it.

    Raises :class:`ConfigurationError`, which says what is missing.
    """

    def __init__(self, machine: str | None = None) -> None:
        machine = platform.machine() if machine is None else machine
        try:
            library = ctypes.CDLL(_NAME, use_errno=True)
        except OSError as error:
            raise ConfigurationError(f"the library {_NAME} (package libseccomp2) is needed: {error}") from error
        native = _NATIVE.get(machine)
        if native is None:
            raise ConfigurationError(
                f"a machine of the kind '{machine}' is not known, only {', '.join(_NATIVE)}: take the isolator out of"
                " --isolation"
            )
        self.native = native
        """The machine's architecture, as profiles name it."""
        self.kernel = version_of(platform.release())
        library.seccomp_init.restype = ctypes.c_void_p
        library.seccomp_init.argtypes = (ctypes.c_uint32,)
        library.seccomp_release.argtypes = (ctypes.c_void_p,)
        library.seccomp_release.restype = None
        library.seccomp_arch_resolve_name.argtypes = (ctypes.c_char_p,)
        library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
        library.seccomp_arch_native.restype = ctypes.c_uint32
        for change in (library.seccomp_arch_add, library.seccomp_arch_remove):
            change.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        library.seccomp_syscall_resolve_name.argtypes = (ctypes.c_char_p,)
        arguments = (ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint, ctypes.POINTER(_Comparison))
        library.seccomp_rule_add_array.argtypes = arguments
        library.seccomp_export_bpf.argtypes = (ctypes.c_void_p, ctypes.c_int)
        self._library = library
        if not self._number(native):
            raise ConfigurationError(f"the library {_NAME} here does not know machines of the kind '{machine}'")

    def program(self, profile: Profile, capabilities: Collection[str]) -> bytes:
        """What the kernel is given for who has these ``capabilities``: 8 bytes for each instruction.

        Names that the library does not know are left out, as in Docker, whose profiles are newer than many a library:
        what is not allowed is refused. Where calls are allowed by default, leaving one out would allow it.

        Raises:
            OperatingFault: the library refuses something, or does not know a call that is to be refused, or the program
                is too long for the kernel.
        """
        with self._filter(profile) as made:
            for rule in profile.rules(self.native, capabilities, self.kernel):
                for name in rule.names:
                    self._add(made, name, rule, profile.default_number())
            return self._export(made)

    @contextmanager
    def _filter(self, profile: Profile) -> Iterator[int]:
        made: int | None = self._library.seccomp_init(profile.default_number())
        if made is None:
            raise OperatingFault(f"libseccomp cannot do '{profile.default_action}' by default")
        try:
            here, its = self._library.seccomp_arch_native(), self._number(self.native)
            if here != its:
                # A filter begins as one for this machine.
                self._library.seccomp_arch_remove(made, here)
                self._judge(made, self.native)
            for name in profile.others(self.native):
                self._judge(made, name)
            yield made
        finally:
            self._library.seccomp_release(made)

    def _number(self, architecture: str) -> int:
        """The kernel's, 0 where the library knows none."""
        number: int = self._library.seccomp_arch_resolve_name(architecture.removeprefix("SCMP_ARCH_").lower().encode())
        return number

    def _judge(self, made: int, architecture: str) -> None:
        """From now on, calls of this architecture, too."""
        number = self._number(architecture)
        result = self._library.seccomp_arch_add(made, number) if number else _INVALID
        if result not in (0, _EXISTS):
            raise OperatingFault(f"libseccomp cannot judge calls of '{architecture}' here: {os.strerror(-result)}")

    def _add(self, made: int, name: str, rule: Rule, default: int) -> None:
        # What is done by default needs no rule, and the library takes none.
        if rule.number() == default:
            return
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number == _NO_SUCH_CALL:
            if default in _PERMISSIVE and rule.number() not in _PERMISSIVE:
                raise OperatingFault(f"libseccomp does not know the system call '{name}', and so cannot refuse it")
            return
        # The library compares each argument once in a rule. Rules of one call are alternatives; so an argument that is
        # compared twice makes several rules, as in Docker.
        comparisons = [_Comparison(one.index, OPERATORS[one.op], one.value, one.value_two) for one in rule.args or ()]
        indices = [one.index for one in rule.args or ()]
        groups = [[one] for one in comparisons] if len(set(indices)) < len(indices) else [comparisons]
        for group in groups:
            array = (_Comparison * len(group))(*group)
            result = self._library.seccomp_rule_add_array(made, rule.number(), number, len(group), array)
            if result not in (0, _EXISTS):
                raise OperatingFault(
                    f"libseccomp cannot do '{rule.action}' for system call '{name}': {os.strerror(-result)}"
                )

    def _export(self, made: int) -> bytes:
        handle = os.memfd_create("seccomp", os.MFD_CLOEXEC)
        try:
            result = self._library.seccomp_export_bpf(made, handle)
            if result != 0:
                raise OperatingFault(f"libseccomp cannot make a program of it: {os.strerror(-result)}")
            length = os.fstat(handle).st_size
            if length > _PROGRAM_BYTES_MAX:
                raise OperatingFault("it becomes a program of more than 4096 instructions, which no kernel takes")
            return os.pread(handle, length, 0)
        finally:
            os.close(handle)
