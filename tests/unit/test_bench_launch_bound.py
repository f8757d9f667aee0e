"""What launches cost when nothing else is done (G9's bound): the loops do all of it, and leave nothing."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from mesos_service.bench import launch_bound
from mesos_service.bench.main import run
from mesos_service.domain.errors import ConfigurationError


def test_a34_each_loop_launches_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joined: list[tuple[bool, list[Path]]] = []
    run_it = launch_bound.run

    def watched(loop: launch_bound.Loop, count: int) -> launch_bound.Outcome:
        """Once more before, with a command that says where it is."""
        told = tmp_path / "told"
        made: list[Path] = []

        def before(name: str) -> None:
            loop.before(name)
            made.extend(Path("/sys/fs/cgroup").glob(f"**/mesos_bench_{os.getpid()}/{name}"))

        def argv(name: str) -> list[str]:
            return [*loop.argv(name)[:-1], f"pwd > {told}; cat /proc/self/cgroup >> {told}"]

        run_it(launch_bound.Loop(argv, before, loop.after), 1)
        where, *groups = told.read_text().splitlines()
        assert sum("/launch-0" in group for group in groups) == len(made), "it has joined what was made for it"
        joined.append((where != str(Path.cwd()), made))
        return run_it(loop, count)

    monkeypatch.setattr(launch_bound, "run", watched)
    figures = launch_bound.bounds(5)
    names = ["command", "launcher", *(["launch"] if os.geteuid() == 0 else [])]
    assert [*figures] == [f"bound_{name}_{what}" for name in names for what in ("per_second", "cpu_us")]
    assert all(value > 0 for value in figures.values())
    assert [(elsewhere, bool(made)) for elsewhere, made in joined] == [(False, False), (True, False), (True, True)][
        : len(names)
    ]
    assert not [*Path("/sys/fs/cgroup").glob(f"**/mesos_bench_{os.getpid()}")]


def test_a34_a_command_that_fails_is_no_figure() -> None:
    before = psutil.Process().children()
    with pytest.raises(RuntimeError, match="wait status 768"):
        launch_bound.run(launch_bound.Loop(lambda _: ["/bin/sh", "-c", "exit 3"]), 5)
    assert psutil.Process().children() == before, "those under way were waited for"


def test_only_the_bench_of_launches_has_bounds() -> None:
    with pytest.raises(ConfigurationError, match="'hotpath' has no bounds"):
        run("hotpath", bounds=True)
