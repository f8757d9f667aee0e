"""Builds the allocator's compiled kernel (docs/adr/0009) where that can be done, and never fails for want of it.

An editable installation, as ``make setup`` makes one, compiles it beside its source when there is a C compiler and
Python's headers. Wheels are for any machine and have none, unless ``MESOS_SERVICE_KERNEL=1`` asks for it: then the
wheel is for this platform and Python only, and a compiler that fails is an error (``scripts/platform_wheel.sh`` asks
where that can be done). ``MESOS_SERVICE_KERNEL=0``: nowhere.
``CC`` chooses the compiler.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "mesos_service/core/allocation/_kernel.c"


class KernelBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        asked = os.environ.get("MESOS_SERVICE_KERNEL", "")
        if asked == "0" or (asked != "1" and version != "editable"):
            return
        name = f"_kernel{sysconfig.get_config_var('EXT_SUFFIX')}"
        source = Path(self.root, SOURCE)
        target = source.with_name(name) if version == "editable" else Path(tempfile.mkdtemp(), name)
        failure = build(source, target)
        if failure is not None:
            if asked == "1":
                raise RuntimeError(f"the allocator's kernel could not be compiled: {failure}")
            # An old one must not stay beside a source that it was not made of.
            target.unlink(missing_ok=True)
            self.app.display_info(f"The allocator runs in Python, as its kernel could not be compiled: {failure}")
        elif version != "editable":
            build_data["force_include"][str(target)] = str(Path(SOURCE).with_name(name))
            build_data["pure_python"] = False
            build_data["infer_tag"] = True


def missing() -> str | None:
    """What is not there that compiling takes, as a sentence; ``None`` where all is."""
    if compiler() is None:
        return "there is no C compiler (CC names one)"
    headers = sysconfig.get_path("include")
    if not Path(headers, "Python.h").exists():
        return f"Python's headers are not in {headers}"
    return None


def build(source: Path, target: Path) -> str | None:
    """Compile ``source`` to ``target``, which appears whole or not at all; or say why not."""
    command, reason = compiler(), missing()
    if command is None or reason is not None:
        return reason
    headers = sysconfig.get_path("include")
    flags = ["-O2", "-fPIC", "-shared", *(["-undefined", "dynamic_lookup"] if sys.platform == "darwin" else [])]
    part = target.with_name(f"{target.name}.part")
    try:
        done = subprocess.run(
            [*command, *flags, f"-I{headers}", str(source), "-o", str(part)],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            return done.stderr.strip() or f"{command[0]} ended with {done.returncode}"
        part.replace(target)
    except OSError as error:
        return str(error)
    finally:
        part.unlink(missing_ok=True)
    return None


def compiler() -> list[str] | None:
    chosen = shlex.split(os.environ.get("CC", ""))
    if chosen:
        return chosen if shutil.which(chosen[0]) else None
    return next(([found] for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
