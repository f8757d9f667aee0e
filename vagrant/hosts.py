"""Hosts as LXC system containers: a real systemd, sshd and network stack each, up in seconds.

All on one bridge that is made and removed with them. Needs root, and what ``PROGRAMS`` installs.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from vagrant.topology import USER, Machine, Topology

PROGRAMS: Final = "apt-get install lxc mmdebstrap iptables iproute2 openssh-client"
"""What installs all programs that are run here."""
BOOT_SECONDS_MAX: Final = 60.0
SHUTDOWN_SECONDS_MAX: Final = 60
"""Less than the 90 s after which systemd ends by force whoever did not end when he was told to."""
_POLL_SECONDS: Final = 0.1
_BUILD: Final = Path(__file__).with_name("box") / "build"
_CGROUPS: Final = Path("/sys/fs/cgroup")

_CONFIG: Final = """\
lxc.include = /usr/share/lxc/config/common.conf
lxc.arch = linux64
lxc.uts.name = {name}
# Each machine's changes in a layer of its own over the box, which is never copied.
lxc.rootfs.path = overlayfs:{box}:{layer}
lxc.apparmor.profile = unconfined
# The first line drops what the include mounts. All controllers are the machine's own, as an agent needs them; without
# "force", systemd looks for hierarchies that the computer has not got.
lxc.mount.auto =
lxc.mount.auto = cgroup:rw:force proc:rw sys:rw
lxc.net.0.type = veth
lxc.net.0.link = {bridge}
lxc.net.0.flags = up
lxc.net.0.ipv4.address = {address}/{prefix}
lxc.net.0.ipv4.gateway = {gateway}
lxc.cgroup.memory.limit_in_bytes = {memory_mb}M
lxc.console.logfile = {directory}/console.log
"""


class TestbedFault(Exception):
    """A machine could not be made or reached; the text says what was tried and what it answered."""


def run(*command: str, check: bool = True, stdin: str | None = None, seconds_max: float = 120.0) -> str:
    """Run a program of the computer's; its stdout. Raises :class:`TestbedFault` where it fails."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=seconds_max)
    except FileNotFoundError as error:
        raise TestbedFault(f"{command[0]} is not installed: {PROGRAMS}") from error
    if check and done.returncode != 0:
        raise TestbedFault(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip() or done.stdout}")
    return done.stdout


class Host:
    """One machine. Its files are in ``directory``; the container's name is the directory's, unique on this computer."""

    def __init__(self, machine: Machine, directory: Path, key: Path) -> None:
        self.machine = machine
        self.directory = directory
        self.container = directory.name
        self._key = key

    @property
    def name(self) -> str:
        return self.machine.name

    @property
    def address(self) -> str:
        return self.machine.address

    def _lxc(self, program: str, *arguments: str, check: bool = True) -> str:
        return run(f"lxc-{program}", "-P", str(self.directory.parent), "-n", self.container, *arguments, check=check)

    # -- life ------------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Boot it; returns at once."""
        self._lxc("start", "--logfile", str(self.directory / "lxc.log"))

    def is_running(self) -> bool:
        return self._lxc("info", "-sH", check=False).strip() in ("RUNNING", "FROZEN")

    def pull_the_plug(self) -> None:
        """End it as a power cut would."""
        self._lxc("stop", "-k", check=False)

    def reboot(self) -> None:
        """Shut it down in order, boot it, and wait until it can be reached."""
        self._lxc("stop", "--nokill", "-t", str(SHUTDOWN_SECONDS_MAX), check=False)
        if self.is_running():
            raise TestbedFault(f"{self.name} has not shut down within {SHUTDOWN_SECONDS_MAX} s")
        self.start()
        self.wait_until_reachable()

    def wait_until_reachable(self) -> None:
        """Wait until ssh answers and systemd has started what there is."""
        deadline = time.monotonic() + BOOT_SECONDS_MAX
        pause = threading.Event()
        while True:
            done = self._ssh("systemctl is-system-running --wait || true", seconds_max=BOOT_SECONDS_MAX)
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise TestbedFault(f"{self.name} ({self.address}) cannot be reached: {done.stderr.strip()}")
            pause.wait(_POLL_SECONDS)

    # -- commands --------------------------------------------------------------------------------------------
    def ssh_command(self, *command: str) -> list[str]:
        """How to run ``command`` there (or a shell) with the computer's ssh."""
        options = ("UserKnownHostsFile=/dev/null", "StrictHostKeyChecking=no", "LogLevel=ERROR", "ConnectTimeout=5")
        flags = [word for option in options for word in ("-o", option)]
        return ["ssh", "-i", str(self._key), *flags, f"{USER}@{self.address}", *command]

    def _ssh(self, script: str, seconds_max: float) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.ssh_command(script), capture_output=True, text=True, check=False, timeout=seconds_max
        )

    def sh(self, script: str, *, check: bool = True, seconds_max: float = 120.0) -> str:
        """Run a shell script there as root; its stdout. Not by ssh, so that it works also on a machine cut off."""
        command = (
            *("lxc-attach", "-P", str(self.directory.parent), "-n", self.container, "--clear-env"),
            *("--set-var", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            *("--", "sh", "-c", script),
        )
        return run(*command, check=check, seconds_max=seconds_max)


class Testbed:
    """The machines of a topology. State is in ``directory``, which may be on any file system with room."""

    def __init__(self, topology: Topology, directory: Path) -> None:
        self.topology = topology
        self.directory = directory
        self.key = directory / "key"
        # The kernel allows names of 15 letters.
        self.bridge = f"br-{topology.name}"[:15]
        self.hosts = {
            machine.name: Host(machine, directory / f"{topology.name}-{machine.name}", self.key)
            for machine in topology.machines.values()
        }

    def up(self) -> None:
        """Make and boot every machine that does not run yet; returns when all can be reached."""
        self.directory.mkdir(parents=True, exist_ok=True)
        boxes = {suite: build_box(suite) for suite in {host.machine.suite for host in self.hosts.values()}}
        if not self.key.exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "testbed", "-f", str(self.key))
        self.make_bridge()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: self._bring_up(host, boxes[host.machine.suite]), self.hosts.values()))

    def _bring_up(self, host: Host, box: Path) -> None:
        if not host.directory.exists():
            self._make(host, box)
        if not host.is_running():
            host.start()
        host.wait_until_reachable()

    def make_bridge(self) -> None:
        """What the machines are on; nothing is done where it is there."""
        if (Path("/sys/class/net") / self.bridge).exists():
            return
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "addr", "add", f"{self.topology.gateway}/{self.topology.network.prefixlen}", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")

    def remove_bridge(self, *, unless_used: bool = False) -> None:
        """Nothing is done where it is not there; nor, if so wished, while a machine is on it."""
        bridge = Path("/sys/class/net") / self.bridge
        if bridge.exists() and not (unless_used and any((bridge / "brif").iterdir())):
            run("ip", "link", "del", self.bridge)

    def _make(self, host: Host, box: Path) -> None:
        layer = host.directory / "layer"
        layer.mkdir(parents=True)
        (host.directory / "config").write_text(
            _CONFIG.format(
                name=host.name,
                box=box,
                layer=layer,
                bridge=self.bridge,
                address=host.address,
                prefix=self.topology.network.prefixlen,
                gateway=self.topology.gateway,
                memory_mb=host.machine.memory_mb,
                directory=host.directory,
            )
        )
        # What makes a machine itself goes into its layer before it first boots.
        etc = layer / "etc"
        (etc / "ssh").mkdir(parents=True)
        run("ssh-keygen", "-q", "-A", "-f", str(layer))
        names = [f"{machine.address} {machine.name}" for machine in self.topology.machines.values()]
        (etc / "hosts").write_text("\n".join(["127.0.0.1 localhost", "::1 localhost", *names, ""]))
        (etc / "hostname").write_text(f"{host.name}\n")
        ssh = layer / "home" / USER / ".ssh"
        ssh.mkdir(parents=True, mode=0o700)
        keys = ssh / "authorized_keys"
        keys.write_text(self.key.with_suffix(".pub").read_text())
        keys.chmod(0o600)
        owner = (box / "home" / USER).stat()
        for path in (layer / "home" / USER, ssh, keys):
            shutil.chown(path, owner.st_uid, owner.st_gid)

    def down(self) -> None:
        """End every machine and remove it, the bridge, and the groups of processes that it had."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(_remove, self.hosts.values()))
        # LXC's own place for moving containers about; no loss where others are being moved.
        for group in _CGROUPS.glob("*/lxc.pivot"):
            with contextlib.suppress(OSError):
                group.rmdir()
        self.remove_bridge()

    @contextlib.contextmanager
    def partition(self, one: Host, other: Host) -> Iterator[None]:
        """Drop every packet between two machines, both ways, for as long as the block lasts."""
        rules = [
            ("FORWARD", "-s", one.address, "-d", other.address, "-j", "DROP"),
            ("FORWARD", "-s", other.address, "-d", one.address, "-j", "DROP"),
        ]
        for rule in rules:
            run("iptables", "-I", *rule)
        try:
            yield
        finally:
            for rule in rules:
                run("iptables", "-D", *rule)

    @contextlib.contextmanager
    def isolated(self, host: Host, others: Sequence[Host] | None = None) -> Iterator[None]:
        """Cut ``host`` off from ``others``, by default from all of them."""
        with contextlib.ExitStack() as cuts:
            for other in self.hosts.values() if others is None else others:
                if other is not host:
                    cuts.enter_context(self.partition(host, other))
            yield


def _remove(host: Host) -> None:
    if host.directory.exists():
        host.pull_the_plug()
        shutil.rmtree(host.directory)
    for group in _CGROUPS.glob(f"*/lxc.*.{host.container}*"):
        _remove_cgroups(group)


def _remove_cgroups(group: Path) -> None:
    """A group of processes and all below it; the deepest first, as the kernel wants it."""
    for path in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        path.rmdir()
    group.rmdir()


def build_box(suite: str) -> Path:
    """The root file system that machines of a platform start from; made, in a minute or two, when there is none yet."""
    environment = {**os.environ, "SUITE": suite}
    done = subprocess.run([str(_BUILD)], env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise TestbedFault(f"{_BUILD} ended with {done.returncode}; its words are above")
    return Path(done.stdout.strip())
