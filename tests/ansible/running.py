"""Ansible as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.house.source import ROOT

ANSIBLE = ROOT / "ansible"
ROLES = sorted(path for path in (ANSIBLE / "roles").iterdir() if path.is_dir())
BIN = Path(sys.executable).parent


def run_ansible(
    program: str, *arguments: str, seconds_max: float = 240.0, **settings: str
) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ANSIBLE / "ansible.cfg"),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
        **settings,
    }
    return subprocess.run(
        [str(BIN / program), *arguments],
        cwd=ANSIBLE,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds_max,
    )
