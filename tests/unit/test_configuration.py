"""Flags: their forms, where they are read from, and what is said when they are wrong."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesos_service.agent.config import AgentConfig
from mesos_service.configuration.flags import Flags
from mesos_service.configuration.forms import split_host_port
from mesos_service.configuration.masking import mask_secrets
from mesos_service.configuration.units import Duration, Size
from mesos_service.core.oversubscription.controllers import LoadController, UsageController
from mesos_service.core.oversubscription.estimators import FixedEstimator, UsageEstimator
from mesos_service.domain.addresses import join_host_port
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resources import Resources
from mesos_service.master.config import MasterConfig, parse_quantities

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


@pytest.fixture(autouse=True)
def no_flags_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*MasterConfig.model_fields, *MasterConfig.absent, *AgentConfig.model_fields, *AgentConfig.absent):
        monkeypatch.delenv(f"MESOS_{name.upper()}", raising=False)
    monkeypatch.delenv("MESOS_CONFIG", raising=False)


def agent(**flags: object) -> AgentConfig:
    return AgentConfig.load({"master": "127.0.0.1:5050", "work_dir": "/var/tmp/agent", **flags})


# -- durations and sizes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [
        ("15secs", 15.0, "15secs"),
        ("500ms", 0.5, "500ms"),
        ("1mins", 60.0, "1mins"),
        ("60secs", 60.0, "1mins"),
        ("90secs", 90.0, "90secs"),
        ("1.5secs", 1.5, "1500ms"),
        ("10hrs", 36_000.0, "10hrs"),
        ("2weeks", 1_209_600.0, "2weeks"),
        ("7days", 604_800.0, "1weeks"),
        ("0secs", 0.0, "0ns"),
        ("0.1secs", 0.1, "100ms"),
    ],
)
def test_durations_are_read_and_shown_as_mesos_does(text: str, seconds: float, shown: str) -> None:
    duration = Duration.parse(text)

    assert duration.seconds == seconds
    assert str(duration) == shown


@pytest.mark.parametrize(
    "text", ["15", "secs", "15 seconds", "15s", "-1secs", "1e3secs", "inf", "9" * 30 + "weeks", ""]
)
def test_what_is_no_duration_is_refused_with_its_text(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        Duration.parse(text)


@given(st.integers(min_value=0, max_value=2**63 - 1))
def test_a_shown_duration_reads_back_exactly(nanoseconds: int) -> None:
    assert Duration.parse(str(Duration(nanoseconds))) == Duration(nanoseconds)


@pytest.mark.parametrize(
    ("text", "octets", "shown"), [("2GB", 2 * 1024**3, "2GB"), ("1536MB", 1536 * 1024**2, "1536MB"), ("0B", 0, "0B")]
)
def test_sizes_are_powers_of_1024(text: str, octets: int, shown: str) -> None:
    assert Size.parse(text) == Size(octets)
    assert str(Size(octets)) == shown


@pytest.mark.parametrize("text", ["2", "2gb", "GB", "-2GB", "2GiB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        Size.parse(text)


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


# -- what is shown -----------------------------------------------------------------------------------------------


def test_m_le_01_flags_are_shown_as_text_in_mesos_forms() -> None:
    flags = MasterConfig.load({"cluster": "golden", "work_dir": "/tmp/m", "root_submissions": "false"}).as_flags()

    assert flags == {
        "allocation_journal_max_size": "256MB",
        "allocator_agent_recovery_factor": "0.8",
        "allocator_recovery_timeout": "10mins",
        "short_slice": "0.0",
        "short_task_max_completion_time": "5mins",
        "allocator_timeout": "10secs",
        "revocation": "false",
        "starvation_boost": "false",
        "starvation_threshold": "10mins",
        "revocation_delay": "30secs",
        "revocation_grace": "30secs",
        "agent_ping_timeout": "15secs",
        "agent_reregister_timeout": "10mins",
        "allocation_interval": "1secs",
        "allocator": "hierarchical",
        "authenticate_agents": "false",
        "authenticate_http_frameworks": "false",
        "authenticate_http_readonly": "false",
        "authenticate_http_readwrite": "false",
        "cluster": "golden",
        "filter_gpu_resources": "true",
        "framework_sorter": "drf",
        "http_authenticators": "basic",
        "http_framework_authenticators": "basic",
        "ip": "127.0.0.1",
        "logging_level": "INFO",
        "max_agent_ping_timeouts": "5",
        "max_completed_frameworks": "50",
        "max_completed_tasks_per_framework": "1000",
        "max_unreachable_tasks_per_framework": "1000",
        "max_operator_event_stream_subscribers": "1000",
        "min_allocatable_resources": "cpus:0.01|mem:32",
        "offer_timeout": "30secs",
        "port": "5050",
        "recovery_agent_removal_limit": "100%",
        "registry": "sqlite:////tmp/m/registry.sqlite",
        "registry_fetch_timeout": "1mins",
        "registry_gc_interval": "15mins",
        "registry_max_agent_age": "2weeks",
        "registry_max_agent_count": "102400",
        "registry_store_timeout": "20secs",
        "require_agent_domain": "false",
        "role_sorter": "drf",
        "root_submissions": "false",
        "ssl_require_client_cert": "false",
        "work_dir": "/tmp/m",
        "zk_session_timeout": "2secs",
    }


def test_m_le_03_an_agent_shows_what_it_was_given() -> None:
    flags = agent(resources="cpus:4;mem:4096", attributes="rack:r1").as_flags()

    assert flags["resources"] == "cpus:4;mem:4096"
    assert flags["attributes"] == "rack:r1"
    assert flags["isolation"] == "posix/cpu,posix/mem"
    assert flags["switch_user"] == "true"
    assert flags["executor_shutdown_grace_period"] == "5secs"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("zk://user:secret@a:2181,b:2181/mesos", "zk://user:***@a:2181,b:2181/mesos"),
        ("http://a:5050/x@y", "http://a:5050/x@y"),
        ("postgresql://u:p%40ss:word@db/mesos", "postgresql://u:***@db/mesos"),
        ("http://one:a@x http://two:b@y", "http://one:***@x http://two:***@y"),
        ("user:secret@host:5050", "user:***@host:5050"),
        ("'user:secret@host' is wrong", "'user:***@host' is wrong"),
        ("cpus:4;mem:1024", "cpus:4;mem:1024"),
    ],
)
def test_passwords_in_urls_are_never_shown(text: str, shown: str) -> None:
    assert mask_secrets(text) == shown


def test_a_secret_in_a_refused_flag_is_not_printed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        agent(master="http://admin:hunter2@host:5050")

    assert "hunter2" not in str(caught.value)


# -- what the cores are told -------------------------------------------------------------------------------------


def test_the_masters_options_carry_the_flags_in_seconds() -> None:
    config = MasterConfig.load({"offer_timeout": "1500ms", "roles": "a, b/c", "max_agent_ping_timeouts": "2"})
    options = config.options(tracing=True)

    assert options.offer_timeout_seconds == 1.5
    assert options.roles == frozenset({"*", "a", "b/c"})
    assert options.max_agent_ping_timeouts == 2
    assert options.tracing


def test_m_ha_06_m_ha_07_limits_on_removals_are_a_part_and_a_pause() -> None:
    options = MasterConfig.load(
        {
            "recovery_agent_removal_limit": "12.5%",
            "agent_removal_rate_limit": "3/1mins",
            "registry_max_agent_age": "1days",
        }
    ).options()
    assert options.recovery_agent_removal_limit == 0.125
    assert options.agent_removal_interval_seconds == 20.0
    assert options.registry_max_agent_age_seconds == 86_400.0
    assert MasterConfig.load({}).options().agent_removal_interval_seconds is None


def test_offers_may_wait_for_ever() -> None:
    assert MasterConfig.load({"offer_timeout": "none"}).options().offer_timeout_seconds is None


def test_m_al_13_alternatives_of_the_least_offer() -> None:
    assert parse_quantities("cpus:0.01|mem:32") == ({"cpus": 10}, {"mem": 32_000})
    assert parse_quantities("cpus:1;mem:32 | disk:5") == ({"cpus": 1000, "mem": 32_000}, {"disk": 5000})
    assert parse_quantities("") == ()


def test_what_the_allocator_is_told() -> None:
    config = MasterConfig.load({"weights": "a=2,b/c=0.5", "fair_sharing_excluded_resource_names": "gpus,disk"})

    assert config.role_weights() == {"a": 2.0, "b/c": 0.5}
    assert config.fair_sharing_excluded() == frozenset({"gpus", "disk"})


def test_m_ag_24_the_timers_of_an_agent() -> None:
    options = agent().options()

    assert options.executor_shutdown_grace_period_seconds == 5.0
    assert options.executor_registration_timeout_seconds == 60.0
    assert agent(executor_registration_timeout="2secs").options().executor_registration_timeout_seconds == 2.0


def test_m_ag_26_who_says_what_is_lent_and_who_has_to_end() -> None:
    assert (agent().estimator(), agent().controller()) == (None, None)
    silent = agent(resource_estimator="noop", qos_controller="noop")
    assert (silent.estimator(), silent.controller()) == (None, None)
    mesos = agent(
        resource_estimator="org_apache_mesos_FixedResourceEstimator",
        resource_estimator_resources="cpus:14",
        qos_controller="org_apache_mesos_LoadQoSController",
        qos_load_threshold_5min="6",
    )
    assert mesos.estimator() == FixedEstimator(Resources.scalars(cpus=14))
    assert mesos.controller() == LoadController(6.0, None)
    ours = agent(resource_estimator="usage", resource_estimator_margin="0.25", qos_controller="usage")
    assert ours.estimator() == UsageEstimator(0.25)
    assert ours.controller() == UsageController(0.9)


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


@pytest.mark.parametrize(
    ("text", "address"),
    [("a:1", ("a", 1)), ("a", ("a", 5050)), ("[::1]:7", ("::1", 7)), ("[::1]", ("::1", 5050))],
)
def test_host_and_port(text: str, address: tuple[str, int]) -> None:
    assert split_host_port(text, 5050) == address
    assert split_host_port(join_host_port(*address), 1) == address


@pytest.mark.parametrize("text", ["::1", "a:0", "a:99999", ":5", "a b:1", "u@a:1", "a:-1"])
def test_what_is_no_host_and_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="'"):
        split_host_port(text, 5050)
