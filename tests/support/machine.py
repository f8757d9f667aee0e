"""A virtual machine in which tests of ours run: Debian's kernel in QEMU, with this machine's files.

The guest sees our root directory read-only, by 9p, under a file system in memory that takes whatever it writes:
programs, Python, the checkout and its environment are at the same paths there, and nothing here changes. It boots into
one small program, which mounts control groups as asked, runs pytest, and powers off. Each test's result comes back by
a directory that both see, as soon as the test has ended (:mod:`tests.support.results`): a guest that hangs has told
what it had done.

Where there is no KVM the guest is emulated, ten to thirty times slower: ``TESTS_PATIENCE`` tells its tests.
"""

from __future__ import annotations

import lzma
import os
import platform
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.support import results
from tests.support.real_parts import ROOT, missing_part

PARTS: Final = ROOT / ".cache" / "machine"
"""The kernel and the modules that it needs to get at its files (``scripts/install_real_parts.sh``)."""
QEMU: Final = "qemu-system-x86_64"
MODULES: Final = ("virtio_pci", "9p", "9pnet_virtio", "overlay", "virtio_blk", "crc32c_generic", "ext4")
PATIENCE: Final = 20
MEGABYTES: Final = 2048
UNIFIED: Final = "$b mount -t cgroup2 cgroup2 sys/fs/cgroup"
HYBRID: Final = """
$b mount -t tmpfs cgroups sys/fs/cgroup
for one in cpu,cpuacct cpuset devices; do
    $b mkdir sys/fs/cgroup/$one
    $b mount -t cgroup -o $one cgroup sys/fs/cgroup/$one
done
$b mkdir sys/fs/cgroup/unified
$b mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
"""
"""How control groups are mounted: all of version 2, or some controllers of version 1 and the others of version 2."""
_BOOT: Final = """#!/bin/busybox sh
b=/bin/busybox
export PATH=/bin
$b mount -t devtmpfs devices /dev
for module in {modules}; do $b insmod /modules/$module || echo "$module is not loaded"; done
$b mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=262144,ro host /host
$b mount -t tmpfs changes /changes
$b mkdir /changes/files /changes/work
$b mount -t overlay -o lowerdir=/host,upperdir=/changes/files,workdir=/changes/work root /root
cd /root
$b mount -t proc proc proc
$b mount -t sysfs sysfs sys
$b mount -t devtmpfs devices dev
$b mkdir -p dev/shm dev/pts
$b mount -t tmpfs shm dev/shm
$b mount -t devpts pts dev/pts
$b mount -t tmpfs run run
{groups}
$b ip link set lo up
$b mkdir run/told run/tests
$b mount -t ext4 -o noatime,barrier=0 /dev/vda run/tests
$b mount -t 9p -o trans=virtio,version=9p2000.L,cache=none told run/told
cd /
exec $b switch_root /root /bin/sh -c {command}
"""
_THEN: Final = "sync; echo o >/proc/sysrq-trigger; sleep 100"
_CLOCK: Final = "clocksource=tsc tsc=reliable no_timer_check"
"""The processor's counter, which QEMU keeps alike on all of them. An emulated timer, which the kernel would take, costs
a way out of the guest for each question, and event loops ask for the time many thousand times a second. Whether that
timer ticks is not tried at boot: on a busy machine it may not come to it in time, and the guest would stand still."""
_END: Final = "the tests came to their end: "


@dataclass(frozen=True, slots=True)
class Guest:
    """What a machine told: the result of each test by its name, and all that it said otherwise."""

    results: dict[str, results.Result]
    said: str
    status: int | None
    """Of pytest in it; ``None`` when it did not come to its end."""


def run_in_machine(directory: Path, tests: Sequence[str], seconds_max: float, groups: str = UNIFIED) -> Guest:
    """Boot a machine, run ``tests`` in it (pytest's arguments) as root, and have it end.

    ``directory`` is for its files, with QEMU's ``monitor``, a socket at which ``stop`` and ``cont`` halt the guest and
    its clock. A guest that takes longer is killed, and has told what it had done by then. Without
    QEMU or its kernel the test that asks is left out.
    """
    qemu = shutil.which(QEMU)
    if qemu is None or platform.machine() != "x86_64" or not (PARTS / "vmlinuz").exists():
        missing_part("a machine with version 2 of control groups (QEMU, and Debian's kernel)")
    told = directory / "told"
    told.mkdir(parents=True)
    disk = directory / "disk"
    with disk.open("wb") as file:
        file.truncate(256 << 20)
    made = shutil.which("mkfs.ext4", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if made is None:
        missing_part("mkfs.ext4 (e2fsprogs)")
    subprocess.run([made, "-q", "-F", "-m", "0", str(disk)], check=True)
    first = directory / "first_files"
    first.write_bytes(_first_files(tests, seconds_max, groups))
    # Should the tests be killed, no machine of theirs works on.
    command = ["setpriv", "--pdeathsig", "KILL", "--", qemu, *_processor(), "-smp", "2", "-m", str(MEGABYTES)]
    command += ["-nodefaults", "-nographic", "-no-reboot", "-serial", "stdio"]
    command += ["-kernel", str(PARTS / "vmlinuz"), "-initrd", str(first)]
    command += ["-append", f"console=ttyS0 quiet panic=-1 mitigations=off {_CLOCK}"]
    command += ["-monitor", f"unix:{directory / 'monitor'},server=on,wait=off"]
    command += ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]
    for tag, path, more in (("host", "/", ",readonly=on"), ("told", str(told), "")):
        command += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap{more}"]
        command += ["-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    console = directory / "console"
    with console.open("wb") as out:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        try:
            process.wait(seconds_max)
        except subprocess.TimeoutExpired:
            pass
        finally:
            process.kill()
            process.wait()
    said = "\n".join(path.read_text(errors="replace") for path in (console, told / "said") if path.exists())
    ended = re.search(f"^{_END}([0-9]+)$", said, re.MULTILINE)
    return Guest(results.read(told / "results"), said, None if ended is None else int(ended[1]))


def _processor() -> list[str]:
    """QEMU's words for a processor: this machine's, where it has what virtual machines take, else an emulated one.

    A device of KVM may be there without that, and then boots no usual kernel.
    """
    flags = set(Path("/proc/cpuinfo").read_text().split())
    if flags.intersection({"vmx", "svm"}) and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"]
    # Page tables of four levels are walked sooner than those of five, and what was translated once stays.
    return ["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max,la57=off"]


def _first_files(tests: Sequence[str], seconds_max: float, groups: str) -> bytes:
    """The archive that the kernel begins with."""
    modules = dict(_modules())
    archive = _Archive()
    for name in ("bin", "dev", "proc", "host", "changes", "root", "modules"):
        archive.add(name, stat.S_IFDIR | 0o755)
    busybox = shutil.which("busybox")
    if busybox is None:
        missing_part("busybox")
    archive.add("bin/busybox", stat.S_IFREG | 0o755, Path(busybox).read_bytes())
    for name, content in modules.items():
        archive.add(f"modules/{name}", stat.S_IFREG | 0o644, content)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "LANG": "C.UTF-8",
        "TESTS_PATIENCE": str(PATIENCE),
        results.PLACE: "/run/told/results",
    }
    pytest = [sys.executable, "-m", "pytest", "-p", "tests.support.results", "-p", "no:cacheprovider"]
    pytest += ["--basetemp=/run/tests/all", "--tb=short", "--color=no", "-ra", *tests]
    # Should it hang, it is ended before the machine is, and tells where it was.
    line = (
        f"cd {shlex.quote(str(ROOT))};"
        f" timeout {int(0.9 * seconds_max)} {shlex.join(pytest)} >/run/told/said 2>&1 </dev/null;"
        f' echo "{_END}$?" >>/run/told/said'
    )
    cleared = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in environment.items())]
    boot = _BOOT.format(
        modules=" ".join(modules),
        groups=groups,
        # What enters a namespace of mounts comes to the root of all, not to a directory that somebody has gone into.
        command=shlex.quote(f"{shlex.join([*cleared, '/bin/sh', '-c', line])}; {_THEN}"),
    )
    archive.add("init", stat.S_IFREG | 0o755, boot.encode())
    return archive.whole()


def _modules() -> Iterator[tuple[str, bytes]]:
    """Name and content of the kernel's modules, each after those that it needs; what is not there is built in."""
    files = {
        path.name.partition(".")[0].replace("-", "_"): path
        for path in sorted((PARTS / "lib").rglob("*.ko*"), reverse=True)
    }
    loaded: set[str] = set()

    def needed(name: str) -> Iterator[tuple[str, bytes]]:
        if name in loaded or name not in files:
            return
        loaded.add(name)
        content = files[name].read_bytes()
        if files[name].suffix == ".xz":
            content = lzma.decompress(content)
        # A module names those that it needs in a section of words: depends=one,two.
        found = re.search(rb"\0depends=([^\0]*)\0", content)
        for other in found[1].decode().split(",") if found else ():
            yield from needed(other.replace("-", "_"))
        yield name, content

    for name in MODULES:
        yield from needed(name)


class _Archive:
    """An archive as the kernel reads it: for each file a header of hexadecimal numbers, its name, and its content."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._files = 0

    def add(self, name: str, mode: int, content: bytes = b"") -> None:
        """A directory, which is to come before what is in it, or a file."""
        self._files += 1
        numbers = (self._files, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name.encode()) + 1, 0)
        for part in (b"070701" + b"".join(b"%08x" % one for one in numbers) + name.encode() + b"\0", content):
            self._data += part
            self._data += b"\0" * (-len(self._data) % 4)

    def whole(self) -> bytes:
        """The archive, ended."""
        self.add("TRAILER!!!", 0)
        return bytes(self._data)
