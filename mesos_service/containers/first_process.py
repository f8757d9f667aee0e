"""What is executed as the first process of a container: shells that join, wait, change into the sandbox, and give way.

Every text reaches them as an argument, never as code.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mesos_service.containers.enter import BEGUN
from mesos_service.containers.keeper_packets import GATE, VOICE
from mesos_service.containers.mounts import Becoming, Inside, entering, entering_root
from mesos_service.containers.plan import Streams
from mesos_service.containers.users import become
from mesos_service.domain.containers import Mount

_SHELL: Final = "/bin/sh"
_GATE: Final = GATE
"""The file descriptor at which the shell waits; the first one that is not standard."""
_VOICE: Final = VOICE
_WAIT_AT_GATE: Final = f"read -r _ <&{_GATE} || exit 1; exec {_GATE}<&-; "
# A keeper of version 2 gives no voice; ":" would end the shell where there is none, as a special built-in of POSIX.
# The file is named once more, as not every shell says what could not be written.
_SPEAK: Final = f"{{ true >&{_VOICE}; }} 2>/dev/null || exec {_VOICE}>&2; "
_JOIN: Final = f'{{ echo 0 >"$1"; }} 2>&{_VOICE} || {{ echo "cannot write to $1" >&{_VOICE}; exit 1; }}; shift; '
_BEGIN: Final = f"exec {_VOICE}>&-; "
# For reading, too: who writes is not ended for want of a reader when the agent is gone.
_OPEN_BEGUN: Final = f'[ -e "$1" ] && exec {BEGUN}<>"$1"; shift; '
_SAY_BEGUN: Final = f"{{ echo >&{BEGUN}; }} 2>/dev/null; exec {BEGUN}>&-; "
_ENTER_SANDBOX: Final = 'cd -- "$1" || exit 1; unset OLDPWD; shift; '


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What to execute, and how; see :class:`~mesos_service.containers.plan.LaunchPlan`."""

    argv: Sequence[str]
    program: str | None
    missing_program_status: int | None
    environment: Mapping[str, str]
    sandbox: Path
    streams: Streams
    becoming: Becoming
    command_prefix: Sequence[str]
    mounts: Sequence[Mount]
    """Made after the prefix, which must lead into a mount namespace of its own."""
    inside: Inside | None
    """How to come to a root that is not the machine's; the prefix leads into a mount namespace then, too."""
    joins: Sequence[str]
    """Files of control groups that the process writes ``0`` to before all else."""
    gated: bool
    """Wait for :meth:`Launcher.release` before changing into the sandbox."""
    begun: str | None
    """Where it says that it has come to its command; only what has something to do before that is to say it."""
    survives: bool
    """Whether it is to outlive the agent; what is not is killed when the agent is gone, however that came (X54)."""
    name: str
    """The container's id."""


@functools.cache
def _shell_survives_exec() -> bool:
    return "bash" in Path(_SHELL).resolve().name


def command_line(launch: Launch) -> list[str]:
    """What to execute so that in the end the command is."""
    if launch.inside is not None:
        line = [*launch.command_prefix, *_entering_root(launch, launch.inside), *launch.argv]
        return _outside(launch, line)
    execute = 'exec "$@"'
    shell = _SHELL
    shell_survives_exec = _shell_survives_exec()
    operands = list(launch.argv)
    if launch.program is not None:
        bash = shutil.which("bash")
        if bash is None:
            # The plainest of shells cannot give a program another name; then it sees its own.
            operands[0] = launch.program
        else:
            shell, shell_survives_exec = bash, True
            execute = 'program=$1; shift; exec -a "$1" -- "$program" "${@:2}"'
            operands.insert(0, launch.program)
    if launch.missing_program_status is not None:
        execute = f"trap 'exit {launch.missing_program_status:d}' EXIT; {execute}"
        if shell_survives_exec:
            execute = f"shopt -s execfail; {execute}; exit"
    enter = (_SAY_BEGUN if launch.begun is not None else "") + _ENTER_SANDBOX + execute
    its = launch.becoming
    if launch.mounts or its.system_calls is not None:
        last = entering(launch.mounts, launch.sandbox, its)
    else:
        last = become(its.user, its.capabilities)
    prefix = [*launch.command_prefix, *last]
    # A prefix may fork, and only who is isolated itself is so with all it makes; nor could who has become another
    # user join anything. Then another shell is first.
    if prefix:
        return _outside(launch, [*prefix, shell, "-c", enter, "sh", str(launch.sandbox), *operands])
    return [shell, "-c", _before_all(launch) + enter, "sh", *launch.joins, str(launch.sandbox), *operands]


def _entering_root(launch: Launch, inside: Inside) -> tuple[str, ...]:
    return entering_root(
        inside,
        launch.mounts,
        launch.sandbox,
        launch.becoming,
        launch.program,
        launch.missing_program_status,
    )


def _outside(launch: Launch, line: Sequence[str]) -> list[str]:
    """A shell in front that joins and waits, where either is asked for."""
    first = _before_all(launch)
    begun = [] if launch.begun is None else [launch.begun]
    return [_SHELL, "-c", f'{first}exec "$@"', "sh", *launch.joins, *begun, *line] if first else [*line]


def _before_all(launch: Launch) -> str:
    # No loop, whose variable could be the task's own.
    join = _SPEAK + _JOIN * len(launch.joins) + _BEGIN if launch.joins else ""
    begun = _OPEN_BEGUN if launch.begun is not None else ""
    return join + (_WAIT_AT_GATE if launch.gated else "") + begun
