"""The agent's reads: what others may ask of it, under the paths that Mesos gives them (M-LE-03, M-OA-01)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fastapi import FastAPI, Response

from mesos_service.agent.files_api import SandboxFiles, add_file_routes
from mesos_service.agent.sandboxes import Sandboxes
from mesos_service.containers.containerizer import Containerizer
from mesos_service.core.agent.state import AgentState
from mesos_service.driver import Clock
from mesos_service.telemetry.metrics import AgentMetrics


class AgentReads(Protocol):
    """What routes may look at. Nothing of it is theirs to change."""

    state: AgentState
    metrics: AgentMetrics
    containerizer: Containerizer
    sandboxes: Sandboxes
    files: SandboxFiles
    clock: Clock
    port: int

    @property
    def flags(self) -> Mapping[str, str]:
        """What ``/flags`` shows: every flag in force, as text."""


def add_routes(application: FastAPI, service: AgentReads) -> None:
    """Mount everything; paths are without the ``/slave(1)`` prefix, which is trimmed before they are looked up."""

    @application.api_route("/health", methods=["GET", "HEAD"], tags=["agent"], response_class=Response)
    async def health() -> Response:
        """Whether the agent answers at all."""
        return Response(b"")

    add_file_routes(application, service.files)
