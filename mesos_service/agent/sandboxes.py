"""The sandboxes of one agent: made for each container, and shown to whoever may look into them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from mesos_service.containers import sandbox
from mesos_service.containers.files import Files
from mesos_service.containers.plan import REASON_LAUNCH_FAILED, LaunchFailed
from mesos_service.core.effects import LaunchContainer
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId

RUNS_SHOWN_MAX: Final = 10_000
"""Ended runs that can be looked into; the files of older ones stay on disk and are not shown."""
REASON_EXECUTOR_TERMINATED: Final = "REASON_EXECUTOR_TERMINATED"
"""What Mesos says when an executor's directory cannot be made, an unknown user above all (recorded: task kinds)."""


@dataclass(slots=True)
class _Run:
    """One executor run: where it is shown, and how many of its containers are there."""

    path: str
    latest: str
    live: int = 0


class Garbage(Protocol):
    """See ``agent.garbage``."""

    def retire(self, run: Path) -> None: ...
    def keep(self, run: Path) -> bool: ...


class Sandboxes:
    """Makes and shows sandboxes below ``work_dir``, which is absolute."""

    def __init__(self, work_dir: Path, files: Files) -> None:
        self._work_dir = work_dir
        self._files = files
        self._runs: dict[ContainerId, _Run] = {}
        self._ended: OrderedDict[ContainerId, None] = OrderedDict()
        """Runs of which nothing is left, the one that ended first in front."""
        self._latest: dict[str, ContainerId] = {}
        self.garbage: Garbage | None = None
        """Who removes what nothing runs in any more."""
        self._run_of: dict[ContainerId, ContainerId] = {}

    def run_path(
        self, agent_id: AgentId, framework_id: FrameworkId, executor_id: ExecutorId, run_id: ContainerId
    ) -> Path:
        """Where the sandbox of an executor's run is, whether or not it is there yet."""
        return sandbox.run_path(self._work_dir, agent_id, framework_id, executor_id, run_id)

    def make(self, effect: LaunchContainer, agent_id: AgentId, user: str | None) -> tuple[Path, Path]:
        """The container's sandbox, new and owned by ``user``, and that of its executor, which holds it or is it.

        Raises:
            LaunchFailed: it could not be made; nothing is shown.
        """
        framework_id, executor_id = effect.executor.framework_id, effect.executor.executor_id
        assert framework_id is not None, "an executor that runs belongs to a framework"
        run_id = effect.parent or effect.container_id
        nested = effect.parent is not None
        run = own = self.run_path(agent_id, framework_id, executor_id, run_id)
        if self.garbage is not None and not self.garbage.keep(run):
            raise LaunchFailed(REASON_EXECUTOR_TERMINATED, f"Sandbox '{run}' is being removed")
        try:
            # The built-in executor of task groups has no container, so its first task finds no sandbox to be in.
            if run_id not in self._runs:
                sandbox.create_run(self._work_dir, agent_id, framework_id, executor_id, run_id, user)
                self._show(run_id, run, _latest(framework_id, executor_id))
            if nested:
                task_id = None if effect.task is None else effect.task.task_id
                own = sandbox.create_nested(run, effect.container_id, user, task_id)
        except sandbox.SandboxError as error:
            raise LaunchFailed(REASON_EXECUTOR_TERMINATED, str(error)) from error
        self._runs[run_id].live += 1
        self._run_of[effect.container_id] = run_id
        self._ended.pop(run_id, None)
        return own, run

    def standalone_path(self, container_id: ContainerId) -> Path:
        """Where the sandbox of a container that belongs to no executor is, whether or not it is there yet."""
        return sandbox.standalone_path(self._work_dir, container_id)

    def make_standalone(self, container_id: ContainerId, user: str | None) -> Path:
        """That sandbox, new and owned by ``user``. Raises ``LaunchFailed``."""
        try:
            sandbox.create_standalone(self._work_dir, container_id, user)
        except sandbox.SandboxError as error:
            raise LaunchFailed(REASON_LAUNCH_FAILED, str(error)) from error
        return self.take_over_standalone(container_id)

    def take_over_standalone(self, container_id: ContainerId) -> Path:
        """The same of an agent before this one."""
        path = self.standalone_path(container_id)
        self._files.attach(str(path), path)
        return path

    def hide_standalone(self, path: Path) -> None:
        """It is about to go: let nobody look into it any more."""
        self._files.detach(str(path))

    def take_over(self, effect: LaunchContainer, agent_id: AgentId) -> tuple[Path, Path]:
        """The sandboxes of a container that an agent before this one launched, as :meth:`make` gave them to it."""
        framework_id, executor_id = effect.executor.framework_id, effect.executor.executor_id
        assert framework_id is not None, "an executor that runs belongs to a framework"
        run_id = effect.parent or effect.container_id
        run = self.run_path(agent_id, framework_id, executor_id, run_id)
        if run_id not in self._runs:
            self._show(run_id, run, _latest(framework_id, executor_id))
        self._runs[run_id].live += 1
        self._run_of[effect.container_id] = run_id
        return (run if effect.parent is None else sandbox.nested_path(run, effect.container_id)), run

    def ended(self, container_id: ContainerId) -> None:
        """Nothing of the container is left; its files stay. Unknown containers are ignored."""
        run_id = self._run_of.pop(container_id, None)
        if run_id is None:
            return
        self._runs[run_id].live -= 1
        if self._runs[run_id].live == 0:
            self._ended[run_id] = None
            if self.garbage is not None:
                self.garbage.retire(Path(self._runs[run_id].path))
            while len(self._ended) > RUNS_SHOWN_MAX:
                self._hide(self._ended.popitem(last=False)[0])

    def in_use(self) -> set[Path]:
        """The runs in which something may still run."""
        return {Path(run.path) for run in self._runs.values() if run.live}

    def hide(self, path: Path) -> None:
        """The run's files are about to go: let nobody look into them any more."""
        run_id = ContainerId(path.name)
        if run_id in self._ended:
            del self._ended[run_id]
            self._hide(run_id)

    def _show(self, run_id: ContainerId, path: Path, latest: str) -> None:
        self._runs[run_id] = _Run(str(path), latest)
        self._latest[latest] = run_id
        self._files.attach(str(path), path)
        self._files.attach(latest, path)

    def _hide(self, run_id: ContainerId) -> None:
        run = self._runs.pop(run_id)
        self._files.detach(run.path)
        if self._latest.get(run.latest) == run_id:
            del self._latest[run.latest]
            self._files.detach(run.latest)


def _latest(framework_id: FrameworkId, executor_id: ExecutorId) -> str:
    return f"/frameworks/{framework_id}/executors/{executor_id}/runs/latest"
