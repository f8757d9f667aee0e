"""What the agent's routes may look at, and how an endpoint gets hold of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Protocol, cast

from fastapi import Depends, FastAPI, Request

from mesos_service.agent.files_api import SandboxFiles
from mesos_service.agent.images import ImageGarbage
from mesos_service.agent.nested import NestedContainers
from mesos_service.agent.sandboxes import Sandboxes
from mesos_service.agent.standalone import StandaloneContainers
from mesos_service.containers.containerizer import Containerizer
from mesos_service.core.agent.state import AgentState
from mesos_service.telemetry.agent_metrics import AgentMetrics


class AgentReads(Protocol):
    """An agent as its reads see it. Nothing of it is theirs to change."""

    @property
    def state(self) -> AgentState: ...

    @property
    def metrics(self) -> AgentMetrics: ...

    @property
    def containerizer(self) -> Containerizer: ...

    @property
    def nested(self) -> NestedContainers: ...

    @property
    def images(self) -> ImageGarbage: ...

    @property
    def standalone(self) -> StandaloneContainers: ...

    @property
    def sandboxes(self) -> Sandboxes: ...

    @property
    def files(self) -> SandboxFiles: ...

    @property
    def flags(self) -> Mapping[str, str]:
        """What ``/flags`` shows: every flag in force, as text."""

    @property
    def master_hostname(self) -> str | None:
        """The host of the master that this agent is linked to; ``None`` without a link."""

    def clock(self) -> float:
        """Unix seconds."""


def give_reads(application: FastAPI, service: AgentReads) -> None:
    """Make ``service`` the one that the routes of ``application`` are about."""
    application.state.reads = service


def reads_of(request: Request) -> AgentReads:
    """The agent that a request is about."""
    # Starlette's state takes anything; ``give_reads`` is the only one that writes this.
    return cast("AgentReads", request.app.state.reads)


Reads = Annotated[AgentReads, Depends(reads_of)]
"""An endpoint's parameter of this type is filled with the agent."""
