"""Where sandboxes are, and how they are made (Mesos ``slave/paths.hpp``, docs/sandbox; M-AG-15's tree).

The tree is ``WORK_DIR/slaves/AGENT/frameworks/FRAMEWORK/executors/EXECUTOR/runs/CONTAINER``, with a link ``latest``
beside the runs. That of a container which belongs to no executor is ``WORK_DIR/containers/CONTAINER``. A nested
container's sandbox is ``containers/CONTAINER`` inside its parent's, and ``tasks/TASK`` there leads to it by the task's
name.

The agent may be root, and everything below a sandbox belongs to a user who can put links there. So directories are
made step by step from an open directory, and a link on the way is refused instead of followed (``beneath.py``). So
the work directory is to be named by a path without links.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mesos_service.containers.beneath import DIRECTORY, LeadsOut, Way, give, make, open_directory, opened
from mesos_service.containers.users import CannotSwitchUser, NoSuchUser, User, user_to_switch_to
from mesos_service.domain.errors import OperatingFault
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, TaskId, refuse_id

SANDBOX_MODE = 0o750
LATEST = "latest"


class SandboxError(OperatingFault):
    """A sandbox could not be made; the text names the directory and the reason."""


def agent_path(work_dir: Path, agent_id: AgentId) -> Path:
    """Everything that one agent id ever ran in this work directory."""
    return work_dir / "slaves" / _part(agent_id)


def framework_path(work_dir: Path, agent_id: AgentId, framework_id: FrameworkId) -> Path:
    """A framework's part of it."""
    return agent_path(work_dir, agent_id) / "frameworks" / _part(framework_id)


def executor_path(work_dir: Path, agent_id: AgentId, framework_id: FrameworkId, executor_id: ExecutorId) -> Path:
    """All runs of an executor."""
    return framework_path(work_dir, agent_id, framework_id) / "executors" / _part(executor_id)


def run_path(
    work_dir: Path,
    agent_id: AgentId,
    framework_id: FrameworkId,
    executor_id: ExecutorId,
    container_id: ContainerId,
) -> Path:
    """The sandbox of one run of an executor."""
    return executor_path(work_dir, agent_id, framework_id, executor_id) / "runs" / _part(container_id)


def nested_path(parent: Path, container_id: ContainerId) -> Path:
    """The sandbox of a container nested in the one whose sandbox is ``parent``."""
    return parent / "containers" / _part(container_id)


def task_path(parent: Path, task_id: TaskId) -> Path:
    """The link by which a nested container's sandbox is found under its task's name."""
    return parent / "tasks" / _part(task_id)


def create_run(
    work_dir: Path,
    agent_id: AgentId,
    framework_id: FrameworkId,
    executor_id: ExecutorId,
    container_id: ContainerId,
    user: str | None = None,
) -> Path:
    """Make the sandbox of a new run, owned by ``user``, and let ``latest`` lead to it. Raises :class:`SandboxError`."""
    path = run_path(work_dir, agent_id, framework_id, executor_id, container_id)
    try:
        owner = user_to_switch_to(user)
        # Down to the sandbox all is the agent's own, so that nobody can have put a link there. For most tasks the
        # directory of their executor is the first that is missing.
        executors = path.parents[2]
        if not os.path.isdir(executors):  # noqa: PTH112 - pathlib's takes longer, and this is asked for every task
            work_dir.mkdir(parents=True, exist_ok=True)
            _make(work_dir, executors, None, sandbox=False)
        _make(executors, path, owner)
        _replace_link(path.parent / LATEST, path.name)
    except (OSError, NoSuchUser, LeadsOut) as error:
        raise SandboxError(f"Failed to create executor directory '{path}': {_reason(error, user)}") from error
    return path


def standalone_path(work_dir: Path, container_id: ContainerId) -> Path:
    """The sandbox of a container that belongs to no executor."""
    return work_dir / "containers" / _part(container_id)


def create_standalone(work_dir: Path, container_id: ContainerId, user: str | None = None) -> Path:
    """Make it, owned by ``user``. Raises :class:`SandboxError`."""
    path = standalone_path(work_dir, container_id)
    try:
        _make(work_dir, path, user_to_switch_to(user))
    except (OSError, NoSuchUser, LeadsOut) as error:
        raise SandboxError(f"Failed to create sandbox '{path}': {_reason(error, user)}") from error
    return path


def create_nested(
    parent: Path, container_id: ContainerId, user: str | None = None, task_id: TaskId | None = None
) -> Path:
    """Make the sandbox of a nested container, and the link of its task. Raises :class:`SandboxError`."""
    path = nested_path(parent, container_id)
    try:
        owner = user_to_switch_to(user)
        _make(parent, path, owner)
        if task_id is not None:
            link = task_path(parent, task_id)
            _make(parent, link.parent, owner, sandbox=False)
            _replace_link(link, os.path.relpath(path, link.parent))
    except (OSError, NoSuchUser, LeadsOut) as error:
        raise SandboxError(f"Failed to create sandbox '{path}': {_reason(error, user)}") from error
    return path


def link_into(sandbox: Path, container_path: str, leads_to: Path, user: str | None = None) -> None:
    """Let ``container_path``, which is relative to the sandbox, lead to a directory outside of it.

    Raises :class:`SandboxError` for a path that is absolute or climbs, that goes through a link, or at which there is
    something else already.
    """
    parts = [part for part in container_path.split("/") if part not in ("", ".")]
    if container_path.startswith("/") or ".." in parts or not parts or "\0" in container_path:
        raise SandboxError(f"'{container_path}' is no path within the sandbox")
    try:
        owner = user_to_switch_to(user)
        with opened(sandbox) as root, Way(root) as way:
            way.go(parts[:-1], missing=lambda name, at: make(name, at, owner))
            try:
                os.symlink(leads_to, parts[-1], dir_fd=way.here)
            except FileExistsError:
                if not _leads_to(parts[-1], way.here, leads_to):
                    raise
    except (OSError, NoSuchUser, LeadsOut) as error:
        raise SandboxError(f"'{container_path}' cannot be made in '{sandbox}': {_reason(error, user)}") from error


def _leads_to(name: str, directory: int, leads_to: Path) -> bool:
    try:
        return os.readlink(name, dir_fd=directory) == str(leads_to)
    except OSError:
        return False


def _part(identifier: str) -> str:
    # Whoever took the identifier in has refused it already; here it would become a path.
    refusal = refuse_id(identifier)
    if refusal is not None:
        raise ValueError(f"'{identifier}' cannot name a directory: {refusal}")
    return identifier


def _reason(error: Exception, user: str | None) -> str:
    if isinstance(error, NoSuchUser | CannotSwitchUser):
        return f"Failed to chown directory to '{user}': {error}"
    return getattr(error, "strerror", None) or str(error)


def _make(root: Path, path: Path, owner: User | None, *, sandbox: bool = True) -> None:
    """Make ``path`` and what is missing between ``root`` and it. A sandbox must be new, and is its owner's."""
    *above, last = path.relative_to(root).parts
    with opened(root) as top, Way(top) as way:
        way.go(above, missing=_make_ours)
        if not sandbox:
            way.go((last,), missing=_make_ours)
            return
        os.mkdir(last, SANDBOX_MODE, dir_fd=way.here)
        made = os.open(last, DIRECTORY, dir_fd=way.here)
        try:
            os.fchmod(made, SANDBOX_MODE)  # Whatever the umask says.
            give(made, owner)
        finally:
            os.close(made)


def _make_ours(name: str, directory: int) -> None:
    make(name, directory, None)


def _replace_link(link: Path, leads_to: str) -> None:
    """Let ``link`` lead there, without a moment in which it is missing."""
    directory = open_directory(link.parent)
    fresh = f".{link.name}.new"
    try:
        with suppress(FileNotFoundError):
            os.unlink(fresh, dir_fd=directory)
        os.symlink(leads_to, fresh, dir_fd=directory)
        os.rename(fresh, link.name, src_dir_fd=directory, dst_dir_fd=directory)
    finally:
        os.close(directory)
