"""``bench agent --bounds``: what launches cost when nothing is done but what the kernel has to do for them.

One loop without master, agent, scheduler or records, on this machine and in this process: so many commands at a time as
an agent has under way, each spawned, waited for and cleaned up after. What is between its figure and the agent's is
what deciding, telling, recording and the rest of the sandbox cost. Three loops, each with more of what a launch needs:

1. ``command``: the task's shell alone is spawned.
2. ``launcher``: with the shell in front that changes into the sandbox.
3. ``launch``: with control groups made and bounded before, joined by that shell, and removed afterwards; the steps are
   those of the isolators themselves (:meth:`CgroupIsolator.plan`), worked out once. Takes root.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from mesos_service.agent.containers import LAUNCHES_MAX
from mesos_service.cgroups.group import remove_directory
from mesos_service.cgroups.isolator import CgroupIsolator
from mesos_service.cgroups.steps import Make, Step, Write, perform
from mesos_service.containers.command import invocation
from mesos_service.containers.first_process import Launch, command_line
from mesos_service.containers.keeper_packets import VOICE
from mesos_service.containers.mounts import Becoming
from mesos_service.containers.plan import Streams
from mesos_service.domain.ids import ContainerId
from mesos_service.domain.resources import Resources
from mesos_service.plugins.isolator import ContainerConfig, Host
from mesos_service.plugins.loader import ISOLATORS, load, read_config

COUNT: Final = 1000
QUICK_COUNT: Final = 300
BOUNDS: Final = {
    "bound_command": "nothing but spawning the task's shell, and waiting for it",
    "bound_launcher": "with the shell in front that changes into the sandbox",
    "bound_launch": "with control groups made, bounded, joined and removed: no agent is faster than that",
}
_ISOLATORS: Final = ("cgroups/cpu", "cgroups/mem")
_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_NAME: Final = "CONTAINER"
"""What stands for a container in steps that are worked out once."""


class _Nobody(Host):
    def processes(self, container_id: ContainerId) -> Sequence[int]:
        return ()


@dataclass(frozen=True, slots=True)
class Loop:
    """What is done for each launch, by its name."""

    argv: Callable[[str], list[str]]
    before: Callable[[str], None] = lambda name: None
    after: Callable[[str], None] = lambda name: None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one loop."""

    per_second: float
    cpu_us: float
    """Of a launch: of this process and of all that it spawned, in the kernel and outside."""


def run(loop: Loop, count: int, at_once: int = LAUNCHES_MAX) -> Outcome:
    """Launch ``count`` commands, ``at_once`` of them under way.

    Raises:
        RuntimeError: one did not end with 0; those that were under way then have ended.
    """
    under_way: dict[int, tuple[str, int]] = {}
    begun = status = 0
    cpu, began = _cpu_seconds(), time.perf_counter()
    with contextlib.closing(select.epoll()) as poll:
        while under_way or (begun < count and status == 0):
            while begun < count and len(under_way) < at_once and status == 0:
                name = f"launch-{begun}"
                begun += 1
                loop.before(name)
                argv = loop.argv(name)
                # As the keeper does it.
                pid = os.posix_spawn(
                    argv[0],
                    argv,
                    _ENVIRONMENT,
                    file_actions=[(os.POSIX_SPAWN_OPEN, VOICE, os.devnull, os.O_WRONLY, 0)],
                    setsid=True,
                    setsigmask=(),
                    setsigdef=(signal.SIGPIPE,),
                )
                handle = os.pidfd_open(pid)
                under_way[handle] = name, pid
                poll.register(handle, select.EPOLLIN)
            for handle, _ in poll.poll():
                name, pid = under_way.pop(handle)
                poll.unregister(handle)
                os.close(handle)
                status = os.waitpid(pid, 0)[1] or status
                loop.after(name)
    if status != 0:
        raise RuntimeError(f"A command ended with wait status {status}")
    took = time.perf_counter() - began
    return Outcome(count / took, (_cpu_seconds() - cpu) / count * 1e6)


def bounds(count: int = COUNT) -> dict[str, float]:
    """Figures of all loops that this user can run; ``count`` launches of each."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="mesos-service-bench-") as sandbox:
        argv = invocation(shell=True, value="true").argv
        shell = ["/bin/sh", *argv[1:]]
        loops = {"command": Loop(lambda _: shell), "launcher": Loop(lambda _: _command_line(argv, Path(sandbox), ()))}
        with contextlib.ExitStack() as stack:
            if os.geteuid() == 0:
                loops["launch"] = stack.enter_context(_under_cgroups(argv, Path(sandbox)))
            for name, loop in loops.items():
                outcome = run(loop, count)
                figures[f"bound_{name}_per_second"] = outcome.per_second
                figures[f"bound_{name}_cpu_us"] = outcome.cpu_us
    return figures


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _command_line(argv: Sequence[str], sandbox: Path, joins: Sequence[str]) -> list[str]:
    return command_line(
        Launch(
            argv=argv,
            program=None,
            missing_program_status=None,
            environment=_ENVIRONMENT,
            sandbox=sandbox,
            streams=Streams(None, 1, 2),
            becoming=Becoming(user=None, capabilities=None, system_calls=None),
            command_prefix=(),
            mounts=(),
            inside=None,
            joins=joins,
            gated=False,
            begun=None,
            survives=True,
            name=_NAME,
        )
    )


@contextlib.contextmanager
def _under_cgroups(argv: Sequence[str], sandbox: Path) -> Iterator[Loop]:
    """Bounds of processor and memory, in groups of our own, which are removed in the end."""
    root = f"mesos_bench_{os.getpid()}"
    container_id = ContainerId(_NAME)
    config = ContainerConfig(sandbox=str(sandbox), resources=Resources.scalars(cpus=0.001, mem=1))
    steps: list[Step] = []
    joins: list[str] = []
    for name in _ISOLATORS:
        kind = load(ISOLATORS, name)
        flags = {"cgroups_root": root, "runtime_dir": sandbox / "runtime"}
        isolator = cast(CgroupIsolator, kind(_Nobody(), read_config(kind, flags)))
        planned = isolator.plan(container_id, config)
        perform(step for step in planned if _NAME not in step.path.parts)
        steps += (step for step in planned if _NAME in step.path.parts and step not in steps)
        joins += (join for join in isolator.joins(container_id) if join not in joins)
    groups = [step.path for step in steps if isinstance(step, Make)]

    def before(name: str) -> None:
        perform(_of(step, name) for step in steps)

    def after(name: str) -> None:
        for group in reversed(groups):
            remove_directory(_at(group, name))

    def command(name: str) -> list[str]:
        return _command_line(argv, sandbox, [join.replace(_NAME, name) for join in joins])

    try:
        yield Loop(command, before, after)
    finally:
        for group in {group.parent for group in groups if _NAME not in group.parent.parts}:
            with contextlib.suppress(FileNotFoundError):
                remove_directory(group)


def _at(path: Path, name: str) -> Path:
    return Path(str(path).replace(_NAME, name))


def _of(step: Any, name: str) -> Step:  # Any: one of two, which differ in one field
    path = _at(step.path, name)
    return Make(path) if isinstance(step, Make) else Write(path, step.value)
