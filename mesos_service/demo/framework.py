"""The frameworks of the example: each has some tasks for one agent, and refuses what the others offer."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mesos_service.core.effects import Note
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES
from mesos_service.sdk.sandbox import SandboxFile, agent_of, sandbox_path
from mesos_service.sdk.scheduler import Scheduler
from mesos_service.sdk.subscription import Address
from mesos_service.sdk.tasks import available, take, task
from mesos_service.telemetry.story import Story
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus

REFUSE_SECONDS = 3600.0


class NotAsThePaperSays(Exception):
    """A step of the example came out otherwise; the text says how."""


@dataclass(slots=True)
class PlannedTask:
    """A task of the example, and what became of it."""

    task_id: str
    needs: str
    command: str
    output: str
    """What it is to write."""
    states: list[str] = field(default_factory=list)
    message: str = ""
    running: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class ExampleFramework(Scheduler):
    """Waits for an offer of ``agent`` and launches all its tasks with it; everything else it refuses."""

    def __init__(
        self,
        name: str,
        master: str,
        agent: Address,
        tasks: Sequence[PlannedTask],
        environment: Mapping[str, str],
        story: Story,
    ) -> None:
        super().__init__(name, master, failover_timeout_seconds=0.0, patience_seconds=10.0)
        self.tasks = {one.task_id: one for one in tasks}
        self.offered: asyncio.Future[Resources] = asyncio.get_running_loop().create_future()
        """What the first offer of the agent held."""
        self._agent = agent
        self._environment = environment
        self._story = story
        self._prefix = ""

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self._tell("framework.subscribed", framework_id=_number(self.framework_info.name))

    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            agent, prefix = agent_of(offer)
            if agent == self._agent and not self.offered.done():
                self._prefix = prefix
                await self._use(offer)
            else:
                # Any other agent would do as well; the example wants this one, as a job wants its data (B29).
                await self.decline(offer, refuse_seconds=REFUSE_SECONDS)

    async def _use(self, offer: Offer) -> None:
        held = available(offer)
        own = _number(self.framework_info.name)
        self._tell_offer("offer.sent", offer, framework_id=own, resources=amounts(held))
        infos = []
        left = held
        for planned in self.tasks.values():
            part = take(left, Resources.parse(planned.needs))
            if part is None:
                await self.decline(offer)
                self.offered.set_exception(
                    NotAsThePaperSays(f"{self.framework_info.name} was offered {amounts(held)}: too little")
                )
                return
            left -= part
            infos.append(task(planned.task_id, offer, part, planned.command, environment=self._environment))
            self._tell_offer("task.launched", offer, task_id=_number(planned.task_id), resources=amounts(part))
        await self.launch(offer, *infos)
        self._tell_offer("offer.accepted", offer, left_over=amounts(left))
        self.offered.set_result(held)

    async def update(self, status: TaskStatus) -> None:
        planned = self.tasks[status.task_id.value]
        planned.states.append(status.state)
        planned.message = status.message or ""
        told = {"message": planned.message} if planned.message else {}
        self._tell("task.updated", task_id=_number(planned.task_id), state=status.state.removeprefix("TASK_"), **told)
        if status.state == "TASK_RUNNING":
            planned.running.set()
        if status.state in TERMINAL_STATES:
            planned.over.set()
            planned.running.set()

    async def output(self, task_id: str) -> str:
        """What the task wrote to its stdout."""
        assert self.framework_id is not None, "tasks run in frameworks that have subscribed"
        path = f"{sandbox_path(self.framework_id, task_id)}/stdout"
        file = SandboxFile(self._agent, self._prefix, path)
        try:
            return await file.read_to_end()
        finally:
            file.close()

    def _tell_offer(self, fact: str, offer: Offer, **told: str) -> None:
        # Ids begin with that of the master; what comes after tells them apart.
        self._tell(fact, offer_id=offer.id.value.rpartition("-")[2], agent_id="1", **told)

    def _tell(self, fact: str, **told: str) -> None:
        self._story.note(Note(fact, told), asyncio.get_running_loop().time())


def _number(name: str) -> str:
    """``1`` of ``task-1``: sentences say for themselves what it is the number of."""
    return name[-1]


def amounts(resources: Resources) -> str:
    """The two resources that the paper's example is about: ``2 cpus, 1 GB``."""
    cpus, megabytes = resources.scalar("cpus") / 1000, resources.scalar("mem") / 1000
    return f"{cpus:g} cpu{'' if cpus == 1 else 's'}, {megabytes / 1024:g} GB"
