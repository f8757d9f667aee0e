"""``mesos-service registry``: what an operator may have to do to a registry by hand."""

from __future__ import annotations

from mesos_service.domain.errors import ConfigurationError
from mesos_service.registrar.store import SqlStore
from mesos_service.registrar.url import IN_MEMORY, parse_url

TIMEOUT_SECONDS = 20.0


def forget_elections(registry: str) -> str:
    """Let the next leader take ``registry`` whatever the number of its election; a sentence on what was done.

    Raises:
        ConfigurationError: ``registry`` is no URL of one.
        RegistryFault: it cannot be reached or written.
    """
    if registry == IN_MEMORY:
        raise ConfigurationError("--registry: what is in memory is gone with its master, elections included")
    try:
        store = SqlStore(parse_url(registry))
    except ValueError as error:
        raise ConfigurationError(f"--registry: {error}") from error
    try:
        before = store.forget_elections(TIMEOUT_SECONDS)
    finally:
        store.close()
    if before.election is None:
        return f"Registry {store.name} knew of no election."
    return f"Registry {store.name} has forgotten election {before.election} of {before.leader}; any may follow."
