"""The agent's application: the hot path in front, FastAPI behind."""

from __future__ import annotations

from fastapi import FastAPI

from mesos_service import __version__
from mesos_service.agent.routes import AgentReads, add_routes, openapi_documents
from mesos_service.http.asgi import Application, HotPath
from mesos_service.http.paths import MesosPaths

__all__ = ["build_application", "build_fastapi", "openapi_documents"]

PREFIX = "/slave(1)"
"""libprocess' name of the agent's component; clients take it from the ``url`` of an offer."""
EXECUTOR_PATHS = ("/api/v1/executor", f"{PREFIX}/api/v1/executor")
OWN_PATHS = ("/api/v1/executor",)


def build_fastapi(service: AgentReads) -> FastAPI:
    """Everything but the hot path: reads, sandboxes, the operator API."""
    application = FastAPI(title="mesos-service agent", version=__version__, openapi_url=None, docs_url=None)
    add_routes(application, service)
    return application


def build_application(service: AgentReads, executors: Application) -> Application:
    """The whole face of an agent as one ASGI application."""
    return HotPath(MesosPaths(build_fastapi(service), PREFIX, OWN_PATHS), dict.fromkeys(EXECUTOR_PATHS, executors))
