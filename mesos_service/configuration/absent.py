"""Flags of Mesos (1.12) that this version does not have, each with what to do instead.

A flag moves from here to a configuration in the change that gives it an effect.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

_NO_REPLICATED_LOG: Final = "There is no replicated log."
_NO_AUTHORIZATION: Final = "Who has proved who he is may do everything: there are no rules on that yet."
_OLD_AUTHENTICATION: Final = (
    "It belongs to the old API that is not HTTP; --authenticate_http_frameworks is for this one."
)
_NO_TOKENS: Final = "Executors do not prove who they are yet."
_BASIC_ONLY: Final = "Agents prove who they are by HTTP basic authentication, and nothing else."
_NO_LOOKUP: Final = "Names are not looked up: give --ip and, where it differs, --hostname."
_LOGS: Final = "Logs go to standard error; --logging_level says how much."
_NO_CONTAINER_IMAGES: Final = "Images are tar files in a directory (--docker_registry), and nothing else."
_NO_CGROUPS: Final = "No isolator of this version would heed it."
_NO_NETWORK: Final = "Tasks share the network of their agent."
_OLD_NAME: Final = "Mesos has renamed it: write 'agent' for 'slave'."
_NO_HOOKS: Final = "There are no hooks: modules are allocators, offer filters and isolators."
_NO_STANDALONE: Final = "Sandboxes of stand-alone containers stay until REMOVE_CONTAINER."


def _table(*groups: tuple[str, Iterable[str]]) -> Mapping[str, str]:
    return {name: advice for advice, names in groups for name in names}


_BOTH: Final = (
    (_NO_AUTHORIZATION, ("acls",)),
    (_NO_LOOKUP, ("hostname_lookup", "ip_discovery_command")),
    (_LOGS, ("external_log_file", "initialize_driver_logging", "log_dir", "logbufsecs", "quiet")),
    (_NO_HOOKS, ("hooks",)),
    ("", ("firewall_rules", "memory_profiling")),
)

MASTER: Final = _table(
    *_BOTH,
    (_NO_REPLICATED_LOG, ("log_auto_initialize", "quorum")),
    ("The registry is always acted on: nothing happens that it could not store.", ("registry_strict",)),
    (_NO_AUTHORIZATION, ("authorizers",)),
    (_OLD_AUTHENTICATION, ("authenticate", "authenticate_frameworks", "authentication_v0_timeout")),
    (_BASIC_ONLY, ("authenticators",)),
    (
        _OLD_NAME,
        (
            "authenticate_slaves",
            "max_slave_ping_timeouts",
            "recovery_slave_removal_limit",
            "slave_ping_timeout",
            "slave_removal_rate_limit",
            "slave_reregister_timeout",
        ),
    ),
    ("Users are roles now: use --role_sorter.", ("user_sorter",)),
    (
        "Patterns of offer constraints have bounds of their own.",
        ("offer_constraints_re2_max_mem", "offer_constraints_re2_max_program_size"),
    ),
    ("There is no web interface (`/` is a page of links).", ("webui_dir",)),
    ("", ("publish_per_framework_metrics",)),
)

AGENT: Final = _table(
    *_BOTH,
    (_NO_AUTHORIZATION, ("authorizer",)),
    (_NO_TOKENS, ("authenticate_http_executors", "executor_secret_key", "jwt_secret_key")),
    (
        _BASIC_ONLY,
        (
            "authenticatee",
            "authentication_backoff_factor",
            "authentication_timeout_max",
            "authentication_timeout_min",
        ),
    ),
    ("Tasks get no secrets yet.", ("secret_resolver",)),
    (
        _NO_CGROUPS,
        (
            "agent_subsystems",
            "nvidia_gpu_devices",
            "perf_duration",
            "perf_events",
            "perf_interval",
            "systemd_enable_support",
            "systemd_runtime_directory",
            "volume_gid_range",
            "xfs_kill_containers",
            "xfs_project_range",
        ),
    ),
    (
        _NO_CONTAINER_IMAGES,
        (
            "appc_simple_discovery_uri_prefix",
            "appc_store_dir",
            "default_container_info",
            "docker",
            "docker_config",
            "docker_ignore_runtime",
            "docker_kill_orphans",
            "docker_mesos_image",
            "docker_remove_delay",
            "docker_socket",
            "docker_stop_timeout",
            "docker_volume_checkpoint_dir",
            "docker_volume_chown",
        ),
    ),
    (
        _NO_NETWORK,
        (
            "default_container_dns",
            "ephemeral_ports_per_container",
            "ip6",
            "lo_name",
            "network_cni_config_dir",
            "network_cni_metrics",
            "network_cni_plugins_dir",
            "network_cni_root_dir_persist",
        ),
    ),
    (
        _NO_STANDALONE,
        ("gc_non_executor_container_sandboxes",),
    ),
    ("Built-in executors always live in the agent.", ("http_command_executor",)),
    (
        "",
        (
            "csi_plugin_config_dir",
            "disk_profile_adaptor",
            "frameworks_home",
            "hadoop_home",
            "host_path_volume_force_creation",
            "http_heartbeat_interval",
            "launcher_dir",
            "master_detector",
            "resource_provider_config_dir",
        ),
    ),
)
