"""Flags: where they are read from, and what is said when they are wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from mesos_service.agent.config import AgentConfig
from mesos_service.configuration.flags import Flags
from mesos_service.configuration.units import Duration
from mesos_service.domain.errors import ConfigurationError
from mesos_service.master.config import MasterConfig
from tests.unit.configuration.agents import agent

# What a Mesos 1.12 master and agent show under /flags: each is either ours, or refused with a sentence.
_MASTER_NAMES = """
    agent_ping_timeout agent_reregister_timeout allocation_interval allocator allocator_agent_recovery_factor
    allocator_recovery_timeout authenticate_agents authenticate_frameworks authenticate_http_frameworks
    authenticate_http_readonly authenticate_http_readwrite authentication_v0_timeout authenticators authorizers cluster
    filter_gpu_resources framework_sorter hostname hostname_lookup http_authenticators initialize_driver_logging ip
    log_auto_initialize log_dir logbufsecs logging_level max_agent_ping_timeouts max_completed_frameworks
    max_completed_tasks_per_framework max_operator_event_stream_subscribers max_unreachable_tasks_per_framework
    memory_profiling min_allocatable_resources offer_constraints_re2_max_mem offer_constraints_re2_max_program_size
    port publish_per_framework_metrics quiet recovery_agent_removal_limit registry registry_fetch_timeout
    registry_gc_interval registry_max_agent_age registry_max_agent_count registry_store_timeout registry_strict
    require_agent_domain role_sorter root_submissions webui_dir work_dir zk_session_timeout
"""
_AGENT_NAMES = """
    appc_simple_discovery_uri_prefix appc_store_dir attributes authenticate_http_readonly authenticate_http_readwrite
    authenticatee authentication_backoff_factor authentication_timeout_max authentication_timeout_min authorizer
    cgroups_cpu_enable_pids_and_tids_count cgroups_destroy_timeout cgroups_enable_cfs cgroups_hierarchy
    cgroups_limit_swap cgroups_root container_disk_watch_interval containerizers default_role
    disallow_sharing_agent_ipc_namespace disallow_sharing_agent_pid_namespace disk_watch_interval docker
    docker_ignore_runtime docker_kill_orphans docker_registry docker_remove_delay docker_socket docker_stop_timeout
    docker_store_dir docker_volume_checkpoint_dir docker_volume_chown enforce_container_disk_quota
    executor_registration_timeout executor_reregistration_timeout executor_shutdown_grace_period fetcher_cache_dir
    fetcher_cache_size fetcher_stall_timeout frameworks_home gc_delay gc_disk_headroom
    gc_non_executor_container_sandboxes hostname hostname_lookup http_command_executor http_executor_domain_sockets
    http_heartbeat_interval initialize_driver_logging ip isolation launcher launcher_dir log_dir logbufsecs
    logging_level master max_completed_executors_per_framework memory_profiling network_cni_metrics
    network_cni_root_dir_persist oversubscribed_resources_interval perf_duration perf_interval port
    qos_correction_interval_min quiet reconfiguration_policy recover recovery_timeout registration_backoff_factor
    resources revocable_cpu_low_priority runtime_dir sandbox_directory strict switch_user systemd_enable_support
    systemd_runtime_directory work_dir zk_session_timeout
"""
MESOS_MASTER_FLAGS = _MASTER_NAMES.split()
MESOS_AGENT_FLAGS = _AGENT_NAMES.split()


# -- where flags come from -------------------------------------------------------------------------------------


def test_flag_beats_environment_beats_file_beats_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mesos.toml"
    file.write_text('port = 1\ncluster = "file"\nallocation_interval = "2secs"\n', encoding="utf-8")
    monkeypatch.setenv("MESOS_PORT", "2")
    monkeypatch.setenv("MESOS_CLUSTER", "environment")

    config = MasterConfig.load({"port": "3"}, file)

    assert config.port == 3
    assert config.cluster == "environment"
    assert config.allocation_interval == Duration.parse("2secs")
    assert config.offer_timeout == Duration.parse("30secs")


def test_one_file_can_serve_both_services(tmp_path: Path) -> None:
    file = tmp_path / "mesos.toml"
    file.write_text(
        'logging_level = "DEBUG"\n[master]\nport = 1\n[agent]\nmaster = "10.0.0.1:1"\nwork_dir = "/a"\n',
        encoding="utf-8",
    )

    assert (MasterConfig.load({}, file).port, MasterConfig.load({}, file).logging_level) == (1, "DEBUG")
    assert (AgentConfig.load({}, file).master, AgentConfig.load({}, file).logging_level) == ("10.0.0.1:1", "DEBUG")


def test_an_agents_file_may_name_its_master_at_the_top(tmp_path: Path) -> None:
    file = tmp_path / "agent.toml"
    file.write_text('master = "10.0.0.1:1"\nwork_dir = "/a"\n', encoding="utf-8")

    assert AgentConfig.load({}, file).master_address() == ("10.0.0.1", 1)


def test_the_file_may_be_named_by_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mesos.toml").write_text("port = 7\n", encoding="utf-8")
    monkeypatch.setenv("MESOS_CONFIG", str(tmp_path / "mesos.toml"))

    assert MasterConfig.load().port == 7


def test_one_load_leaves_nothing_to_the_next(tmp_path: Path) -> None:
    file = tmp_path / "mesos.toml"
    file.write_text("port = 7\n", encoding="utf-8")
    MasterConfig.load({}, file)

    assert MasterConfig.load().port == 5050


# -- what is said when something is wrong ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"allocation_interval": "5"}, "--allocation_interval: '5' is not a duration"),
        ({"allocation_interval": "0secs"}, "--allocation_interval: must be longer than 0"),
        ({"allocator_agent_recovery_factor": "80%"}, "--allocator_agent_recovery_factor: "),
        ({"allocator_agent_recovery_factor": "1.1"}, "--allocator_agent_recovery_factor: .*1"),
        ({"allocator_agent_recovery_factor": "nan"}, "--allocator_agent_recovery_factor: "),
        ({"short_slice": "1"}, "--short_slice: .*1"),
        ({"short_slice": "nan"}, "--short_slice: "),
        ({"short_task_max_completion_time": "0secs"}, "--short_task_max_completion_time: must be longer than 0"),
        ({"ip": "somewhere"}, "--ip: 'somewhere' is not an IP address"),
        ({"port": "70000"}, "--port: .*65535"),
        ({"weights": "a=0"}, "--weights: 'a=0': a weight is a number above 0"),
        ({"weights": "a=nan"}, "--weights: 'a=nan'"),
        ({"weights": "a=1,a=2"}, "--weights: role 'a' has two weights"),
        ({"roles": "a,/b"}, "--roles: Role '/b' cannot start with a slash"),
        ({"min_allocatable_resources": "cpus=1"}, "--min_allocatable_resources: 'cpus=1' is not of the form"),
        ({"registry": "replicated_log"}, "--registry: Mesos' replicated log is not kept here"),
        ({"logging_level": "LOUD"}, "--logging_level: 'LOUD' is none of"),
        ({"max_agent_ping_timeouts": "0"}, "--max_agent_ping_timeouts: .*1"),
        ({"recovery_agent_removal_limit": "0.5"}, "--recovery_agent_removal_limit: '0.5' is not a percentage"),
        ({"recovery_agent_removal_limit": "nan%"}, "--recovery_agent_removal_limit: 'nan%' is not a percentage"),
        ({"recovery_agent_removal_limit": "101%"}, "--recovery_agent_removal_limit: '101%' is not a percentage"),
        ({"agent_removal_rate_limit": "10mins"}, "--agent_removal_rate_limit: '10mins' is not of the form"),
        ({"agent_removal_rate_limit": "0/10mins"}, "--agent_removal_rate_limit: '0/10mins' is not of the form"),
        ({"agent_removal_rate_limit": "1/0secs"}, "--agent_removal_rate_limit: .* must be longer than 0"),
        ({"agent_removal_rate_limit": "1/day"}, "--agent_removal_rate_limit: 'day' is not a duration"),
        ({"slave_removal_rate_limit": "1/1mins"}, "--slave_removal_rate_limit: .*write 'agent' for 'slave'"),
        ({"quorum": "1"}, "--quorum: Mesos has this flag and mesos-service does not.*no replicated log"),
        ({"no_such": "1"}, "--no_such: the master has no such flag"),
    ],
)
def test_a_wrong_flag_is_named_with_what_is_wrong(flags: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        MasterConfig.load(flags)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({"resources": "cpus"}, "--resources: 'cpus' is not of the form"),
        ({"attributes": "rack"}, "--attributes: attribute 'rack' is not of the form"),
        ({"default_role": "../up"}, "--default_role: Role '../up'"),
        ({"launcher": "windows"}, "--launcher: .*posix"),
        ({"containerizers": "docker"}, "--containerizers: .*mesos"),
        ({"executor_environment_variables": '{"A": 1}'}, "--executor_environment_variables: is a JSON object of texts"),
        ({"master": "zk://a:2181"}, "--master: the path is missing"),
        ({"master": "a:b"}, "--master: 'a:b': the port is a number"),
        ({"hadoop_home": "x"}, "--hadoop_home: Mesos has this flag"),
        ({"resource_estimator": "fixed"}, "--resource_estimator=fixed needs --resource_estimator_resources"),
        ({"resource_estimator": "bold"}, "--resource_estimator: .*'noop', 'fixed' or 'usage'"),
        ({"resource_estimator_resources": "ports:[1-2]"}, "--resource_estimator_resources: ports is no amount"),
        ({"resource_estimator_resources": "cpus(r):2"}, "--resource_estimator_resources: cpus is reserved"),
        ({"resource_estimator_resources": "cpus:-1"}, "--resource_estimator_resources: "),
        ({"resource_estimator_margin": "1.5"}, "--resource_estimator_margin: .*1"),
        ({"oversubscribed_resources_interval": "0secs"}, "--oversubscribed_resources_interval: .*1 seconds at least"),
        ({"qos_controller": "load"}, "--qos_controller=load needs --qos_load_threshold_5min"),
        ({"qos_load_threshold_5min": "0"}, "--qos_load_threshold_5min: .*0"),
        ({"qos_load_threshold_15min": "nan"}, "--qos_load_threshold_15min: "),
        ({"qos_usage_threshold": "2"}, "--qos_usage_threshold: .*1"),
    ],
)
def test_a_wrong_flag_of_the_agent_is_named_too(flags: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        agent(**flags)


def test_a_needed_flag_that_is_missing_says_where_it_may_be_given() -> None:
    with pytest.raises(ConfigurationError, match="--master: is needed \\(or MESOS_MASTER"):
        AgentConfig.load({"work_dir": "/a"})


def test_a_mistake_names_the_variable_or_the_file_it_came_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mesos.toml"
    file.write_text("allocation_interval = 5\nport = true\n", encoding="utf-8")
    monkeypatch.setenv("MESOS_IP", "nowhere")

    with pytest.raises(ConfigurationError) as caught:
        MasterConfig.load({}, file)

    said = str(caught.value)
    assert "MESOS_IP: 'nowhere' is not an IP address" in said
    assert f"'allocation_interval' in {file}: 5 has no unit" in said
    assert len(said.splitlines()) >= 2


def test_an_unknown_key_in_the_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "mesos.toml"
    file.write_text("prot = 5050\n", encoding="utf-8")

    with pytest.raises(ConfigurationError, match=r"'prot' in .*mesos\.toml: the master has no such flag"):
        MasterConfig.load({}, file)


@pytest.mark.parametrize("content", ["port = ", "\xff\xfe"])
def test_a_file_that_is_not_toml_is_named(tmp_path: Path, content: str) -> None:
    file = tmp_path / "mesos.toml"
    file.write_text(content, encoding="latin-1")

    with pytest.raises(ConfigurationError, match=r"mesos\.toml is not TOML"):
        MasterConfig.load({}, file)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*none.toml"):
        MasterConfig.load({}, tmp_path / "none.toml")


def test_a_flag_of_mesos_in_the_environment_is_not_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESOS_ACLS", "/etc/secret")

    with pytest.raises(ConfigurationError, match="MESOS_ACLS: Mesos has this flag") as caught:
        MasterConfig.load()

    assert "/etc/secret" not in str(caught.value)


def test_what_mesos_puts_into_a_tasks_environment_is_no_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESOS_SANDBOX", "/sandbox")
    monkeypatch.setenv("MESOS_TASK_ID", "t1")

    assert MasterConfig.load().port == 5050


@pytest.mark.parametrize(("config", "names"), [(MasterConfig, MESOS_MASTER_FLAGS), (AgentConfig, MESOS_AGENT_FLAGS)])
def test_every_flag_of_mesos_is_ours_or_refused_with_a_sentence(config: type[Flags], names: list[str]) -> None:
    assert [name for name in names if name not in config.model_fields and name not in config.absent] == []
    assert set(config.model_fields).isdisjoint(config.absent)


def test_a_value_may_stand_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "resources.json"
    file.write_text(json.dumps([{"name": "cpus", "type": "SCALAR", "scalar": {"value": 2}}]), encoding="utf-8")

    assert json.loads(agent(resources=f"file://{file}").resources)[0]["name"] == "cpus"


def test_a_work_dir_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(ConfigurationError, match="--work_dir: cannot make"):
        agent(work_dir=str(tmp_path / "file" / "below")).prepare()


@pytest.mark.parametrize(
    ("flags", "shown"),
    [
        ({}, "127.0.0.1"),
        ({"hostname": "one"}, "one"),
        ({"advertise_ip": "10.0.0.1"}, "10.0.0.1"),
        ({"ip": "0.0.0.0"}, socket.gethostname()),
    ],
)
def test_the_name_shown_to_others(flags: dict[str, object], shown: str) -> None:
    assert MasterConfig.load(flags).shown_hostname() == shown
    assert agent(**flags).shown_hostname() == shown


def test_an_allocator_that_is_not_there_is_said_before_serving() -> None:
    with pytest.raises(ConfigurationError, match="nobody"):
        MasterConfig.load({"allocator": "nobody"}).prepare()


def test_an_isolator_that_is_not_there_is_said_before_serving(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cgroups/none"):
        agent(isolation="posix/cpu,cgroups/none", work_dir=str(tmp_path)).prepare()
