"""The trace store as a program: an offer's life over three hosts, secured, on a full disk, and killed (N03)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote

import pytest

from mesos_service.local import LocalCluster
from mesos_service.local.cluster import AgentSpec
from tests.house.source import ROOT
from tests.support.certificates import Authority
from tests.support.ports import fixed_port
from tests.support.small_disk import SmallDisk
from tests.support.waiting import until
from tests.unit.tracing_store.exports import body, span

CLI = (sys.executable, "-m", "mesos_service.cli.main")


@pytest.fixture(autouse=True)
def no_inherited_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("OTEL_", "MESOS_"))]:
        monkeypatch.delenv(name)
    # Spans are sent when there are some, not every five seconds.
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")


class Store:
    """A store's process, and how to speak to it."""

    def __init__(self, work_dir: Path, port: int, process: subprocess.Popen[bytes]) -> None:
        self.work_dir = work_dir
        self.address = f"127.0.0.1:{port}"
        self.process = process

    def counts(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://{self.address}/metrics/snapshot", timeout=60) as answer:
            found: dict[str, float] = json.load(answer)
            return found

    def send(self, sent: bytes) -> int:
        """The status of the answer."""
        request = urllib.request.Request(
            f"http://{self.address}/v1/traces", sent, {"Content-Type": "application/x-protobuf"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code


@contextlib.contextmanager
def a_store(work_dir: Path, *flags: str, before: Sequence[str] = ()) -> Iterator[Store]:
    port = fixed_port()
    command = [*before, *CLI, "traces", "serve", f"--work_dir={work_dir}", f"--port={port}", *flags]
    process = subprocess.Popen(command)
    store = Store(work_dir, port, process)
    scheme = "https" if any(flag.startswith("--ssl") for flag in flags) else "http"

    def answers() -> bool:
        assert process.poll() is None, "it ended while it was starting"
        with contextlib.suppress(OSError):
            if scheme == "https":
                return _connects(port)
            with urllib.request.urlopen(f"http://{store.address}/health", timeout=5) as answer:
                return int(answer.status) == 200
        return False

    try:
        until("the store answers", answers, 60)
        yield store
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(timeout=60)


def _connects(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=5):
        return True


def trace(
    store: Store, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``mesos-service trace``."""
    return subprocess.run(
        (*CLI, "trace", "--store", store.address, *arguments),
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", **(environment or {})},
    )


async def a_traced_task(store: Store, work_dir: Path, **more: str) -> int:
    """A master on node1, agents on node2 and node3, and a task with spans of its own on one of them."""
    specs = [AgentSpec(flags={"hostname": host}) for host in ("node2", "node3")]
    environment = {"PYTHONPATH": str(ROOT), "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{store.address}", **more}
    async with (
        asyncio.timeout(120),
        LocalCluster(agents=specs, master_flags={"hostname": "node1"}, work_dir=work_dir, processes=True) as cluster,
    ):
        process = await asyncio.create_subprocess_exec(
            *(*CLI, "run", "--master", cluster.master, "--name", "sorting"),
            *(option for name, value in environment.items() for option in ("--env", f"{name}={value}")),
            *("--", sys.executable, str(ROOT / "examples" / "traced_task.py"), "1000"),
        )
        return await process.wait()


def test_n03_one_waterfall_shows_master_agent_and_task_over_hosts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with a_store(tmp_path / "store") as store:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://{store.address}")
        assert asyncio.run(a_traced_task(store, tmp_path / "cluster")) == 0

        found = json.loads(until("the whole trace", lambda: _whole(store), 60))
        (agent_host,) = {one["host"] for one in found["spans"] if one["service"] == "mesos-agent"}
        assert agent_host in ("node2", "node3")
        by_id = {one["span_id"]: one for one in found["spans"]}
        named = {one["name"]: one for one in found["spans"]}
        assert {(named[name]["service"], named[name]["host"]) for name in ("sort", "sort.draw")} == {
            ("task", agent_host)
        }
        assert {one["host"] for one in found["spans"] if one["service"] == "mesos-master"} == {"node1"}
        assert by_id[named["sort"]["parent_span_id"]]["name"] == "task.running"
        assert by_id[named["sort.draw"]["parent_span_id"]]["name"] == "sort"
        assert all(one["parent_span_id"] in by_id for one in found["spans"] if one["name"] != "master.offer")
        assert named["sort"]["attributes"]["executor_id"] == "sorting"

        drawn = trace(store, found["trace_id"], environment={"COLUMNS": "130"}).stdout
        rows = {line.split()[2]: line.split()[:2] for line in drawn.splitlines() if re.match(r"node\d ", line)}
        assert rows["master.offer"] == ["node1", "mesos-master"]
        assert rows["agent.launch"] == [agent_host, "mesos-agent"]
        assert rows["sort"] == [agent_host, "task"]
        assert "2 hosts" in drawn
        assert "clocks differ" not in drawn
        assert max(map(len, drawn.splitlines())) <= 130
        offer = named["master.offer"]["attributes"]["offer_id"]
        assert trace(store, "--offer", offer, environment={"COLUMNS": "130"}).stdout == drawn

        slowest = json.loads(trace(store, "--slowest", "1", "--span", "sort", "-o", "json").stdout)
        assert [one["trace_id"] for one in slowest] == [found["trace_id"]]
        newest = trace(store).stdout.splitlines()
        assert newest[0].split() == ["TRACE", "ROOT", "TOOK", "SPANS", "ERRORS"]
        assert any(line.startswith(found["trace_id"]) for line in newest)


def _whole(store: Store) -> str:
    """The trace of the task, once all that is awaited is in it: each service sends its spans when it likes."""
    answer = trace(store, "--task", "sorting", "-o", "json")
    if answer.returncode:
        return ""
    spans = json.loads(answer.stdout)["spans"]
    names = Counter(one["name"] for one in spans)
    known = {one["span_id"] for one in spans}
    awaited = Counter({"master.offer": 1, "agent.launch": 1, "task.running": 1, "sort": 1, "sort.draw": 1})
    awaited += Counter({"agent.update": 3, "master.update": 3, "master.acknowledgement": 3})
    whole = all(one["parent_span_id"] in known for one in spans if one["name"] != "master.offer")
    return answer.stdout if whole and names >= awaited else ""


def test_n03_services_prove_who_they_are_to_the_store_over_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    host = authority.vouch_for("localhost", "IP:127.0.0.1")
    credentials = tmp_path / "credentials"
    credentials.write_text("cluster much-secret\n")
    credentials.chmod(0o600)
    flags = (
        f"--ssl_cert_file={host.cert_file}",
        f"--ssl_key_file={host.key_file}",
        f"--http_credentials={credentials}",
        "--authenticate_http_readonly",
        "--authenticate_http_readwrite",
    )
    with a_store(tmp_path / "store", *flags) as store:
        proof = b64encode(b"cluster:much-secret").decode()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"https://{store.address}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(authority.ca_file))
        for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):  # The exporter's HTTP library believes those first.
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"Authorization={quote(f'Basic {proof}')}")

        async def run() -> None:
            async with asyncio.timeout(60), LocalCluster(agents=1, work_dir=tmp_path / "cluster") as cluster:
                process = await asyncio.create_subprocess_exec(*CLI, "run", "--master", cluster.master, "--", "true")
                assert await process.wait() == 0

        asyncio.run(run())
        proved = {"MESOS_SSL_CA_FILE": str(authority.ca_file), "MESOS_CREDENTIAL": str(credentials)}
        found = trace(store, "--task", "run", environment=proved)
        assert "agent.launch" in found.stdout, found.stderr
        refused = trace(store, "--task", "run", environment={"MESOS_SSL_CA_FILE": str(authority.ca_file)})
        assert refused.returncode == 1
        assert "401" in refused.stderr
        unknown = trace(store, "--task", "run")
        assert unknown.returncode == 1
        assert "no trace store answers" in unknown.stderr


def test_a_full_disk_refuses_spans_for_now_and_keeps_what_was_there(tmp_path: Path) -> None:
    place = tmp_path / "disk"
    place.mkdir()
    with SmallDisk(place) as disk, a_store(place, before=disk.command) as store:
        assert store.send(body(span(1, attributes={"offer_id": "O1"}))) == 200
        disk.fill()
        many = body(*(span(one, attributes={"said": "x" * 300}) for one in range(2, 2000)))
        assert store.send(many) == 503
        assert store.counts()["traces/spans"] == 1
        assert trace(store, "--offer", "O1").returncode == 0
        disk.free()
        assert store.send(many) == 200
        assert store.counts()["traces/spans"] == 1999


def test_what_was_answered_is_there_after_a_kill(tmp_path: Path) -> None:
    answered = 0
    with a_store(tmp_path) as store:
        for number in range(1, 30):
            spans = [span(one, trace=f"{number:032x}", attributes={"offer_id": f"O{number}"}) for one in range(1, 50)]
            assert store.send(body(*spans)) == 200
            answered += len(spans)
        store.process.send_signal(signal.SIGKILL)
        store.process.wait()
    with a_store(tmp_path) as store:
        assert store.counts()["traces/spans"] == answered
        assert trace(store, "--offer", "O29").returncode == 0


def test_a_wrong_question_is_told_in_one_line(tmp_path: Path) -> None:
    questions = (
        (("zz",), 2, "'zz' is no trace's id"),
        (("0" * 32,), 1, "answers 404: There is no such trace."),
        (("--task", "nobody"), 1, "knows nothing of task nobody"),
        (("--task", "a", "--offer", "b"), 2, "not more than one of them"),
        (("--span", "x"), 2, "--span goes with --slowest"),
        (("--store", "a:b"), 2, "--store: 'a:b': the port is a number"),
    )
    with a_store(tmp_path) as store:
        answers = [trace(store, *arguments) for arguments, _, _ in questions]
    for answer, (_, status, said) in zip(answers, questions, strict=True):
        assert (answer.returncode, answer.stdout) == (status, "")
        assert said in answer.stderr
        assert len(answer.stderr.splitlines()) == 1
