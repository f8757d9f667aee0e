"""What the cores are told of a service's flags."""

from __future__ import annotations

import pytest

from mesos_service.core.oversubscription.controllers import LoadController, UsageController
from mesos_service.core.oversubscription.estimators import FixedEstimator, UsageEstimator
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.resources import Resources
from mesos_service.master.config import MasterConfig, parse_quantities
from tests.unit.configuration.agents import agent


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
    assert options.executor_reregistration_timeout_seconds == 2.0
    assert agent().recovery_timeout.seconds == 15 * 60
    assert agent(executor_reregistration_timeout="15secs").options().executor_reregistration_timeout_seconds == 15.0
    with pytest.raises(ConfigurationError, match="15 seconds at most"):
        agent(executor_reregistration_timeout="15001ms")


def test_m_ag_09_m_ag_11_m_ag_14_m_ag_15_m_ag_28_what_agents_look_at_keep_and_wait_for_by_default() -> None:
    """As Mesos' documents have it."""
    flags = agent()
    seconds = {
        "container_disk_watch_interval": 15,
        "container_ports_watch_interval": 30,
        "fetcher_stall_timeout": 60,
        "gc_delay": 7 * 86_400,
    }
    assert {name: getattr(flags, name).seconds for name in seconds} == seconds
    sizes = {
        "fetcher_cache_size": 2 << 30,
        "container_logger_max_stdout_size": 10 << 20,
        "container_logger_max_stderr_size": 10 << 20,
    }
    assert {name: getattr(flags, name).octets for name in sizes} == sizes
    assert flags.gc_disk_headroom == 0.1
    assert (flags.recover, flags.strict, flags.isolation) == ("reconnect", True, "posix/cpu,posix/mem")


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
