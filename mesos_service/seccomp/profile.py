"""Profiles of system calls, as Docker and Mesos write them in JSON (Mesos docs, "linux/seccomp"; seccomp(2)).

``{"defaultAction": ..., "archMap": [{"architecture", "subArchitectures"}], "syscalls": [{"names", "action", "args",
"includes", "excludes"}]}``. Lists that are empty may be left out. A profile that has something else in it, or something
that cannot be done here, is refused as a whole: half a profile would allow what nobody meant to allow.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Final

import msgspec

from mesos_service.domain.containers import CAPABILITIES

_ERRNO_MAX: Final = 4095
_EPERM: Final = 1
_ARGUMENTS_MAX: Final = 6
_KERNEL: Final = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")
_CALL: Final = re.compile(r"[A-Za-z0-9_]+")

ACTIONS: Final[Mapping[str, int]] = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
"""As the kernel numbers them (linux/seccomp.h)."""
_WITH_NUMBER: Final = frozenset({"SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"})
"""Those that tell whoever made the call an error number; ours is EPERM where a profile names none."""
OPERATORS: Final[Mapping[str, int]] = {
    "SCMP_CMP_NE": 1,
    "SCMP_CMP_LT": 2,
    "SCMP_CMP_LE": 3,
    "SCMP_CMP_EQ": 4,
    "SCMP_CMP_GE": 5,
    "SCMP_CMP_GT": 6,
    "SCMP_CMP_MASKED_EQ": 7,
}
"""As libseccomp numbers them (seccomp_rule_add(3))."""

ARCHITECTURES: Final[Mapping[str, str]] = {
    "SCMP_ARCH_X86": "x86",
    "SCMP_ARCH_X86_64": "amd64",
    "SCMP_ARCH_X32": "x32",
    "SCMP_ARCH_ARM": "arm",
    "SCMP_ARCH_AARCH64": "arm64",
    "SCMP_ARCH_MIPS": "mips",
    "SCMP_ARCH_MIPSEL": "mipsel",
    "SCMP_ARCH_MIPS64": "mips64",
    "SCMP_ARCH_MIPSEL64": "mipsel64",
    "SCMP_ARCH_MIPS64N32": "mips64n32",
    "SCMP_ARCH_MIPSEL64N32": "mipsel64n32",
    "SCMP_ARCH_PPC": "ppc",
    "SCMP_ARCH_PPC64LE": "ppc64le",
    "SCMP_ARCH_S390": "s390",
    "SCMP_ARCH_S390X": "s390x",
    "SCMP_ARCH_RISCV64": "riscv64",
    "SCMP_ARCH_LOONGARCH64": "loong64",
}
"""By the name in ``archMap``, the name in ``arches``."""

_Unsigned64 = Annotated[int, msgspec.Meta(ge=0)]
"""Checked for its upper end where it is used: a number beyond what 63 bits hold has no bound in msgspec."""
_Number = Annotated[int, msgspec.Meta(ge=0, le=_ERRNO_MAX)]


class NotAProfile(ValueError):
    """The text says what is wrong with it."""


class Argument(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What one argument of a call has to be. ``SCMP_CMP_MASKED_EQ``: ``value`` is the mask, ``valueTwo`` the result."""

    index: Annotated[int, msgspec.Meta(ge=0, lt=_ARGUMENTS_MAX)]
    value: _Unsigned64
    op: str
    value_two: _Unsigned64 = msgspec.field(name="valueTwo", default=0)


class _Condition(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    caps: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    min_kernel: str | None = msgspec.field(name="minKernel", default=None)


class Rule(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What becomes of some calls, where their arguments are as ``args`` says: all of them."""

    names: tuple[str, ...]
    action: str
    errno_ret: _Number | None = msgspec.field(name="errnoRet", default=None)
    args: tuple[Argument, ...] | None = ()
    comment: str | None = None
    includes: _Condition | None = None
    excludes: _Condition | None = None

    def number(self) -> int:
        """The kernel's number of the action."""
        return _numbered(self.action, self.errno_ret)


class _Family(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    architecture: str
    sub_architectures: tuple[str, ...] | None = msgspec.field(name="subArchitectures", default=())


class Profile(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One profile, seen to make sense by :func:`read_profile`."""

    default_action: str = msgspec.field(name="defaultAction")
    default_errno_ret: _Number | None = msgspec.field(name="defaultErrnoRet", default=None)
    arch_map: tuple[_Family, ...] | None = msgspec.field(name="archMap", default=())
    syscalls: tuple[Rule, ...] | None = ()

    def default_number(self) -> int:
        """The kernel's number of what becomes of calls without a rule."""
        return _numbered(self.default_action, self.default_errno_ret)

    def others(self, native: str) -> tuple[str, ...]:
        """Names of the architectures whose calls are to be judged, too, on a machine that is ``native``."""
        return tuple(
            other
            for family in self.arch_map or ()
            if family.architecture == native
            for other in family.sub_architectures or ()
        )

    def rules(self, native: str, capabilities: Collection[str], kernel: tuple[int, int]) -> Iterator[Rule]:
        """Those that hold on a machine that is ``native``, for who has these ``capabilities``."""

        def found(condition: _Condition) -> Iterator[tuple[bool, ...]]:
            """For each thing that is looked at, what is there of it."""
            if condition.arches:
                yield (ARCHITECTURES[native] in condition.arches,)
            if condition.caps:
                yield tuple(name.removeprefix("CAP_") in capabilities for name in condition.caps)
            if condition.min_kernel is not None:
                yield (kernel >= version_of(condition.min_kernel),)

        for rule in self.syscalls or ():
            # As in Mesos and Docker: what includes takes all of the capabilities, and one of them is enough to exclude.
            if rule.includes is not None and not all(map(all, found(rule.includes))):
                continue
            if rule.excludes is not None and any(map(any, found(rule.excludes))):
                continue
            yield rule


def read_profile(data: bytes) -> Profile:
    """Of JSON. Raises :class:`NotAProfile`."""
    try:
        profile = msgspec.json.decode(data, type=Profile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAProfile(str(error)) from error
    for fault in _faults(profile):
        raise NotAProfile(fault)
    return profile


def _faults(profile: Profile) -> Iterator[str]:
    yield from _wrong_action(profile.default_action, profile.default_errno_ret)
    for family in profile.arch_map or ():
        for name in (family.architecture, *(family.sub_architectures or ())):
            if name not in ARCHITECTURES:
                yield f"there is no architecture '{name}'"
    for rule in profile.syscalls or ():
        if not rule.names or not all(rule.names):
            yield "a rule names no system call"
        # The library would read such a name to its first zero byte, and take it for another.
        for name in rule.names:
            if name and not _CALL.fullmatch(name):
                yield f"no system call has a name such as {name!r}"
        yield from _wrong_action(rule.action, rule.errno_ret)
        for argument in rule.args or ():
            if argument.op not in OPERATORS:
                yield f"there is no comparison '{argument.op}'"
            if max(argument.value, argument.value_two) >= 1 << 64:
                yield f"argument {argument.index} is compared with a number of more than 64 bits"
        for condition in (rule.includes, rule.excludes):
            if condition is not None:
                yield from _wrong_condition(condition)


def _wrong_action(action: str, number: int | None) -> Iterator[str]:
    if action not in ACTIONS:
        yield f"there is no action '{action}' here; there are {', '.join(ACTIONS)}"
    elif number is not None and action not in _WITH_NUMBER:
        yield f"action '{action}' has no error number"


def _wrong_condition(condition: _Condition) -> Iterator[str]:
    for name in condition.caps:
        if not name.startswith("CAP_") or name.removeprefix("CAP_") not in CAPABILITIES:
            yield f"there is no capability '{name}'"
    for name in condition.arches:
        if name not in ARCHITECTURES.values():
            yield f"there is no architecture '{name}'"
    if condition.min_kernel is not None and not _KERNEL.fullmatch(condition.min_kernel):
        yield f"'{condition.min_kernel}' is no version of Linux, such as 4.8"


def _numbered(action: str, number: int | None) -> int:
    if action not in _WITH_NUMBER:
        return ACTIONS[action]
    return ACTIONS[action] | (_EPERM if number is None else number)


def version_of(text: str) -> tuple[int, int]:
    """Of a kernel: the first two numbers of ``6.1`` or ``6.1.0-13-amd64``."""
    found = _KERNEL.match(text)
    assert found is not None, "a profile was seen to make sense, and a kernel says its version so"
    return int(found[1]), int(found[2])
