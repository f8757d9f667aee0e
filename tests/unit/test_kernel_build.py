"""The allocator's kernel is built where it can be, and its absence is no failure (docs/adr/0009)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "mesos_service/core/allocation/_kernel.c"


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_compiler_it_says_so(hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hook.build(SOURCE, tmp_path / "kernel.so") == "there is no C compiler (CC names one)"
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    assert "no C compiler" in hook.build(SOURCE, tmp_path / "kernel.so")
    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_fails_leaves_nothing(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text('#!/bin/sh\nfor last; do :; done\necho half > "$last"\necho "it is broken" >&2\nexit 3\n')
    compiler.chmod(0o755)
    monkeypatch.setenv("CC", str(compiler))
    monkeypatch.setattr(hook.sysconfig, "get_path", lambda _: str(tmp_path))
    (tmp_path / "Python.h").touch()
    before = sorted(tmp_path.iterdir())
    assert hook.build(SOURCE, tmp_path / "kernel.so") == "it is broken"
    assert sorted(tmp_path.iterdir()) == before


def test_without_pythons_headers_it_says_so(hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", sys.executable)
    monkeypatch.setattr(hook.sysconfig, "get_path", lambda _: str(tmp_path))
    assert "headers are not in" in hook.build(SOURCE, tmp_path / "kernel.so")


@pytest.mark.usefixtures("compiled_kernel")
def test_what_is_compiled_can_be_imported(hook: ModuleType, tmp_path: Path) -> None:
    target = tmp_path / "_kernel.so"
    assert hook.build(SOURCE, target) is None
    code = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('_kernel', sys.argv[1]);"
        "m = u.module_from_spec(s); s.loader.exec_module(m); print(m.INTERFACE)"
    )
    said = subprocess.run([sys.executable, "-c", code, str(target)], capture_output=True, text=True, check=True)
    from mesos_service.core.allocation import kernel

    assert int(said.stdout) == kernel.INTERFACE


@pytest.mark.parametrize("asked", ["0", "1"])
def test_a_wheel_has_the_kernel_only_where_that_was_asked_for(
    hook: ModuleType, asked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESOS_SERVICE_KERNEL", asked)
    monkeypatch.setattr(hook, "build", lambda source, target: None)
    data: dict[str, object] = {"force_include": {}}
    made = hook.KernelBuildHook(str(ROOT), {}, None, None, str(tmp_path), "wheel")
    made.initialize("standard", data)
    assert data.get("infer_tag", False) is (asked == "1")
    assert bool(data["force_include"]) is (asked == "1")


def test_a_wheel_that_was_to_have_a_kernel_is_not_built_without(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESOS_SERVICE_KERNEL", "1")
    monkeypatch.setattr(hook, "build", lambda source, target: "no compiler")
    made = hook.KernelBuildHook(str(ROOT), {}, None, None, str(tmp_path), "wheel")
    with pytest.raises(RuntimeError, match="could not be compiled: no compiler"):
        made.initialize("standard", {"force_include": {}})
