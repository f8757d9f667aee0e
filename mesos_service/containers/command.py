"""What a command means: a line for the shell, or a program and its arguments (Mesos: ``CommandInfo``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SHELL = "/bin/sh"
MISSING_PROGRAM_STATUS = 1
"""Mesos' executor gives up with this status when the program of a command without a shell cannot be executed."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """``argv`` for :class:`~mesos_service.containers.plan.LaunchPlan`, ``program`` where it is not ``argv[0]``."""

    argv: tuple[str, ...]
    program: str | None = None
    missing_program_status: int | None = None


def refuse_command(*, shell: bool, value: str | None, arguments: Sequence[str]) -> str | None:
    """Say why this cannot be a command, or ``None`` when it can."""
    if value is None:
        return (
            "A shell command needs a value: the line for the shell"
            if shell
            else "A command without a shell needs a value: the program to execute"
        )
    if not shell and not value:
        return "A command without a shell needs a value: the program to execute"
    if any("\0" in text for text in (value, *arguments)):
        return "A command may not contain NUL characters"
    return None


def invocation(*, shell: bool, value: str, arguments: Sequence[str] = ()) -> Invocation:
    """Turn a lawful command into what is executed.

    With a shell, ``value`` is the line and ``arguments`` are ignored. Without, ``value`` is the program, found through
    ``PATH`` unless it holds a slash, and ``arguments`` is its whole argv, ``arguments[0]`` being the name that the
    program sees as its own. No arguments at all leave the program's own name.
    """
    if shell:
        return Invocation((SHELL, "-c", value))
    argv = tuple(arguments) or (value,)
    return Invocation(argv, None if argv[0] == value else value, MISSING_PROGRAM_STATUS)
