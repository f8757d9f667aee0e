"""What a service shows of its configuration, and what it keeps to itself."""

from __future__ import annotations

import pytest

from mesos_service.configuration.masking import mask_secrets
from mesos_service.domain.errors import ConfigurationError
from mesos_service.master.config import MasterConfig
from tests.unit.configuration.agents import agent


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
        "lift_unanimous_refusals": "false",
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
