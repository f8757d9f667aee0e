"""The master's application: the hot paths in front, FastAPI behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

from mesos_service import __version__
from mesos_service.http.asgi import Application, HotPath, Receive, Scope, Send
from mesos_service.http.authentication import CredentialStore, Door, Guard, is_at_or_below
from mesos_service.http.paths import MesosPaths, prepare_routes
from mesos_service.master.config import MasterConfig
from mesos_service.master.routes import MasterReads, add_routes, openapi_documents
from mesos_service.master.routes.constraints import CONSTRAINT_PATHS
from mesos_service.master.routes.files import FILE_PATHS

__all__ = ["build_application", "build_fastapi", "openapi_documents"]

PREFIX = "/master"
SCHEDULER_PATHS = ("/api/v1/scheduler", "/master/api/v1/scheduler")
AGENT_PATHS = ("/api/v1/agent", "/master/api/v1/agent")
OWN_PATHS = (
    "/api/v1/scheduler",
    "/api/v1/agent",
    "/api/v1/explain",
    "/api/v1/shadow",
    "/api/v1/revocation",
    "/api/v1/fragmentation",
    "/api/v1/filters",
)


OPEN_PATHS = frozenset({"/", "/health", "/version", "/redirect"})
"""Mesos asks nobody for a secret here either (recorded)."""
READ_PATHS = frozenset(
    {
        *CONSTRAINT_PATHS,
        *FILE_PATHS,
        "/docs",
        "/flags",
        "/frameworks",
        "/help",
        "/metrics",
        "/metrics/snapshot",
        "/openapi-3.2.json",
        "/openapi.json",
        "/roles",
        "/slaves",
        "/state",
        "/state-summary",
        "/state.json",
        "/system/stats.json",
        "/tasks",
    }
)
READ_PREFIX = "/api/v1/explain/"


def door_of(config: MasterConfig) -> Callable[[str], Door]:
    """Which realm a path belongs to, as Mesos has them (Mesos docs, "Authentication"), and whether it is guarded."""
    paths = MesosPaths(_nobody, PREFIX, OWN_PATHS, READ_PATHS)
    scheduler = Door("mesos-master-scheduler", config.authenticate_http_frameworks)
    agents = Door("mesos-master-agent", config.authenticate_agents)
    read_only = Door("mesos-master-readonly", config.authenticate_http_readonly)
    read_write = Door("mesos-master-readwrite", config.authenticate_http_readwrite)
    free = Door("mesos-master", False)

    def door(path: str) -> Door:
        if is_at_or_below(path, SCHEDULER_PATHS):
            return scheduler
        if is_at_or_below(path, AGENT_PATHS):
            return agents
        plain = paths.normalise(path)
        if plain in OPEN_PATHS:
            return free
        return read_only if plain in READ_PATHS or plain.startswith(READ_PREFIX) else read_write

    return door


def guard(application: Application, config: MasterConfig, credentials: Path) -> Guard:
    """``application`` behind what ``config`` demands to be proved, by the file ``credentials``."""
    return Guard(application, door_of(config), CredentialStore(credentials))


async def _nobody(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("only the spelling of paths is asked for")


def build_fastapi(service: MasterReads) -> FastAPI:
    """Everything but the hot paths: reads, the operator API, the OpenAPI documents."""
    application = FastAPI(title="mesos-service master", version=__version__, openapi_url=None, docs_url=None)
    add_routes(application, service)
    prepare_routes(application)
    return application


def build_application(service: MasterReads, scheduler: Application, agents: Application) -> Application:
    """The whole face of a master as one ASGI application."""
    hot = dict.fromkeys(SCHEDULER_PATHS, scheduler) | dict.fromkeys(AGENT_PATHS, agents)
    return HotPath(MesosPaths(build_fastapi(service), PREFIX, OWN_PATHS, READ_PATHS), hot)
