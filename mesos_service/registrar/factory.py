"""The registrar that ``--registry`` asks for."""

from __future__ import annotations

from mesos_service.registrar.interface import LostCallback, PersistedCallback, Registrar
from mesos_service.registrar.memory import MemoryRegistrar
from mesos_service.registrar.sql import SqlRegistrar
from mesos_service.registrar.url import IN_MEMORY


def make_registrar(
    registry: str,
    persisted: PersistedCallback,
    lost: LostCallback,
    *,
    fetch_timeout_seconds: float = 60.0,
    store_timeout_seconds: float = 20.0,
) -> Registrar:
    """For ``in_memory`` or a URL.

    Raises:
        ConfigurationError: ``registry`` is neither, or needs a driver that is not installed.
    """
    if registry == IN_MEMORY:
        return MemoryRegistrar(persisted)
    return SqlRegistrar(
        registry,
        persisted,
        lost,
        fetch_timeout_seconds=fetch_timeout_seconds,
        store_timeout_seconds=store_timeout_seconds,
    )
