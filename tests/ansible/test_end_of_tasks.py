"""What ends the tasks with the host finds those that have control groups of their own, too (M-AG-33)."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest

from tests.ansible.running import ANSIBLE
from tests.support.real_parts import missing_part
from tests.support.waiting import PATIENCE, until

TEMPLATE = ANSIBLE / "roles" / "mesos_agent" / "templates" / "mesos-agent-tasks.service.j2"
HIERARCHIES = (Path("/sys/fs/cgroup/pids"), Path("/sys/fs/cgroup"))


def script(groups: Path, book: Path, seconds: float) -> str:
    """The line that waits, as systemd gives it to the shell."""
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, autoescape=False).from_string(TEMPLATE.read_text())
    unit = template.render(
        ansible_managed="", __mesos_agent_config="/c", __mesos_agent_unit=f"no-unit-{os.getpid()}.service",
        __mesos_agent_groups=str(groups), __mesos_agent_book=str(book), mesos_agent_shutdown_seconds=seconds,
    )  # fmt: skip
    [found] = re.findall(r"^ExecStop=-/bin/sh -c '(.*?)'$", unit.replace("\\\n", " "), re.MULTILINE)
    return str(found).replace("$$", "$").replace("%%", "%")


@pytest.fixture
def groups() -> Iterator[Path]:
    """As an agent makes them below its own with version 2; which version it is means nothing here."""
    hierarchy = next((one for one in HIERARCHIES if (one / "cgroup.procs").exists()), None)
    if hierarchy is None:
        missing_part("control groups")
    made = hierarchy / f"mesos_test_{os.getpid()}"
    each = [made, made / "c", made / "c" / "leaf", made / "other"]
    with contextlib.ExitStack() as ending:
        for group in each:
            group.mkdir()
            ending.callback(group.rmdir)
        yield made


@pytest.mark.skipif(os.geteuid() != 0, reason="making control groups takes root")
def test_m_ag_33_tasks_in_groups_of_their_own_end_with_the_host(groups: Path, tmp_path: Path) -> None:
    lines = {
        "polite": "sleep 1000",
        "another": "sleep 1000",
        "stubborn": "trap '' TERM; touch ready; while :; do sleep 1; done",
    }
    tasks: dict[str, subprocess.Popen[bytes]] = {}
    book = tmp_path / "groups"
    book.write_text(json.dumps(["made", "/sys/fs/cgroup", "c", None]) + "\n")
    members = [groups / "c" / "leaf" / "cgroup.procs", groups / "other" / "cgroup.procs"]
    try:
        for name, line in lines.items():
            entered = f"echo $$ > {members[name == 'another']}; {line}"
            tasks[name] = subprocess.Popen(["sh", "-c", entered], cwd=tmp_path, start_new_session=True)
        until("all are there", lambda: len(members[0].read_text().split()) >= 3 and (tmp_path / "ready").exists())
        until("another is", lambda: members[1].read_text())
        subprocess.run(["/bin/sh", "-c", script(groups, book, 1)], check=False, timeout=60)
        assert tasks["stubborn"].wait(30 * PATIENCE) == -signal.SIGKILL
        assert tasks["polite"].wait(30 * PATIENCE) == -signal.SIGTERM
        assert tasks["another"].poll() is None, "two agents may share a machine"
    finally:
        for task in tasks.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(task.pid, signal.SIGKILL)
            task.wait()
        until("they are gone", lambda: not any(one.read_text() for one in members))


def test_m_ag_33_where_nobody_is_left_nobody_is_waited_for(tmp_path: Path) -> None:
    """Also where the agent has made no group yet. A wait would take as long as the time limit is."""
    subprocess.run(["/bin/sh", "-c", script(tmp_path / "none", tmp_path / "book", 3600)], check=False, timeout=60)
