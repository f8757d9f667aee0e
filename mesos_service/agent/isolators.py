"""The isolators that the flags name, made with what the flags say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mesos_service.agent.config import AgentConfig
from mesos_service.configuration.units import Duration
from mesos_service.plugins.isolator import Host, Isolator
from mesos_service.plugins.loader import ISOLATORS, load, read_config


def make_isolators(config: AgentConfig, host: Host) -> Sequence[Isolator]:
    """The isolators that ``--isolation`` names, in order.

    Raises:
        ConfigurationError: one is not there, not what an isolator has to be, or cannot work on this machine.
    """
    kinds = [load(ISOLATORS, name, config.modules_dirs()) for name in config.isolators()]
    return [kind(host, read_config(kind, _flags_for(kind, config))) for kind in kinds]


def runtime_dir(config: AgentConfig) -> Path:
    """Where the agent keeps what only matters while the machine runs."""
    return (config.runtime_dir or config.work_dir / "runtime").absolute()


def _flags_for(kind: type[Isolator], config: AgentConfig) -> Mapping[str, object]:
    """The flags that an isolator's ``Config`` has by the same names; times in seconds."""
    own = set(kind.Config.model_fields) if kind.Config is not None else set()
    given = {name: getattr(config, name) for name in own & set(AgentConfig.model_fields)}
    if "runtime_dir" in given:
        given["runtime_dir"] = runtime_dir(config)
    return {name: value.seconds if isinstance(value, Duration) else value for name, value in given.items()}
