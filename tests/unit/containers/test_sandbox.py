"""The sandbox tree (Mesos docs, sandbox; M-AG-15): where, whose, and never through a link."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mesos_service.containers.sandbox import SandboxError, create_nested, create_run, run_path
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, TaskId

AGENT, FRAMEWORK, EXECUTOR = AgentId("a-S0"), FrameworkId("f-0000"), ExecutorId("my executor")


def make(work_dir: Path, name: str, user: str | None = None) -> Path:
    return create_run(work_dir, AGENT, FRAMEWORK, EXECUTOR, ContainerId(name), user)


@pytest.fixture(autouse=True)
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_the_layout_is_mesos_own_and_latest_leads_to_the_newest_run(tmp_path: Path) -> None:
    first = make(tmp_path / "work", "one")
    runs = tmp_path / "work/slaves/a-S0/frameworks/f-0000/executors/my executor/runs"
    assert first == runs / "one"
    assert stat.S_IMODE(first.stat().st_mode) == 0o750, "whatever the umask says"
    second = make(tmp_path / "work", "two")
    assert (runs / "latest").resolve() == second
    assert sorted(path.name for path in runs.iterdir()) == ["latest", "one", "two"]


def test_nested_sandboxes_are_found_by_task_too(tmp_path: Path) -> None:
    parent = make(tmp_path, "parent")
    nested = create_nested(parent, ContainerId("inner"), task_id=TaskId("task 1"))
    assert nested == parent / "containers" / "inner"
    assert (parent / "tasks" / "task 1").resolve() == nested
    other = create_nested(parent, ContainerId("other"))
    assert other.is_dir() and stat.S_IMODE(other.stat().st_mode) == 0o750
    deeper = create_nested(nested, ContainerId("deeper"))
    assert deeper.parent.parent == nested


def test_a_sandbox_is_never_used_twice(tmp_path: Path) -> None:
    make(tmp_path, "one")
    with pytest.raises(SandboxError, match="File exists"):
        make(tmp_path, "one")


@pytest.mark.parametrize("bad", ["", ".", "..", "a/b", "/etc", "a\0b", "x" * 256])
def test_an_id_that_is_a_path_is_a_mistake_of_ours(tmp_path: Path, bad: str) -> None:
    with pytest.raises(ValueError, match="cannot name a directory"):
        run_path(tmp_path, AGENT, FRAMEWORK, ExecutorId(bad), ContainerId("c"))
    with pytest.raises(ValueError, match="cannot name a directory"):
        create_nested(tmp_path, ContainerId("c"), task_id=TaskId(bad))


def test_an_unknown_user_is_told_as_mesos_tells_it(tmp_path: Path) -> None:
    with pytest.raises(SandboxError) as caught:
        make(tmp_path, "one", "no-such-user")
    assert str(caught.value) == (
        f"Failed to create executor directory '{run_path(tmp_path, AGENT, FRAMEWORK, EXECUTOR, ContainerId('one'))}': "
        "Failed to chown directory to 'no-such-user': No such user 'no-such-user'"
    )


def test_it_belongs_to_its_user_and_the_way_to_it_does_not(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        with pytest.raises(SandboxError, match="Only root"):
            make(tmp_path, "one", "daemon")
        return
    path = make(tmp_path, "one", "daemon")
    assert path.owner() == "daemon" and path.parent.owner() != "daemon"
    nested = create_nested(path, ContainerId("inner"), "daemon", TaskId("t"))
    assert nested.owner() == "daemon"
    assert nested.parent.owner() != "daemon"


@pytest.mark.parametrize("planted", ["containers", "tasks"])
def test_a_planted_link_is_refused_and_not_followed(tmp_path: Path, planted: str) -> None:
    parent = make(tmp_path / "work", "parent")
    (tmp_path / "outside").mkdir()
    (parent / planted).symlink_to(tmp_path / "outside")
    with pytest.raises(SandboxError):
        create_nested(parent, ContainerId("inner"), task_id=TaskId("t"))
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_work_directory_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxError, match="Not a directory"):
        make(tmp_path / "file" / "work", "one")
