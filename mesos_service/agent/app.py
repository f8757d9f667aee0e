"""The agent's application: the hot path in front, FastAPI behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from mesos_service import __version__
from mesos_service.agent.config import AgentConfig
from mesos_service.agent.routes import AgentReads, add_routes, openapi_documents
from mesos_service.http.asgi import Application, HotPath, Receive, Scope, Send
from mesos_service.http.authentication import CredentialStore, Door, Guard, is_at_or_below
from mesos_service.http.paths import MesosPaths, prepare_routes

__all__ = ["build_application", "build_fastapi", "openapi_documents"]

PREFIX = "/slave(1)"
"""libprocess' name of the agent's component; clients take it from the ``url`` of an offer."""
EXECUTOR_PATHS = ("/api/v1/executor", f"{PREFIX}/api/v1/executor")
OWN_PATHS = ("/api/v1/executor",)


OPEN_PATHS = frozenset({"/", "/health", "/version"})
READ_PATHS = frozenset(
    {
        "/containerizer/debug",
        "/containers",
        "/docs",
        "/flags",
        "/help",
        "/metrics",
        "/metrics/snapshot",
        "/monitor/statistics",
        "/monitor/statistics.json",
        "/openapi-3.2.json",
        "/openapi.json",
        "/state",
        "/state.json",
        "/system/stats.json",
    }
)
READ_PREFIX = "/files/"


def door_of(config: AgentConfig) -> Callable[[str], Door]:
    """Which realm a path belongs to, as Mesos has them (Mesos docs, "Authentication"), and whether it is guarded."""
    paths = MesosPaths(_nobody, PREFIX, OWN_PATHS, READ_PATHS)
    executors = Door("mesos-agent-executor", False)
    read_only = Door("mesos-agent-readonly", config.authenticate_http_readonly)
    read_write = Door("mesos-agent-readwrite", config.authenticate_http_readwrite)
    free = Door("mesos-agent", False)

    def door(path: str) -> Door:
        if is_at_or_below(path, EXECUTOR_PATHS):
            return executors
        plain = paths.normalise(path)
        if plain in OPEN_PATHS:
            return free
        return read_only if plain in READ_PATHS or plain.startswith(READ_PREFIX) else read_write

    return door


def guard(application: Application, config: AgentConfig, credentials: Path) -> Guard:
    """``application`` behind what ``config`` demands to be proved, by the file ``credentials``."""
    return Guard(application, door_of(config), CredentialStore(credentials))


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("only the spelling of paths is asked for")


def build_fastapi(service: AgentReads) -> FastAPI:
    """Everything but the hot path: reads, sandboxes, the operator API."""
    application = FastAPI(title="mesos-service agent", version=__version__, openapi_url=None, docs_url=None)
    add_routes(application, service)
    prepare_routes(application)
    return application


def build_application(service: AgentReads, executors: Application) -> Application:
    """The whole face of an agent as one ASGI application."""
    return HotPath(
        MesosPaths(build_fastapi(service), PREFIX, OWN_PATHS, READ_PATHS),
        dict.fromkeys(EXECUTOR_PATHS, executors),
    )
