"""What a container is started with (M-EX-03; recorded from Mesos: the variables of an executor and a task)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mesos_service.agent.launch_plans import PATH, LaunchSettings, plan_launch, user_of
from mesos_service.containers.plan import LaunchFailed, UriSpec
from mesos_service.core.effects import LaunchContainer
from mesos_service.core.trace import TraceParent
from mesos_service.domain.containers import Rlimit, Wish, Wishes
from mesos_service.domain.executors import ExecutorInfo, ExecutorType
from mesos_service.domain.frameworks import FrameworkInfo
from mesos_service.domain.ids import AgentId, ContainerId, ExecutorId, FrameworkId, TaskId
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TaskInfo
from mesos_service.plugins.isolator import UNLIMITED
from mesos_service.wire import checks, containers, tasks
from mesos_service.wire.common import AgentID, ExecutorID, TaskID
from mesos_service.wire.convert.infos import executor_from_wire, task_from_wire
from mesos_service.wire.resources import Resource, ResourceAllocationInfo, ValueScalar

SETTINGS = LaunchSettings(ip="127.0.0.1", port=5051, switch_user=True)
SANDBOX = Path("/w/runs/c1")
AGENT = AgentId("S1")


def framework(checkpoint: bool = True) -> FrameworkInfo:
    return FrameworkInfo(name="f", user="fred", framework_id=FrameworkId("F"), checkpoint=checkpoint)


def command(**fields: object) -> containers.CommandInfo:
    return containers.CommandInfo(**{"value": "exit 0", **fields})  # type: ignore[arg-type]  # Each test names its own.


def variables(**values: str) -> containers.Environment:
    return containers.Environment(
        variables=tuple(containers.EnvironmentVariable(name=name, value=value) for name, value in values.items())
    )


def command_task(
    own: containers.CommandInfo,
    container: containers.ContainerInfo | None = None,
    checkpoint: bool = True,
    health_check: checks.HealthCheck | None = None,
    check: checks.CheckInfo | None = None,
) -> LaunchContainer:
    """What the core asks for when a framework launches a task of its own command in role ``blue``."""
    task = task_from_wire(
        tasks.TaskInfo(
            name="t",
            task_id=TaskID(value="t1"),
            agent_id=AgentID(value=AGENT),
            resources=(
                Resource(
                    name="cpus",
                    type="SCALAR",
                    scalar=ValueScalar(value=0.1),
                    allocation_info=ResourceAllocationInfo(role="blue"),
                ),
            ),
            command=own,
            container=container,
            health_check=health_check,
            check=check,
        )
    )
    executor = ExecutorInfo(
        executor_id=ExecutorId("t1"), type=ExecutorType.COMMAND, framework_id=FrameworkId("F"), source="t1"
    )
    return LaunchContainer(
        container_id=ContainerId("c1"),
        framework=framework(checkpoint),
        executor=executor,
        task=task,
        resources=task.resources,
        trace=TraceParent("00-" + "a" * 32 + "-" + "b" * 16 + "-01"),
    )


def custom_executor(own: containers.CommandInfo, grace_seconds: float | None = None) -> LaunchContainer:
    info = executor_from_wire(tasks.ExecutorInfo(type="CUSTOM", executor_id=ExecutorID(value="e1"), command=own))
    executor = ExecutorInfo(
        executor_id=info.executor_id,
        framework_id=FrameworkId("F"),
        command=info.command,
        shutdown_grace_seconds=grace_seconds,
        carried=info.carried,
    )
    return LaunchContainer(
        container_id=ContainerId("c1"),
        framework=framework(),
        executor=executor,
        task=None,
        resources=Resources.EMPTY,
    )


def test_m_ex_03_environment_of_a_custom_executor() -> None:
    plan = plan_launch(custom_executor(command(environment=variables(FOO="bar"))), AGENT, SETTINGS, SANDBOX, SANDBOX)
    assert plan.environment == {
        "FOO": "bar",
        "LIBPROCESS_IP": "127.0.0.1",
        "LIBPROCESS_PORT": "0",
        "MESOS_AGENT_ENDPOINT": "127.0.0.1:5051",
        "MESOS_CHECKPOINT": "1",
        "MESOS_DIRECTORY": "/w/runs/c1",
        "MESOS_EXECUTOR_ID": "e1",
        "MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD": "5secs",
        "MESOS_FRAMEWORK_ID": "F",
        "MESOS_HTTP_COMMAND_EXECUTOR": "0",
        "MESOS_RECOVERY_TIMEOUT": "15mins",
        "MESOS_SANDBOX": "/w/runs/c1",
        "MESOS_SLAVE_ID": "S1",
        "MESOS_SLAVE_PID": "slave(1)@127.0.0.1:5051",
        "MESOS_SUBSCRIPTION_BACKOFF_MAX": "2secs",
        "PATH": PATH,
    }


def test_m_ex_03_environment_of_a_command_task() -> None:
    effect = command_task(command(environment=variables(GREETING="hello", MESOS_SANDBOX="mine")), checkpoint=False)
    environment = plan_launch(effect, AGENT, SETTINGS, SANDBOX, SANDBOX).environment
    assert environment["MESOS_ALLOCATION_ROLE"] == "blue"
    assert environment["MESOS_EXECUTOR_ID"] == "t1"
    assert environment["MESOS_CHECKPOINT"] == "0"
    assert "MESOS_RECOVERY_TIMEOUT" not in environment
    assert "MESOS_SUBSCRIPTION_BACKOFF_MAX" not in environment
    assert environment["TRACEPARENT"] == effect.trace
    assert environment["GREETING"] == "hello"
    assert environment["MESOS_SANDBOX"] == "mine", "what the framework sets wins"


def test_m_ex_03_the_executors_own_grace_and_the_agents_flags() -> None:
    settings = LaunchSettings(
        ip="::1", port=7000, switch_user=False, executor_environment={"PATH": "/opt/bin", "LIBPROCESS_IP": "10.0.0.1"}
    )
    effect = custom_executor(command(), grace_seconds=90)
    environment = plan_launch(effect, AGENT, settings, SANDBOX, SANDBOX).environment
    assert environment["MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD"] == "90secs"
    assert environment["PATH"] == "/opt/bin"
    assert environment["LIBPROCESS_IP"] == "10.0.0.1"
    assert environment["MESOS_AGENT_ENDPOINT"] == "[::1]:7000"


def test_n03_spans_of_a_task_call_its_machine_as_the_agents_own_do() -> None:
    def told(effect: LaunchContainer, environment: dict[str, str]) -> str | None:
        settings = replace(SETTINGS, hostname="node 2", executor_environment=environment)
        return plan_launch(effect, AGENT, settings, SANDBOX, SANDBOX).environment.get("OTEL_RESOURCE_ATTRIBUTES")

    traced = command_task(command())
    assert told(traced, {}) == "host.name=node%202"
    assert told(traced, {"OTEL_RESOURCE_ATTRIBUTES": "host.name=mine"}) == "host.name=mine"
    assert told(replace(traced, trace=None), {}) is None


def test_a_nested_container_knows_its_own_sandbox_and_its_executors() -> None:
    nested = SANDBOX / "containers" / "c2"
    environment = plan_launch(command_task(command()), AGENT, SETTINGS, nested, SANDBOX).environment
    assert environment["MESOS_SANDBOX"] == "/w/runs/c1/containers/c2"
    assert environment["MESOS_DIRECTORY"] == "/w/runs/c1"


def test_user_of_the_command_before_that_of_the_framework() -> None:
    assert user_of(command_task(command(user="tina")), SETTINGS) == "tina"
    assert user_of(custom_executor(command(user="ella")), SETTINGS) == "ella"
    assert user_of(command_task(command()), SETTINGS) == "fred"
    as_we_are = LaunchSettings(ip="127.0.0.1", port=5051, switch_user=False)
    assert user_of(command_task(command(user="tina")), as_we_are) is None


def test_command_and_uris() -> None:
    line = plan_launch(command_task(command(value="echo $A", arguments=("x",))), AGENT, SETTINGS, SANDBOX, SANDBOX)
    assert line.argv == ("/bin/sh", "-c", "echo $A")
    program = command(
        shell=False,
        value="/bin/ls",
        arguments=("ls", "-l"),
        uris=(
            containers.CommandInfoURI(value="http://h/a.tar"),
            containers.CommandInfoURI(value="/b", executable=True, extract=False, output_file="c"),
        ),
    )
    plan = plan_launch(command_task(program), AGENT, SETTINGS, SANDBOX, SANDBOX)
    assert (plan.argv, plan.program) == (("ls", "-l"), "/bin/ls")
    assert plan.uris == (
        UriSpec(value="http://h/a.tar"),
        UriSpec(value="/b", executable=True, extract=False, output_file="c"),
    )


def test_limits_are_handed_on_and_infinite_ones_are_said() -> None:
    effect = command_task(command())
    assert effect.task is not None
    limited = TaskInfo(
        task_id=TaskId("t1"), agent_id=AGENT, command=effect.task.command, limits={"cpus": 2000, "mem": None}
    )
    plan = plan_launch(
        LaunchContainer(
            container_id=effect.container_id,
            framework=effect.framework,
            executor=effect.executor,
            task=limited,
            resources=effect.resources,
        ),
        AGENT,
        SETTINGS,
        SANDBOX,
        SANDBOX,
    )
    assert plan.limits == {"cpus": 2000, "mem": UNLIMITED}


@pytest.mark.parametrize(
    ("container", "text"),
    [
        (
            containers.ContainerInfo(type="DOCKER", docker=containers.ContainerInfoDockerInfo(image="busybox")),
            "None of the enabled containerizers",
        ),
        (
            containers.ContainerInfo(
                type="MESOS", volumes=(containers.Volume(mode="RW", container_path="data", host_path="/data"),)
            ),
            "'volumes'",
        ),
        (
            containers.ContainerInfo(
                type="MESOS",
                rlimit_info=containers.RLimitInfo(rlimits=(containers.RLimitInfoRLimit(type="RLMT_NOFILE"),)),
            ),
            "'rlimit_info'.*'posix/rlimits' is not in --isolation",
        ),
        (
            containers.ContainerInfo(
                type="MESOS", linux_info=containers.LinuxInfo(effective_capabilities=containers.CapabilityInfo())
            ),
            "'linux_info.capabilities'.*'linux/capabilities' is not in --isolation",
        ),
        (
            containers.ContainerInfo(type="MESOS", network_infos=(containers.NetworkInfo(name="overlay"),)),
            "'network_infos'",
        ),
    ],
)
def test_what_this_agent_cannot_give_is_refused_in_words(container: containers.ContainerInfo, text: str) -> None:
    with pytest.raises(LaunchFailed, match=text):
        plan_launch(command_task(command(), container), AGENT, SETTINGS, SANDBOX, SANDBOX)


def test_a_check_whose_command_cannot_be_run_is_refused_at_once() -> None:
    """It would fail at each try, and nobody would know why the task is killed."""
    own, probe = command(), command(value="a\0b")
    wanted = {
        "health check": command_task(own, health_check=checks.HealthCheck(type="COMMAND", command=probe)),
        "check": command_task(
            own, check=checks.CheckInfo(type="COMMAND", command=checks.CheckInfoCommand(command=probe))
        ),
    }
    for name, launch in wanted.items():
        with pytest.raises(LaunchFailed, match=f"The command of its {name} cannot be run: .*NUL"):
            plan_launch(launch, AGENT, SETTINGS, SANDBOX, SANDBOX)


def test_a_plain_mesos_container_is_no_demand() -> None:
    container = containers.ContainerInfo(type="MESOS", network_infos=(containers.NetworkInfo(),))
    assert plan_launch(command_task(command(), container), AGENT, SETTINGS, SANDBOX, SANDBOX).argv


@pytest.mark.parametrize(
    ("own", "text"),
    [
        (command(value=None), "needs a value"),
        (command(environment=variables(**{"A=B": "x"})), "'A=B'"),
        (command(environment=variables(A="x\0y")), "'A'"),
        (
            command(
                environment=containers.Environment(
                    variables=(containers.EnvironmentVariable(name="KEY", type="SECRET"),)
                )
            ),
            "'KEY' is a secret",
        ),
    ],
)
def test_commands_that_cannot_be_run_are_refused_in_words(own: containers.CommandInfo, text: str) -> None:
    with pytest.raises(LaunchFailed, match=text):
        plan_launch(command_task(own), AGENT, SETTINGS, SANDBOX, SANDBOX)


def test_m_ag_08_what_isolators_can_give_is_handed_on() -> None:
    settings = replace(SETTINGS, provided=frozenset(Wish))
    info = containers.ContainerInfo(
        type="MESOS",
        rlimit_info=containers.RLimitInfo(
            rlimits=(
                containers.RLimitInfoRLimit(type="RLMT_NOFILE", soft=1, hard=2),
                containers.RLimitInfoRLimit(type="RLMT_CORE"),
            )
        ),
        linux_info=containers.LinuxInfo(
            capability_info=containers.CapabilityInfo(capabilities=("KILL",)),
            bounding_capabilities=containers.CapabilityInfo(capabilities=("KILL", "CHOWN")),
        ),
    )
    plan = plan_launch(command_task(command(), info), AGENT, settings, SANDBOX, SANDBOX)
    assert plan.wishes == Wishes(
        rlimits=(Rlimit("NOFILE", 1, 2), Rlimit("CORE")),
        effective_capabilities=frozenset({"KILL"}),
        bounding_capabilities=frozenset({"KILL", "CHOWN"}),
    )


def test_m_ag_08_m_ag_23_a_task_of_a_group_has_nobodys_processes_to_share() -> None:
    """Its executor is no process; where all are among the machine's, it has what it asks for."""
    info = containers.ContainerInfo(type="MESOS", linux_info=containers.LinuxInfo(share_pid_namespace=True))
    own = command_task(command(), info)
    grouped = replace(own, executor=replace(own.executor, type=ExecutorType.DEFAULT))
    settings = replace(SETTINGS, provided=frozenset({Wish.PROCESSES}))
    assert plan_launch(own, AGENT, settings, SANDBOX, SANDBOX).wishes.shares_processes
    with pytest.raises(LaunchFailed, match="share its executor's processes, and the executor of a group is no process"):
        plan_launch(grouped, AGENT, settings, SANDBOX, SANDBOX)
    plan_launch(grouped, AGENT, SETTINGS, SANDBOX, SANDBOX)


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        ({"type": "RLMT_NOFILE", "soft": 3, "hard": 2}, "a soft bound of 3, above its hard one of 2"),
        ({"type": "RLMT_NOFILE", "soft": 3}, "only one of its soft and its hard bound"),
        ({"type": "UNKNOWN", "soft": 3, "hard": 3}, "There is no limit 'UNKNOWN'"),
        ({}, "There is no limit 'UNKNOWN'"),
    ],
)
def test_m_ag_08_limits_that_make_no_sense_are_refused(limit: dict[str, Any], text: str) -> None:
    settings = replace(SETTINGS, provided=frozenset(Wish))
    info = containers.ContainerInfo(
        type="MESOS", rlimit_info=containers.RLimitInfo(rlimits=(containers.RLimitInfoRLimit(**limit),))
    )
    with pytest.raises(LaunchFailed, match=text):
        plan_launch(command_task(command(), info), AGENT, settings, SANDBOX, SANDBOX)
