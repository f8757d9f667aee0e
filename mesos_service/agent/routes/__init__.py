"""What others may ask of an agent and its containers, under the paths that Mesos gives them (M-LE-03, M-OA-01)."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.routing import Route

from mesos_service import __version__
from mesos_service.agent.files_api import SandboxFiles, add_file_routes
from mesos_service.agent.routes import legacy
from mesos_service.agent.routes.operator import CALLS, AgentOperatorCalls
from mesos_service.agent.routes.reads import AgentReads, give_reads
from mesos_service.containers.files import Files
from mesos_service.http.answers import AnyMethod
from mesos_service.http.documentation import add_documentation
from mesos_service.http.faults import answer_faults
from mesos_service.openapi import make_documents
from mesos_service.wire.openapi import EXECUTOR, Documents
from mesos_service.wire.openapi_operator import agent_operator_endpoint

__all__ = ["AgentReads", "add_routes", "openapi_documents"]

TITLE = "mesos-service agent"


def openapi_documents() -> Documents:
    """The agent's OpenAPI documents; no agent is needed for them."""
    application = FastAPI(title=TITLE, version=__version__)
    application.include_router(legacy.router)
    add_file_routes(application, SandboxFiles(Files()))
    return make_documents(application, (EXECUTOR, *agent_operator_endpoint(CALLS)), legacy.STRUCTS)


def add_routes(application: FastAPI, service: AgentReads) -> None:
    """Mount everything; paths are without the ``/slave(1)`` prefix, which is trimmed before they are looked up."""
    give_reads(application, service)
    application.include_router(legacy.router)
    add_file_routes(application, service.files)
    # Starlette takes an endpoint that is no function for an application, and lets it judge the method itself.
    application.router.routes.append(Route("/api/v1", AgentOperatorCalls(service), include_in_schema=False))
    add_documentation(application, openapi_documents, TITLE)
    answer_faults(application)
    application.add_middleware(AnyMethod, paths=legacy.READ_PATHS)
