"""Clients that nobody wrote: made of our OpenAPI documents by generators of others, in Python and TypeScript."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from mesos_service.agent import app as agent_app
from mesos_service.local import AgentSpec, LocalCluster
from mesos_service.master import app as master_app
from tests.support.asking import patient_client
from tests.support.real_parts import CLIENTS, ROOT, missing_part, states_of, told

FILES = CLIENTS / "generated"
INSTALLED = ROOT / ".cache" / "generators"
PYTHON = INSTALLED / "venv" / "bin" / "python"
SECONDS_MAX = 300
AGENTS = [AgentSpec(resources="cpus:4;mem:4096")]
SERVICES = ("master", "agent")


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    """A folder with both documents, in which clients are made and run."""
    if not (INSTALLED / "stamp").exists():
        missing_part("openapi-python-client and openapi-ts")
    folder = tmp_path / "made"
    folder.mkdir()
    for name, application in zip(SERVICES, (master_app, agent_app), strict=True):
        (folder / f"{name}.json").write_text(json.dumps(application.openapi_documents().plain))
    return folder


def generate(folder: Path, *command: str | Path) -> None:
    """Run a generator; a word of it on standard error, or a failure, fails the test."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def story_of(work_dir: Path, *program: str | Path) -> list[dict[str, Any]]:
    """What the client tells of a cluster of one agent, as the paper's example has it."""

    async def run() -> tuple[int, list[dict[str, Any]]]:
        async with LocalCluster(agents=AGENTS, work_dir=work_dir, master_port=0) as cluster:
            async with patient_client() as client:
                for address, application in ((cluster.master, master_app), (cluster.agents[0], agent_app)):
                    served = await client.get(f"http://{address}/openapi.json")
                    assert served.json() == application.openapi_documents().plain
            return await told(*program, cluster.master, cluster.agents[0])

    status, story = asyncio.run(asyncio.wait_for(run(), SECONDS_MAX))
    assert status == 0, story
    return story


def check_story(story: list[dict[str, Any]]) -> None:
    """Everything but the reads, which each client tells in its own way."""

    def of(what: str) -> list[dict[str, Any]]:
        return [one for one in story if one["what"] == what]

    assert of("subscribed") == [{"what": "subscribed", "every": 15}] * 2
    assert of("offered") == [
        {"what": "offered", "to": "first", "cpus": 4, "mem": 4096},
        {"what": "offered", "to": "second", "cpus": 1, "mem": 1024},
    ]
    assert states_of(story) == {"t1": ["TASK_STARTING", "TASK_RUNNING"], "t2": ["TASK_STARTING", "TASK_RUNNING"]}
    called = [(one["type"], one["status"]) for one in of("called")]
    assert called == [("ACCEPT", 202), *[("ACKNOWLEDGE", 202)] * 4, *[("TEARDOWN", 202)] * 2]
    paged, every = of("tasks")
    assert (len(paged["names"]), paged["states"]) == (1, ["TASK_RUNNING"])
    assert every["names"] == ["t1", "t2"]
    assert [one["status"] for one in of("scheduled")] == [200]
    assert [one["hosts"] for one in of("draining")] == [["127.0.0.1"]]
    assert [one["starts"] for one in of("windows")] == [[4_000_000_000_000_000_000]]
    assert [one["status"] for one in of("quota")] == [200]
    assert [one["of"] for one in of("quotas")] == [{"two": 1.5}]
    (refused,) = of("refused")
    assert refused["status"] == 400
    assert refused["text"].endswith("Role 'not/' cannot end with a slash")
    assert [one["tasks"] for one in of("containers")] == [["t1", "t2"]]


def test_n04_a_generated_client_in_python_walks_the_papers_example(workplace: Path, tmp_path: Path) -> None:
    """B27, B28, B29, B30, E57: and every read is what the generated code takes it for."""
    # Without hooks nothing but the generator has a say in what is made.
    (workplace / "settings.yml").write_text("post_hooks: []\n")
    for name in SERVICES:
        made = ("--path", f"{name}.json", "--output-path", f"mesos_{name}", "--meta", "none")
        generator = PYTHON.parent / "openapi-python-client"
        generate(workplace, generator, "generate", *made, "--config", "settings.yml", "--fail-on-warning")
    shutil.copy(FILES / "client.py", workplace)
    story = story_of(tmp_path / "cluster", PYTHON, workplace / "client.py")
    check_story(story)
    reads = [(one["name"], one["status"], one["made"]) for one in story if one["what"] == "read"]
    assert len(reads) > 25
    # Nobody runs an allocator in the shadow, and that is told in words.
    assert [one for one in reads if one[1] != 200] == [("get_shadow", 404, "str")]
    assert {name for name, _, made in reads if made == "NoneType"} == {"get_health"}


def test_n04_a_generated_client_in_typescript_walks_the_papers_example(workplace: Path, tmp_path: Path) -> None:
    """B27, B28, B29, B30, E57: functions of one generator and types of another, checked by the compiler."""
    node = shutil.which("node")
    if node is None:
        missing_part("node")
    (workplace / "node_modules").symlink_to(INSTALLED / "node_modules")
    for name in ("client.ts", "openapi-ts.config.mjs", "package.json", "tsconfig.json"):
        shutil.copy(FILES / name, workplace)
    programs = INSTALLED / "node_modules" / ".bin"
    for name in SERVICES:
        generate(workplace, programs / "openapi-typescript", f"{name}.json", "-o", f"types_{name}.ts")
    generate(workplace, programs / "openapi-ts", "-f", "openapi-ts.config.mjs")
    generate(workplace, programs / "tsc")
    story = story_of(tmp_path / "cluster", node, workplace / "client.js")
    check_story(story)
    assert [one["made"] for one in story if one["what"] == "read"] == [1]
