"""Which services a run restarts and which it reloads, whatever an earlier run or somebody by hand left (N21)."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import yaml

from tests.ansible.running import run_ansible

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root: as the roles do")

SYSTEMCTL = """#!/bin/sh
echo "$*" >>{log}
case "$*" in
*is-enabled*) echo disabled; exit 1 ;;
*show*) printf 'Id=x\\nLoadState=loaded\\nActiveState=active\\nSubState=running\\nUnitFileState=disabled\\n' ;;
esac
"""


@pytest.mark.parametrize(
    ("role", "handlers"),
    [
        ("mesos_agent", ["Restart the agent", "Reload the agent"]),
        ("mesos_master", ["Restart the master", "Reload the master"]),
        ("prometheus", ["Restart Prometheus", "Reload Prometheus"]),
        ("zookeeper", ["Restart ZooKeeper"]),
        ("otel_collector", ["Restart the collector"]),
    ],
)
def test_n21_what_runs_is_restarted_or_reloaded_also_when_it_was_disabled(
    role: str, handlers: list[str], tmp_path: Path
) -> None:
    """Somebody disabled the unit and let it run: that it is enabled again does not start what is new in it."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "systemctl").write_text(SYSTEMCTL.format(log=tmp_path / "log"))
    (programs / "systemctl").chmod(0o755)
    unit = f"test-{os.getpid()}.service"
    plays = []
    for stale in (True, False):
        files: dict[str, object] = {"stale": stale, "unread": True, "runs": False, "known": True, "paths": []}
        plays.append(
            {
                "hosts": "localhost",
                "connection": "local",
                "gather_facts": False,
                "environment": {"PATH": f"{programs}:{os.environ['PATH']}"},
                "vars": {f"__{role}_files": files, f"__{role}_unit": unit},
                "tasks": [
                    {"ansible.builtin.command": "true", "changed_when": True, "notify": handlers},
                    {"ansible.builtin.import_role": {"name": role, "tasks_from": "service"}},
                ],
            }
        )
    playbook = tmp_path / "play.yml"
    playbook.write_text(yaml.safe_dump(plays))
    done = run_ansible(
        "ansible-playbook", "-i", "localhost,", "-e", f"ansible_python_interpreter={sys.executable}",
        "-e", f"__{role}_unit={unit}", str(playbook),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    asked = [line.split()[0] for line in (tmp_path / "log").read_text().splitlines()]
    did = [word for word in asked if word in ("enable", "start", "restart", "reload")]
    assert did == ["enable", "restart", "enable", *(["reload"] if len(handlers) == 2 else [])]
