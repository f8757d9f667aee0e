"""What telemetry counts, logs and tells are facts that the cores really return: names that drift apart fail here."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import mesos_service.core
from mesos_service.telemetry.agent_metrics import AGENT_FACTS
from mesos_service.telemetry.logs import INFO, WARNING
from mesos_service.telemetry.master_metrics import MASTER_FACTS
from mesos_service.telemetry.story import SENTENCES

CORE = Path(mesos_service.core.__file__).parent


FACT = re.compile(r"[a-z]+\.[a-z_]+")


def named(folder: Path) -> set[str]:
    """Every text below ``folder`` that is spelled as a fact is, wherever it stands: some are handed on before."""
    return {
        node.value
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and FACT.fullmatch(node.value)
    }


def test_the_master_notes_what_is_counted_of_it() -> None:
    assert set(MASTER_FACTS.values()) - named(CORE / "master") == set()


def test_the_agent_notes_what_is_counted_of_it() -> None:
    assert set(AGENT_FACTS.values()) - named(CORE / "agent") == set()


def test_what_is_logged_or_told_is_noted_somewhere() -> None:
    assert (INFO | WARNING | SENTENCES.keys()) - named(CORE) == set()


def test_both_cores_note_task_updates() -> None:
    assert "task.updated" in named(CORE / "agent")
    assert "task.updated" in named(CORE / "master")
