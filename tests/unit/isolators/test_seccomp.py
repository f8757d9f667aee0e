"""Which system calls a container may make (M-AG-08): profiles, the programs made of them, and tasks under them."""

from __future__ import annotations

import errno
import json
import os
import platform
import signal
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesos_service.containers.containerizer import Members
from mesos_service.containers.plan import LaunchFailed
from mesos_service.containers.provisioner import Backend
from mesos_service.domain.containers import CAPABILITIES, Image, Seccomp, Wishes
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.plugins.isolator import ContainerConfig, Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config
from mesos_service.seccomp.library import Library
from mesos_service.seccomp.profile import ACTIONS, NotAProfile, Profile, Rule, read_profile
from tests.support.bpf import run_program
from tests.support.busybox import root_tar
from tests.support.docker_profile import docker_profile
from tests.unit.containers.room import RESOURCES, Room, cid, room, run_asyncio, until
from tests.unit.isolators.places import INSIDE, Place

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="a filter without no_new_privs takes root")
Json = dict[str, Any]
ALL = frozenset(CAPABILITIES)
NO_DIRECTORIES: Json = {
    "defaultAction": "SCMP_ACT_ALLOW",
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
    "syscalls": [
        {
            "names": ["mkdir", "mkdirat"],
            "action": "SCMP_ACT_ERRNO",
            "args": [],
            "comment": "",
            "includes": {},
            "excludes": {},
        }
    ],
}
MAKE = "mkdir made 2>&1; test ! -d made && echo kept >&2"


def profile(*rules: Json, default: str = "SCMP_ACT_ALLOW", **more: Any) -> Json:  # Any: JSON
    return {"defaultAction": default, "syscalls": list(rules), **more}


def rule(*names: str, action: str = "SCMP_ACT_ERRNO", **more: Any) -> Json:  # Any: JSON
    return {"names": names, "action": action, **more}


def read(given: Json) -> Profile:
    return read_profile(json.dumps(given).encode())


def holding(given: Json, capabilities: frozenset[str] = ALL, native: str = "SCMP_ARCH_X86_64") -> list[Rule]:
    return list(read(given).rules(native, capabilities, (5, 10)))


@pytest.fixture
def place() -> Iterator[Path]:
    """Where every user may go."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        (Path(name) / "profiles").mkdir()
        yield Path(name)


def make(place: Path, default: str | None = None, name: str = "linux/seccomp", **profiles: Json) -> Isolator:
    for word, content in profiles.items():
        (place / "profiles" / f"{word}.json").write_text(json.dumps(content))
    kind = load(ISOLATORS, name)
    given = {"seccomp_config_dir": place / "profiles", "seccomp_profile_name": default}
    return kind(Members(), read_config(kind, given if name == "linux/seccomp" else {}))


# -- profiles ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("given", "says"),
    [
        (profile(default="SCMP_ACT_PERHAPS"), "there is no action 'SCMP_ACT_PERHAPS'"),
        (profile(default="SCMP_ACT_NOTIFY"), "there is no action 'SCMP_ACT_NOTIFY'"),
        (profile(rule("mkdir", action="ERRNO")), "there is no action 'ERRNO'"),
        (profile(rule("mkdir", action="SCMP_ACT_KILL", errnoRet=1)), "has no error number"),
        (profile(rule("mkdir", errnoRet=5000)), "4095"),
        (profile(rule()), "names no system call"),
        (profile(rule("")), "names no system call"),
        (profile(rule("mkdir\0at")), "no system call has a name such as"),
        (profile(rule(" mkdir")), "no system call has a name such as ' mkdir'"),
        (profile(rule("mkdir", includes={"caps": ["SYS_ADMIN"]})), "there is no capability 'SYS_ADMIN'"),
        (profile(rule("mkdir", excludes={"caps": ["CAP_FLY"]})), "there is no capability 'CAP_FLY'"),
        (profile(rule("mkdir", includes={"arches": ["vax"]})), "there is no architecture 'vax'"),
        (profile(rule("mkdir", includes={"minKernel": "new"})), "no version of Linux"),
        (profile(rule("mkdir", excludes={"minKernel": f"4.{'9' * 5000}"})), "no version of Linux"),
        (profile(rule("mkdir", includes={"moon": "full"})), "moon"),
        (profile(rule("mkdir", condition="none")), "condition"),
        (profile(archMap=[{"architecture": "SCMP_ARCH_VAX"}]), "there is no architecture 'SCMP_ARCH_VAX'"),
        (profile(rule("mkdir", args=[{"index": 6, "value": 0, "op": "SCMP_CMP_EQ"}])), "<= 5"),
        (profile(rule("mkdir", args=[{"index": 0, "value": 0, "op": "=="}])), "there is no comparison '=='"),
        (profile(rule("mkdir", args=[{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}])), ">= 0"),
        (profile(rule("mkdir", args=[{"index": 0, "value": 2**64, "op": "SCMP_CMP_EQ"}])), "more than 64 bits"),
        ({"syscalls": []}, "defaultAction"),
    ],
)
def test_m_ag_08_seccomp_what_is_wrong_with_a_profile_is_said(given: Json, says: str) -> None:
    with pytest.raises(NotAProfile, match=says):
        read(given)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"defaultAction": 7}'])
def test_m_ag_08_seccomp_what_is_no_profile_is_refused(data: bytes) -> None:
    with pytest.raises(NotAProfile):
        read_profile(data)


def test_m_ag_08_seccomp_rules_hold_for_capabilities_architectures_and_kernels() -> None:
    given = profile(
        rule("a", includes={"caps": ["CAP_KILL", "CAP_CHOWN"]}),
        rule("b", excludes={"caps": ["CAP_KILL"]}),
        rule("c", includes={"arches": ["amd64", "x32"]}),
        rule("d", excludes={"arches": ["amd64"]}),
        rule("e", includes={"minKernel": "4.8"}),
        rule("f", includes={"minKernel": "5.11"}),
        rule("g", includes={"arches": ["arm64"]}, excludes={}),
        rule("h", excludes={"caps": ["CAP_KILL", "CAP_CHOWN"]}),
        rule("i", includes={"caps": ["CAP_KILL"], "arches": ["arm64"]}),
        rule("j", excludes={"caps": ["CAP_KILL"], "minKernel": "5.11"}),
    )
    assert [one.names[0] for one in holding(given)] == ["a", "c", "e"]
    assert [one.names[0] for one in holding(given, frozenset({"KILL"}))] == ["c", "e"]
    assert [one.names[0] for one in holding(given, frozenset())] == ["b", "c", "e", "h", "j"]
    assert [one.names[0] for one in holding(given, native="SCMP_ARCH_AARCH64")] == ["a", "d", "e", "g", "i"]


def test_m_ag_08_seccomp_numbers_are_the_kernels() -> None:
    given = read(profile(rule("a"), rule("b", errnoRet=38), default="SCMP_ACT_ERRNO", defaultErrnoRet=2))
    assert given.default_number() == 0x00050002
    assert [one.number() for one in given.syscalls or ()] == [0x00050001, 0x00050026]
    assert read(profile()).default_number() == ACTIONS["SCMP_ACT_ALLOW"] == 0x7FFF0000


def test_m_ag_08_seccomp_a_call_that_the_library_does_not_know_is_not_allowed_by_that() -> None:
    """Whoever misspells a call that is to be refused is told; one that was to be allowed is refused anyway."""
    library = Library()
    for default in ("SCMP_ACT_ALLOW", "SCMP_ACT_LOG"):
        with pytest.raises(OperatingFault, match="does not know the system call 'mkdirr', and so cannot refuse it"):
            library.program(read(profile(rule("mkdir", "mkdirr"), default=default)), ALL)
    # Whoever only wants to know what is called beside those is not kept from it.
    library.program(read(profile(rule("call_of_tomorrow", action="SCMP_ACT_ALLOW"), default="SCMP_ACT_LOG")), ALL)
    allowing = profile(rule("mkdir", "call_of_tomorrow", action="SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO")
    without = profile(rule("mkdir", action="SCMP_ACT_ALLOW"), default="SCMP_ACT_ERRNO")
    assert library.program(read(allowing), ALL) == library.program(read(without), ALL)


NUMBERS: dict[str, tuple[int, int, dict[str, int], int]] = {
    "x86_64": (
        *(0xC000003E, 0x40000003),
        {"mkdirat": 258, "getpid": 39, "personality": 135, "clone": 56, "socket": 41},
        296,
    ),
    "aarch64": (
        *(0xC00000B7, 0x40000028),
        {"mkdirat": 34, "getpid": 172, "personality": 92, "clone": 220, "socket": 198},
        323,
    ),
}
"""By what ``uname`` says: the architecture and its 32-bit sister as the kernel numbers them, calls, and the sister's
``mkdirat``."""


def test_m_ag_08_seccomp_the_program_judges_as_the_profile_says() -> None:
    """The program is executed here, instruction by instruction, for calls of both architectures."""
    native, sister, numbers, mkdirat = NUMBERS[platform.machine()]
    families = [
        {"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86"]},
        {"architecture": "SCMP_ARCH_AARCH64", "subArchitectures": ["SCMP_ARCH_ARM"]},
    ]
    equal = {"op": "SCMP_CMP_EQ", "index": 0}
    new_namespace = {"index": 0, "value": 0x7E020000, "valueTwo": 0x20000, "op": "SCMP_CMP_MASKED_EQ"}
    raw = [{**equal, "value": 40}, {"index": 1, "value": 2, "op": "SCMP_CMP_GE"}]
    given = profile(
        rule("mkdirat"),
        rule("personality", args=[{**equal, "value": 8}, {**equal, "value": 9}]),
        rule("clone", action="SCMP_ACT_KILL_PROCESS", args=[new_namespace]),
        rule("socket", action="SCMP_ACT_TRAP", args=raw),
        archMap=families,
    )
    program = Library().program(read(given), ALL)

    def judged(name: str, *arguments: int) -> int:
        return run_program(program, native, numbers[name], arguments)

    allow, eperm = ACTIONS["SCMP_ACT_ALLOW"], ACTIONS["SCMP_ACT_ERRNO"] | errno.EPERM
    assert judged("mkdirat") == run_program(program, sister, mkdirat, ()) == eperm
    assert judged("getpid") == run_program(program, native, mkdirat, ()) == allow, "each has its own numbers"
    assert [judged("personality", value) for value in (7, 8, 9, 10)] == [allow, eperm, eperm, allow]
    assert judged("personality", 8 + (1 << 32)) == allow, "arguments have 64 bits"
    assert judged("clone", 0x20011) == ACTIONS["SCMP_ACT_KILL_PROCESS"]
    assert judged("clone", 0x11) == judged("clone", 0x10020000) == allow
    assert judged("socket", 40, 1) == judged("socket", 39, 2) == allow
    assert judged("socket", 40, 2) == judged("socket", 40, 1 << 33) == ACTIONS["SCMP_ACT_TRAP"]
    assert run_program(program, 0xC00000F3, numbers["getpid"], ()) == ACTIONS["SCMP_ACT_KILL"], "not in the profile"


# -- the isolator --------------------------------------------------------------------------------------------
@ROOT_ONLY
def test_m_ag_08_seccomp_it_does_not_start_without_what_it_needs(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = load(ISOLATORS, "linux/seccomp")
    with pytest.raises(ConfigurationError, match="needs --seccomp_config_dir"):
        kind(Members(), read_config(kind, {}))
    with pytest.raises(ConfigurationError, match=r"--seccomp_profile_name: .*absent.json.* No such file"):
        make(place, "absent.json")
    with pytest.raises(ConfigurationError, match="leads out of where profiles are"):
        make(place, "../../etc/passwd")
    with pytest.raises(ConfigurationError, match=r"profile 'bad.json' of system calls: there is no action"):
        make(place, "bad.json", bad=profile(default="?"))
    os.mkfifo(place / "profiles" / "pipe")
    with pytest.raises(ConfigurationError, match="it is no file"):
        make(place, "pipe")
    (place / "profiles" / "large").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(ConfigurationError, match="is larger than"):
        make(place, "large")
    monkeypatch.setattr("mesos_service.seccomp.library._NAME", "libnothing.so.9")
    with pytest.raises(ConfigurationError, match=r"'linux/seccomp': the library libnothing.so.9"):
        make(place)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(ConfigurationError, match="takes root"):
        make(place)


@ROOT_ONLY
def test_n27_m_ag_08_seccomp_what_is_installed_is_told(place: Path) -> None:
    isolator = make(place, "no.json", no=NO_DIRECTORIES)
    config = ContainerConfig(sandbox="/nowhere", resources=RESOURCES)
    [told] = isolator.explain(cid("c"), config)
    assert told.startswith("install a filter of system calls made of profile 'no.json' (")
    free = ContainerConfig(sandbox="/nowhere", resources=RESOURCES, wishes=Wishes(seccomp=Seccomp(unconfined=True)))
    assert not isolator.explain(cid("c"), free)


def outcome_of(
    place: Path, isolators: list[Isolator], line: str, wishes: Wishes | None = None, user: str | None = None
) -> tuple[int | None, str]:
    """How a shell ends that is run so, and what it says."""
    found: list[tuple[int | None, str]] = []
    for name in ("stdout", "stderr"):
        (place / "c" / name).unlink(missing_ok=True)

    async def body() -> None:
        async with room(place, isolators) as here:
            plan = here.plan("c", "/bin/sh", "-c", line, user=user, wishes=wishes or Wishes())
            status = await here.outcome(plan)
            found.append((status, here.text("c") + here.text("c", "stderr")))

    run_asyncio(body())
    return found[0]


@ROOT_ONLY
@pytest.mark.parametrize("user", [None, "nobody"])
@pytest.mark.parametrize("capabilities", [None, frozenset({"KILL"}), frozenset({"SYS_ADMIN"}), frozenset()])
def test_m_ag_08_seccomp_a_call_is_refused_and_nobody_gains_by_the_filter(
    place: Path, user: str | None, capabilities: frozenset[str] | None
) -> None:
    """Installing one takes CAP_SYS_ADMIN, which the command is to have only if it was said."""
    isolators = [make(place, "no.json", no=NO_DIRECTORIES), make(place, name="linux/capabilities")]
    wishes = Wishes(effective_capabilities=capabilities)
    show = "grep -h -e ^Cap -e ^Seccomp: -e ^Uid -e ^NoNew /proc/self/status"
    status, said = outcome_of(place, isolators, f"{show}; {MAKE}", wishes, user)
    assert status == 0, said
    assert "Operation not permitted" in said and "kept" in said
    confined = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert confined.pop("Seccomp") == "2"
    _, said = outcome_of(place, isolators[1:], show, wishes, user)
    free = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
    assert free.pop("Seccomp") == "0"
    assert confined == free


@ROOT_ONLY
@pytest.mark.parametrize(
    ("capabilities", "may"), [(frozenset({"KILL", "SYS_ADMIN"}), True), (frozenset({"KILL"}), False)]
)
def test_m_ag_08_seccomp_a_profile_of_dockers_own_size_and_form_holds(
    place: Path, capabilities: frozenset[str], may: bool
) -> None:
    """All fields at once, in the kernel: by capability, by an argument, and with an error of its own."""
    (place / "profiles" / "docker.json").write_text(docker_profile())
    capable = make(place, name="linux/capabilities")
    tries = """
        import ctypes, errno, os, socket
        libc = ctypes.CDLL(None, use_errno=True)
        def told(result):
            return "done" if result >= 0 else errno.errorcode[ctypes.get_errno()]
        print("unshare", told(libc.unshare(0x04000000)))
        print("add_key", told(libc.syscall(SYS_ADD_KEY, b"user", b"a", b"b", 1, -1)))
        print("clone3", told(libc.syscall(435, None, 0)))
        print("personality", [told(libc.personality(ctypes.c_ulong(value))) for value in (0xFFFFFFFF, 8, 0x0400000)])
        def made(family):
            try:
                return socket.socket(family, socket.SOCK_STREAM) and "done"
            except OSError as error:
                return errno.errorcode[error.errno]
        print("socket", made(socket.AF_UNIX), made(40))
    """.replace("SYS_ADD_KEY", str({"x86_64": 248, "aarch64": 217}[platform.machine()]))
    (place / "tries.py").write_text(textwrap.dedent(tries))
    (place / "tries.py").chmod(0o644)
    wishes = Wishes(effective_capabilities=capabilities, bounding_capabilities=capabilities)
    line = f"exec {sys.executable} -I -S {place}/tries.py"
    status, said = outcome_of(place, [make(place, "docker.json"), capable], line, wishes)
    assert (status, said.splitlines()) == (
        0,
        [
            f"unshare {'done' if may else 'EPERM'}",
            "add_key EPERM",
            f"clone3 {'EINVAL' if may else 'ENOSYS'}",
            "personality ['done', 'done', 'EPERM']",
            "socket done EPERM",
        ],
    )


@ROOT_ONLY
def test_m_ag_08_seccomp_who_makes_a_call_that_kills_is_told_so(place: Path) -> None:
    kills = make(place, "no.json", no=profile(rule("mkdir", "mkdirat", action="SCMP_ACT_KILL_PROCESS")))
    status, _ = outcome_of(place, [kills], "exec mkdir made")
    assert status == -signal.SIGSYS
    assert not (place / "c" / "made").exists()


@ROOT_ONLY
def test_m_ag_08_seccomp_a_task_names_a_profile_of_its_own_or_none(place: Path) -> None:
    other = profile(rule("rmdir", "unlinkat", errnoRet=errno.ENOSYS))
    isolators = [make(place, "no.json", no=NO_DIRECTORIES, other=other)]
    line = "mkdir made && rmdir made"
    assert outcome_of(place, isolators, line)[0] == 1
    status, said = outcome_of(place, isolators, line, Wishes(seccomp=Seccomp("other.json")))
    assert (status, "Function not implemented" in said) == (1, True), said
    (place / "c" / "made").rmdir()
    assert outcome_of(place, isolators, line, Wishes(seccomp=Seccomp(unconfined=True)))[0] == 0
    # It is read anew for each launch.
    make(place, other=NO_DIRECTORIES)
    status, said = outcome_of(place, isolators, line, Wishes(seccomp=Seccomp("other.json")))
    assert (status, "mkdir" in said) == (1, True)


@ROOT_ONLY
def test_m_ag_08_seccomp_a_profile_that_cannot_be_used_fails_the_launch_and_says_why(place: Path) -> None:
    isolators = [make(place, wrong=profile(rule("mkdir", args=[{"index": 0, "value": 0, "op": "?"}])))]

    async def body() -> None:
        async with room(place, isolators) as here:
            for name, says in (("wrong.json", "there is no comparison"), ("absent", "")):
                with pytest.raises(LaunchFailed, match=f"'linux/seccomp' failed to prepare: .*'{name}'.*{says}"):
                    await here.outcome(here.plan("c", "/bin/true", wishes=Wishes(seccomp=Seccomp(name))))

    run_asyncio(body())


@ROOT_ONLY
@pytest.mark.parametrize("name", [".", "profiles", "pipe", "absent"])
def test_m_ag_08_seccomp_who_asks_for_what_is_no_profile_takes_no_descriptor(place: Path, name: str) -> None:
    """Whoever may launch tasks says the name, and as often as he likes."""
    isolator = make(place)
    (place / "profiles" / "profiles").mkdir()
    os.mkfifo(place / "profiles" / "pipe")
    config = ContainerConfig(sandbox="/nowhere", resources=RESOURCES, wishes=Wishes(seccomp=Seccomp(name)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(OperatingFault, match=f"profile '{name}' of system calls cannot be read"):
            run_asyncio(isolator.prepare(cid("c"), config))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@ROOT_ONLY
def test_m_ag_08_seccomp_a_profile_that_forbids_the_command_is_told_by_how_it_ends(place: Path) -> None:
    isolators = [make(place, "no.json", no=profile(rule("execve", "execveat")))]
    status, said = outcome_of(place, isolators, "true")
    assert (status, "Failed to enter the container: " in said, "Operation not permitted" in said) == (1, True, True)


@ROOT_ONLY
def test_m_ag_08_seccomp_holds_in_a_root_of_its_own_and_for_what_is_nested(place: Path, tmp_path: Path) -> None:
    images = Place(tmp_path, Backend.OVERLAY)
    images.put(root_tar())
    isolators = [
        make(place, "no.json", no=NO_DIRECTORIES),
        load(ISOLATORS, "namespaces/pid")(Members(), None),
        load(ISOLATORS, "filesystem/linux")(Members(), None),
    ]

    async def nested(here: Room, parent: str, directory: str | None) -> None:
        plan = here.plan("n", "sh", "-c", MAKE, parent=parent, directory=directory)
        assert await here.outcome(plan) == 0, here.text("n", "stderr")
        assert "not permitted" in here.text("n")

    async def body() -> None:
        async with room(tmp_path, isolators, provisioner=images.provisioner()) as here:
            wait = f"{MAKE}; echo > ready; exec sleep 1000"
            plan = here.plan("c", "sh", "-c", wait, wishes=Wishes(image=Image("busybox")), directory=INSIDE)
            await here.containerizer.launch(plan)
            await until((tmp_path / "c" / "ready").exists)
            assert "not permitted" in here.text("c") and "kept" in here.text("c", "stderr")
            await nested(here, "c", INSIDE)
            await here.containerizer.destroy(cid("c"))

    run_asyncio(body())
