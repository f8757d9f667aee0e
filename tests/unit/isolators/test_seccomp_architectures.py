"""Programs for machines of other kinds, made here and executed as their kernels would (M-AG-08)."""

from __future__ import annotations

import errno

import pytest

from mesos_service.domain.containers import CAPABILITIES
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.seccomp.library import Library
from mesos_service.seccomp.profile import ACTIONS, Profile, read_profile
from tests.support.bpf import Order, run_program

ALL = frozenset(CAPABILITIES)
ALLOW, EPERM = ACTIONS["SCMP_ACT_ALLOW"], ACTIONS["SCMP_ACT_ERRNO"] | errno.EPERM
KILL = ACTIONS["SCMP_ACT_KILL"]
# As the kernel's tables have them: asm/unistd.h of each, and asm-generic/unistd.h for those that have no older calls.
GENERIC = {"openat": 56, "mkdirat": 34, "getpid": 172}
MACHINES: dict[str, tuple[int, Order, dict[str, int]]] = {
    "x86_64": (0xC000003E, "little", {"openat": 257, "mkdirat": 258, "getpid": 39, "mkdir": 83, "open": 2}),
    "i686": (0x40000003, "little", {"openat": 295, "mkdirat": 296, "getpid": 20, "mkdir": 39, "open": 5}),
    "aarch64": (0xC00000B7, "little", GENERIC),
    "armv7l": (0x40000028, "little", {"openat": 322, "mkdirat": 323, "getpid": 20, "mkdir": 39, "open": 5}),
    "ppc64le": (0xC0000015, "little", {"openat": 286, "mkdirat": 287, "getpid": 20, "mkdir": 39, "open": 5}),
    "s390x": (0x80000016, "big", {"openat": 288, "mkdirat": 289, "getpid": 20, "mkdir": 39, "open": 5}),
    "riscv64": (0xC00000F3, "little", GENERIC),
}
"""By what ``uname`` says: the architecture as the kernel numbers it, its order of bytes, and some of its calls."""
REFUSING = b"""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
    {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"},
    {"names": ["getpid"], "action": "SCMP_ACT_ERRNO", "includes": {"arches": ["s390x", "riscv64"]}}]}"""
ALLOWING = b"""{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
    {"names": ["open", "openat"], "action": "SCMP_ACT_ALLOW"}]}"""


def read(data: bytes) -> Profile:
    return read_profile(data)


@pytest.mark.parametrize("machine", MACHINES)
def test_m_ag_08_seccomp_each_architecture_has_its_own_numbers(machine: str) -> None:
    architecture, order, calls = MACHINES[machine]
    library = Library(machine)
    refusing, allowing = library.program(read(REFUSING), ALL), library.program(read(ALLOWING), ALL)

    def judged(program: bytes, name: str) -> int:
        return run_program(program, architecture, calls[name], (), order)

    for name in calls:
        makes, opens = name.startswith("mkdir"), name.startswith("open")
        own_rule = name == "getpid" and machine in ("s390x", "riscv64")
        assert judged(refusing, name) == (EPERM if makes or own_rule else ALLOW), name
        assert judged(allowing, name) == (ALLOW if opens else EPERM), name
    others = [other for other, _, _ in MACHINES.values() if other != architecture]
    for other in others:
        assert run_program(allowing, other, calls["openat"], (), order) == KILL, "this machine's own calls, too"


def test_m_ag_08_seccomp_a_sister_is_judged_by_her_own_numbers() -> None:
    family = b'{"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]}'
    program = Library("aarch64").program(read(REFUSING[:-1] + b', "archMap": [' + family + b"]}"), ALL)
    (its, _, calls), (hers, _, her_calls) = MACHINES["aarch64"], MACHINES["armv7l"]
    assert run_program(program, its, calls["mkdirat"], ()) == EPERM
    assert run_program(program, hers, her_calls["mkdirat"], ()) == EPERM
    assert run_program(program, hers, her_calls["mkdir"], ()) == EPERM, "which he does not have"
    assert run_program(program, hers, her_calls["openat"], ()) == ALLOW


def test_m_ag_08_seccomp_architectures_of_another_order_of_bytes_are_no_sisters() -> None:
    family = b'{"architecture": "SCMP_ARCH_S390X", "subArchitectures": ["SCMP_ARCH_X86"]}'
    with pytest.raises(OperatingFault, match="libseccomp cannot judge calls of 'SCMP_ARCH_X86' here"):
        Library("s390x").program(read(REFUSING[:-1] + b', "archMap": [' + family + b"]}"), ALL)


def test_m_ag_08_seccomp_a_machine_that_nobody_knows_is_told_so() -> None:
    with pytest.raises(ConfigurationError, match=r"a machine of the kind 'vax' is not known, only x86_64, aarch64, "):
        Library("vax")


def test_m_ag_08_seccomp_a_library_older_than_the_machine_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Library.__init__.__globals__["_NATIVE"], "new64", "SCMP_ARCH_NEW64")
    with pytest.raises(ConfigurationError, match=r"libseccomp.so.2 here does not know machines of the kind 'new64'"):
        Library("new64")
