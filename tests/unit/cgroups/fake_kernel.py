"""Control groups as the kernel shows them, in a directory: a group has its control files as soon as it is made.

A misspelled name of a control file fails here as it would on a machine, since nothing else makes one. Writes stay what
was written; nobody is bounded by them.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from mesos_service.cgroups import group, steps

V1_FILES: Mapping[str, Mapping[str, str]] = {
    "cpu": {
        "cpu.shares": "1024",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "-1",
        "cpu.stat": "nr_periods 5\nnr_throttled 2\nthrottled_time 1500000000\n",
    },
    "cpuacct": {"cpuacct.stat": "user 250\nsystem 50\n", "cpuacct.usage": "3000000000"},
    "memory": {
        "memory.limit_in_bytes": "9223372036854771712",
        "memory.soft_limit_in_bytes": "9223372036854771712",
        "memory.memsw.limit_in_bytes": "9223372036854771712",
        "memory.usage_in_bytes": "4096",
        "memory.max_usage_in_bytes": "8192",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n",
        "memory.stat": "total_rss 1000\ntotal_cache 2000\ntotal_swap 3000\n",
        "cgroup.event_control": "",
    },
    "pids": {"pids.max": "max", "pids.current": "3"},
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "devices": {"devices.allow": "", "devices.deny": "", "devices.list": "a *:* rwm"},
    "blkio": {
        "blkio.throttle.io_service_bytes": "254:0 Read 4096\n254:0 Write 8192\nTotal 12288\n",
        "blkio.throttle.io_serviced": "254:0 Read 1\n254:0 Write 2\nTotal 3\n",
        **{f"blkio.throttle.{name}_device": "" for name in ("read_bps", "write_bps", "read_iops", "write_iops")},
    },
    "net_cls": {"net_cls.classid": "0"},
    "freezer": {"freezer.state": "THAWED"},
}
V2_FILES: Mapping[str, Mapping[str, str]] = {
    "cpu": {"cpu.weight": "100", "cpu.max": "max 100000"},
    "memory": {
        "memory.low": "0",
        "memory.max": "max",
        "memory.swap.max": "max",
        "memory.oom.group": "0",
        "memory.current": "4096",
        "memory.peak": "8192",
        "memory.swap.current": "3000",
        "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
        "memory.stat": "anon 1000\nfile 2000\n",
    },
    "pids": {"pids.max": "max", "pids.current": "3"},
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "hugetlb": {},
    "io": {"io.stat": "254:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=0 dios=0\n", "io.max": ""},
}
V2_ALWAYS: Mapping[str, str] = {
    "cgroup.procs": "",
    "cgroup.threads": "",
    "cgroup.kill": "",
    "cgroup.freeze": "0",
    "cgroup.subtree_control": "",
    "cpu.stat": "usage_usec 3000000\nuser_usec 2500000\nsystem_usec 500000\n"
    "nr_periods 5\nnr_throttled 2\nthrottled_usec 1500000\n",
}


class FakeKernel:
    """A machine at ``rootfs`` with these mounts: by mount point, a controller of version 1 or all of version 2."""

    def __init__(self, rootfs: Path, v1: Mapping[str, str], v2: tuple[str, ...] | None, patch: pytest.MonkeyPatch):
        self.rootfs = rootfs
        self.place = rootfs / "sys/fs/cgroup"
        self.runtime = rootfs / "run"
        self._v1 = {self.place / name: options.split(",") for name, options in v1.items()}
        self._v2 = (self.place if not v1 else self.place / "unified", v2) if v2 is not None else None
        (rootfs / "proc").mkdir(parents=True)
        lines = ["proc /proc proc rw 0 0"]
        for mount, controllers in self._v1.items():
            mount.mkdir(parents=True)
            shown = f"/{mount.relative_to(rootfs)}".replace(" ", "\\040")
            lines.append(f"cgroup {shown} cgroup rw,relatime,{','.join(controllers)} 0 0")
            self._furnish(mount)
        if self._v2 is not None:
            mount = self._v2[0]
            mount.mkdir(parents=True)
            lines.append(f"cgroup2 /{mount.relative_to(rootfs)} cgroup2 rw,relatime 0 0")
            self._furnish(mount)
            (mount / "cgroup.controllers").write_text(" ".join(self._v2[1]))
        (rootfs / "proc/mounts").write_text("\n".join(lines) + "\n")
        names = ("cpu", "cpuacct", "memory", "pids", "cpuset", "devices", "blkio", "net_cls", "freezer")
        (rootfs / "proc/cgroups").write_text("".join(f"{name} 1 1 1\n" for name in names))
        self._write = steps.write_file
        patch.setattr(steps, "make_directory", self._make_directory)
        patch.setattr(steps, "write_file", self._write_file)
        patch.setattr(group, "remove_directory", self._remove_directory)

    def files(self) -> dict[str, str]:
        """What every file of the machine holds, by path."""
        return {str(path): path.read_text() for path in self.rootfs.rglob("*") if path.is_file()}

    def groups(self) -> list[Path]:
        """All groups but the roots of hierarchies."""
        mounts = [*self._v1, *([self._v2[0]] if self._v2 else [])]
        return [path for mount in mounts for path in mount.rglob("*") if path.is_dir() and path not in mounts]

    def _make_directory(self, path: Path) -> None:
        if not path.is_dir():
            path.mkdir()
            self._furnish(path)

    def _write_file(self, path: Path, value: str) -> None:
        if path.name != "cgroup.subtree_control":
            self._write(path, value)
            return
        # Controllers are handed on one by one, and to groups that are there already too.
        handed_on = path.read_text().split()
        path.write_text(" ".join(sorted({*handed_on, value.removeprefix("+")})))
        for child in path.parent.iterdir():
            if child.is_dir():
                for name, text in V2_FILES[value.removeprefix("+")].items():
                    (child / name).write_text(text)

    def _remove_directory(self, path: Path) -> None:
        if any(child.is_dir() for child in path.iterdir()) or (path / "cgroup.procs").read_text():
            raise OSError(16, "Device or resource busy")
        shutil.rmtree(path)

    def _furnish(self, path: Path) -> None:
        if self._v2 is not None and path.is_relative_to(self._v2[0]):
            found = dict(V2_ALWAYS)
            above = path.parent / "cgroup.subtree_control"
            handed_on = above.read_text().split() if above.is_file() else []
            for controller in handed_on:
                found |= V2_FILES[controller]
            if path != self._v2[0]:
                found["cgroup.type"] = "domain"
        else:
            mount = next(mount for mount in self._v1 if path.is_relative_to(mount))
            found = {"cgroup.procs": "", "tasks": ""}
            for controller in self._v1[mount]:
                found |= V1_FILES.get(controller, {})
        for name, text in found.items():
            (path / name).write_text(text)
