"""Checks and health checks of real tasks (M-AG-19, M-AG-20): what is told, who is killed, and what is left behind."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil
import pytest

from mesos_service.local import LocalCluster
from mesos_service.sdk import tasks
from mesos_service.wire.checks import (
    CheckInfo,
    CheckInfoCommand,
    CheckInfoTcp,
    HealthCheck,
    HealthCheckHTTPCheckInfo,
)
from mesos_service.wire.offers import Offer, OfferOperation
from mesos_service.wire.tasks import TaskStatus
from tests.e2e.frameworks import NEEDS, Framework, Patient, play, subscribed, subscribed_as, task_processes
from tests.e2e.restarting import restartable
from tests.support.children import command_line
from tests.support.ports import fixed_port
from tests.unit.agent_service.support import until
from tests.unit.cgroups.live import Live, live_groups

live = live_groups
WEB = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == '/hang':
            import time; time.sleep(1000)
        self.send_response(503 if os.path.exists('broken') else 200)
        self.send_header('Content-Length', '0')
        self.end_headers()
    def log_message(self, *args): pass
http.server.ThreadingHTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()
"""


def by_command(line: str, failures: int = 2, timeout: float = 60.0, grace: float = 0.0) -> HealthCheck:
    return HealthCheck(
        type="COMMAND",
        command=tasks.command_info(line),
        delay_seconds=0,
        interval_seconds=0.1,
        timeout_seconds=timeout,
        grace_period_seconds=grace,
        consecutive_failures=failures,
    )


def by_http(port: int, path: str = "/", timeout: float = 60.0, grace: float = 60.0) -> HealthCheck:
    return HealthCheck(
        type="HTTP",
        http=HealthCheckHTTPCheckInfo(port=port, path=path),
        delay_seconds=0,
        interval_seconds=0.1,
        timeout_seconds=timeout,
        grace_period_seconds=grace,
        consecutive_failures=2,
    )


def sandbox_of(framework: Framework, task_id: str) -> Path:
    for status in framework.seen[task_id]:
        if status.container_status is not None and status.container_status.executor_pid is not None:
            return Path(psutil.Process(status.container_status.executor_pid).cwd())
    raise AssertionError("it does not run")


def healths(framework: Framework, task_id: str) -> list[bool | None]:
    return [status.healthy for status in framework.seen.get(task_id, [])]


def slow_checks() -> list[psutil.Process]:
    return [one for one in task_processes() if "4321" in command_line(one)]


def last(framework: Framework, task_id: str) -> TaskStatus:
    return framework.seen[task_id][-1]


def test_m_ag_19_a_command_that_fails_so_often_kills_its_task(tmp_path: Path) -> None:
    """It runs in the task's sandbox with its environment; what it writes fills no disk."""

    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            line = 'echo tried >> tries; head -c 3000000 /dev/zero; test -e well -a "$WHO" = me'
            await framework.run_tasks(
                lambda offer: tasks.task(
                    "hc",
                    offer,
                    NEEDS,
                    "touch well; exec sleep 1000",
                    environment={"WHO": "me"},
                    # It may be checked before it has begun.
                    health_check=by_command(line, grace=60),
                )
            )
            await framework.until(lambda: True in healths(framework, "hc"))
            sandbox = sandbox_of(framework, "hc")
            (sandbox / "well").unlink()
            await framework.until(lambda: framework.states("hc")[-1:] == ["KILLED"])
            assert healths(framework, "hc")[-3:] == [False, False, False]
            reasons = [status.reason for status in framework.seen["hc"] if status.healthy is not None]
            assert set(reasons[:-1]) == {"REASON_TASK_HEALTH_CHECK_STATUS_UPDATED"}
            assert last(framework, "hc").message == "Command terminated with signal Terminated"
            assert len((sandbox / "tries").read_text().split()) >= 3
            assert (sandbox / "stdout").stat().st_size == 0

    play(scenario)


def test_m_ag_19_checks_that_hang_are_ended_with_all_they_started(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            line = "trap '' TERM; setsid sleep 1234 & sleep 1234"
            await framework.run_tasks(
                lambda offer: tasks.task(
                    "hc", offer, NEEDS, "exec sleep 1000", health_check=by_command(line, timeout=0.3)
                )
            )
            await framework.until(lambda: framework.states("hc")[-1:] == ["KILLED"])
            assert healths(framework, "hc")[-3:] == [False, False, False]
            await until(lambda: not task_processes())

    play(scenario)


def test_m_ag_19_http_and_a_server_that_breaks(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            for name, path in (("web", "/"), ("mute", "/hang")):
                offer = await framework.an_offer()
                port = fixed_port()
                command = [sys.executable, "-c", WEB, str(port)]
                check = by_http(port, path) if name == "web" else by_http(port, path, timeout=0.3, grace=0)
                made = tasks.task(name, offer, NEEDS, command, health_check=check)
                await framework.accept([offer], [tasks.launch(made)], refuse_seconds=0)
            await framework.until(lambda: True in healths(framework, "web"))
            (sandbox_of(framework, "web") / "broken").touch()
            for name in ("web", "mute"):
                await framework.until(lambda name=name: framework.states(name)[-1:] == ["KILLED"])  # type: ignore[misc]
                assert healths(framework, name)[-2:] == [False, False]

    play(scenario)


def test_m_ag_20_checks_tell_changes_and_leave_the_task_alone(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            by_exit = CheckInfo(
                type="COMMAND",
                command=CheckInfoCommand(command=tasks.command_info("exit $(cat status)")),
                delay_seconds=0,
                interval_seconds=0.1,
            )
            by_tcp = CheckInfo(type="TCP", tcp=CheckInfoTcp(port=1), delay_seconds=0, interval_seconds=0.1)
            offer = await framework.an_offer()
            made = (
                tasks.task("exits", offer, NEEDS, "echo 3 > status; exec sleep 1000", check=by_exit),
                tasks.task("closed", offer, NEEDS, "exec sleep 1000", check=by_tcp),
            )
            await framework.accept([offer], [tasks.launch(*made)], refuse_seconds=0)

            def codes() -> list[int]:
                told = [status.check_status for status in framework.seen.get("exits", [])]
                return [
                    one.command.exit_code
                    for one in told
                    if one is not None and one.command is not None and one.command.exit_code is not None
                ]

            await framework.until(lambda: codes()[-1:] == [3])
            (sandbox_of(framework, "exits") / "status").write_text("0")
            await framework.until(lambda: codes()[-1:] == [0])
            await framework.until(lambda: len(framework.seen.get("closed", [])) >= 3)
            told = last(framework, "closed")
            assert told.check_status is not None
            assert told.check_status.tcp is not None
            assert told.check_status.tcp.succeeded is False
            assert told.reason == "REASON_TASK_CHECK_STATUS_UPDATED"
            await framework.kill("exits")
            await framework.until(lambda: framework.states("exits")[-1:] == ["KILLED"])
            assert framework.states("closed")[-1] == "RUNNING"

    play(scenario)


def test_m_ag_19_an_invalid_check_is_an_error_with_mesos_words(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:
            bad = HealthCheck(type="HTTP", http=HealthCheckHTTPCheckInfo(port=80, path="no-slash"))
            await framework.run_tasks(lambda offer: tasks.task("bad", offer, NEEDS, "exit 0", health_check=bad))
            told = await framework.reaches("bad", "ERROR")
            assert told.message == (
                "Task uses invalid health check: The path 'no-slash' of HTTP health check must start with '/'"
            )

    play(scenario)


def test_m_ag_19_m_ag_23_health_of_a_group_on_the_default_executor(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with LocalCluster(1, work_dir=tmp_path) as cluster, subscribed(cluster) as framework:

            def make(offer: Offer) -> OfferOperation:
                checked = tasks.task(
                    "a", offer, NEEDS, "exec sleep 1000", health_check=by_command("exit 1", failures=1)
                )
                other = tasks.task("b", offer, NEEDS, "exec sleep 1000")
                return tasks.launch_group(tasks.default_executor("pod", NEEDS), checked, other)

            await framework.run_tasks(make)
            for name in ("a", "b"):
                await framework.until(lambda name=name: framework.states(name)[-1:] == ["KILLED"])  # type: ignore[misc]
            assert (last(framework, "a").healthy, last(framework, "b").healthy) == (False, None)

    play(scenario)


def test_m_ag_19_x53_checks_go_on_over_a_kill_of_the_agent(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(cluster, tmp_path / "agent") as agent,
            subscribed_as(Patient, cluster) as framework,
        ):
            line = "test ! -e ill && { echo $$ > checking; test ! -e slow || sleep 4321; }"
            made = by_command(line, failures=1, timeout=1000)
            await framework.run_tasks(
                lambda offer: tasks.task("hc", offer, NEEDS, "exec sleep 1000", health_check=made)
            )
            await framework.until(lambda: True in healths(framework, "hc"))
            sandbox = sandbox_of(framework, "hc")
            (sandbox / "slow").touch()
            await until(slow_checks)
            await agent.kill()
            (sandbox / "slow").unlink()
            (sandbox / "ill").touch()
            await agent.start()
            await framework.until(lambda: framework.states("hc")[-1:] == ["KILLED"])
            assert last(framework, "hc").healthy is False
            # What was being tried when the agent died went with it.
            assert not slow_checks()

    play(scenario)


@pytest.mark.skipif(os.geteuid() != 0, reason="control groups and namespaces take root")
def test_m_ag_19_a_check_is_in_the_groups_and_namespaces_of_its_task(tmp_path: Path, live: Live) -> None:
    async def scenario() -> None:
        async with (
            LocalCluster(0, work_dir=tmp_path / "master") as cluster,
            restartable(
                cluster,
                tmp_path / "agent",
                isolation="cgroups/mem,cgroups/pids,namespaces/pid,namespaces/ipc",
                cgroups_root=live.root,
            ),
            subscribed_as(Patient, cluster) as framework,
        ):
            line = (
                # Once, and when the shell that the task begins as has become what it is.
                "test -e namespaces && exit 0; tr '\\0' ' ' < /proc/1/cmdline | grep -q '^sleep' || exit 1;"
                "cat /proc/1/cmdline > first; cat /proc/1/cgroup > task_groups; cat /proc/self/cgroup > groups;"
                " ls -l /proc/1/ns/ipc /proc/self/ns/ipc | sed 's/.*-> //' | uniq | wc -l > counted;"
                " mv counted namespaces"
            )
            await framework.run_tasks(
                lambda offer: tasks.task("hc", offer, NEEDS, "exec sleep 1000", health_check=by_command(line, grace=60))
            )
            await framework.until(lambda: True in healths(framework, "hc"))
            [sandbox] = (tmp_path / "agent").glob("slaves/*/frameworks/*/executors/hc/runs/latest")
            assert (sandbox / "first").read_bytes() == b"sleep\x001000\0"
            groups = (sandbox / "groups").read_text()
            assert groups == (sandbox / "task_groups").read_text()
            assert live.root in groups
            assert (sandbox / "namespaces").read_text().strip() == "1"

    play(scenario)
    assert not live.containers()
