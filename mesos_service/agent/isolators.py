"""The isolators that the flags name, made with what the flags say."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.isolation_flags import ALL_CGROUPS, IN_ALL_CGROUPS, LINUX_LAUNCHER, IsolationFlags
from mesos_service.configuration.units import Duration, Size
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins.isolator import Host, Isolator
from mesos_service.plugins.loader import ISOLATORS, available, builtin_modules_dir, load, parameters_of, read_config

log = logging.getLogger(__name__)


def make_isolators(config: AgentConfig, host: Host) -> Sequence[Isolator]:
    """The isolators that ``--isolation`` names, in order, behind that of ``--launcher=linux``.

    Flags that none of them heeds are told in the log.

    Raises:
        ConfigurationError: one is not there, not what an isolator has to be, or cannot work on this machine.
    """
    made: list[Isolator] = []
    names = config.isolators()
    if config.launcher == "linux" and LINUX_LAUNCHER not in names:
        names = (LINUX_LAUNCHER, *names)
    for name in names:
        if name == ALL_CGROUPS:
            made += _all_cgroups(config, host)
        else:
            made.append(_make(name, config, host))
    for why in _without_effect(config, made):
        log.warning("%s", why)
    return made


def _all_cgroups(config: AgentConfig, host: Host) -> list[Isolator]:
    """As many of ``cgroups/...`` as this machine can have; the log says which are left out, and why."""
    names = sorted({found.name for found in available(ISOLATORS) if found.name.startswith("cgroups/")})
    made = []
    for name in names:
        try:
            made.append(_make(name, config, host))
        except ConfigurationError as refusal:
            if name in IN_ALL_CGROUPS:
                raise
            log.warning("%s goes without %s: %s", ALL_CGROUPS, name, refusal)
    return made


def _make(name: str, config: AgentConfig, host: Host) -> Isolator:
    kind = load(ISOLATORS, name, config.modules_dirs())
    parameters = parameters_of(name, config.modules_dirs())
    return kind(host, read_config(kind, {**_flags_for(kind, config), **parameters}))


def out_of_reach(config: AgentConfig, host: Host) -> Iterator[str]:
    """Why this agent could not have the others of the built-in isolators, a sentence for each (N29).

    Others' are not tried: whoever did not name a module has not asked for its code to run.
    """
    for name in _built_in():
        if name in config.isolators():
            continue
        try:
            _make(name, config, host)
        except ConfigurationError as refusal:
            yield str(refusal)


def _without_effect(config: AgentConfig, made: Sequence[Isolator]) -> Iterator[str]:
    """Which flags are set that none of the isolators ``made`` heeds, a sentence for each with those that would.

    A profile of system calls that nobody installs is a promise that nobody keeps.
    """
    heeded = {flag for isolator in made for flag in _parameters(type(isolator))}
    fields = {name: AgentConfig.model_fields[name] for name in IsolationFlags.__annotations__}
    idle = {name for name, field in fields.items() if name not in heeded and getattr(config, name) != field.default}
    if not idle:
        return
    kinds = [load(ISOLATORS, name) for name in _built_in()]
    for flag in sorted(idle):
        heeders = [f"'{kind.name}'" for kind in kinds if flag in _parameters(kind)]
        if heeders:
            yield f"--{flag} has no effect: {' or '.join(heeders)} would heed it, and is not in --isolation"


def runtime_dir(config: AgentConfig) -> Path:
    """Where the agent keeps what only matters while the machine runs."""
    return (config.runtime_dir or config.work_dir / "runtime").absolute()


def _built_in() -> list[str]:
    """Names of the isolators that come with the project."""
    place = builtin_modules_dir()
    return sorted(
        found.name
        for found in available(ISOLATORS)
        if isinstance(found.origin, Path) and found.origin.is_relative_to(place)
    )


def _parameters(kind: type[Isolator]) -> frozenset[str]:
    return frozenset(kind.Config.model_fields if kind.Config is not None else ())


def _flags_for(kind: type[Isolator], config: AgentConfig) -> Mapping[str, object]:
    """The flags that an isolator's ``Config`` has by the same names; times in seconds, sizes in bytes."""
    given = {name: getattr(config, name) for name in _parameters(kind) & set(AgentConfig.model_fields)}
    if "runtime_dir" in given:
        given["runtime_dir"] = runtime_dir(config)
    return {name: _plain(value) for name, value in given.items()}


def _plain(value: object) -> object:
    if isinstance(value, Duration):
        return value.seconds
    return value.octets if isinstance(value, Size) else value
