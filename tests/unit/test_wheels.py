"""The wheels of ``make dist``: one for any machine, one with the compiled allocator; each host takes what fits it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def built(out: Path, *, kernel: bool) -> Path:
    """The one wheel that was built into ``out``."""
    if kernel:
        subprocess.run([ROOT / "scripts/platform_wheel.sh"], env={**os.environ, "OUT": str(out)}, check=True)
    else:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = out.iterdir()
    return wheel


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both."""
    both = tmp_path_factory.mktemp("wheels")
    for kernel in (False, True):
        wheel = built(tmp_path_factory.mktemp("out"), kernel=kernel)
        wheel.rename(both / wheel.name)
    return both


def taken(wheels: Path, out: Path, *platform: str) -> str:
    """The name of what pip would install for ``platform``, and for this machine where that is not said."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-index", "--no-deps", "--find-links", str(wheels)]
    subprocess.run([*command, *platform, "--only-binary=:all:", "-d", str(out), "mesos-service"], check=True)
    [wheel] = out.iterdir()
    return wheel.name


@pytest.mark.usefixtures("compiled_kernel")
def test_each_host_takes_the_wheel_that_fits_it(wheels: Path, tmp_path: Path) -> None:
    pure, compiled = sorted(wheels.iterdir(), key=lambda one: "py3-none-any" not in one.name)
    assert pure.name.endswith("-py3-none-any.whl")
    assert f"-cp3{sys.version_info.minor}-" in compiled.name
    assert taken(wheels, tmp_path / "here") == compiled.name
    assert taken(wheels, tmp_path / "newer", "--python-version", "3.99") == pure.name
    assert taken(wheels, tmp_path / "other", "--platform", "manylinux2014_riscv64") == pure.name


@pytest.mark.usefixtures("compiled_kernel")
def test_what_is_installed_runs_the_kernel_that_its_wheel_has(wheels: Path, tmp_path: Path) -> None:
    for wheel in wheels.iterdir():
        site = tmp_path / wheel.name
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", str(site)]
        subprocess.run([*command, str(wheel)], check=True)
        code = (
            "import sys; sys.path.insert(0, sys.argv[1]); from mesos_service.core.allocation import kernel;"
            " print(kernel.__file__, kernel.name())"
        )
        said = subprocess.run(
            [sys.executable, "-c", code, str(site)], cwd=tmp_path, capture_output=True, text=True, check=True
        )
        where, name = said.stdout.split()
        assert where.startswith(str(site))
        assert name == ("python" if "none-any" in wheel.name else "compiled")


@pytest.mark.usefixtures("compiled_kernel")
@pytest.mark.parametrize("kernel", [False, True], ids=["pure", "compiled"])
def test_the_same_source_makes_the_same_wheel(tmp_path: Path, kernel: bool) -> None:
    """Hosts that have it are left alone."""
    digests = set()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        digests.add(hashlib.sha256(built(tmp_path / name, kernel=kernel).read_bytes()).hexdigest())
    assert len(digests) == 1


def test_without_a_compiler_there_is_no_such_wheel_and_no_failure(tmp_path: Path) -> None:
    done = subprocess.run(
        [ROOT / "scripts/platform_wheel.sh"],
        env={**os.environ, "OUT": str(tmp_path), "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "platform wheel: none is built, as there is no C compiler (CC names one)\n"
    assert list(tmp_path.iterdir()) == []
