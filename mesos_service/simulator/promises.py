"""What must hold over several masters, whatever fails: the memory of one is not enough to see it.

The production invariants look at one master at one moment. Here it is remembered what agents and frameworks were told,
so that no later master may go back on it: durable before said (X16), offers that end with their master (X14g), agents
that are never forgotten, tasks that are known again as soon as their agent is back (X20, X21), and ends that stay
(X13).
"""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.core import effects, messages
from mesos_service.core.events import Offers
from mesos_service.core.link import Registered, Reregister, Reregistered, RunTask, RunTaskGroup
from mesos_service.core.master import invariants
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, OfferId, TaskId
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState, TaskStatus
from mesos_service.simulator.masters import MasterNode

ALIVE = frozenset({TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING})


class Promises:
    """Told of every step of every master, and of what every framework hears."""

    def __init__(self) -> None:
        self._offers: dict[OfferId, MasterNode] = {}
        self._reports: dict[tuple[AgentId, str], Reregister] = {}
        """What agents said when they registered again, by their word for it."""
        self._over: dict[tuple[str, TaskId], TaskState] = {}
        """Ends of tasks that their framework has acknowledged."""
        self.gone: set[AgentId] = set()
        """Agents of which an operator was told that they are gone."""

    # -- masters ---------------------------------------------------------------------------------------------
    def stepped(
        self, master: MasterNode, message: messages.MasterMessage, decided: Sequence[effects.MasterEffect]
    ) -> None:
        """One step was decided and not yet performed."""
        invariants.check(master.state)
        if isinstance(message, messages.FromAgent) and isinstance(message.message, Reregister):
            assert message.agent_id is not None, "an agent that comes back has an id"
            self._reports[message.agent_id, message.message.registration] = message.message
        for effect in decided:
            match effect:
                case effects.SendScheduler(_, Offers(offers)):
                    for offer in offers:
                        self._new_offer(master, offer.offer_id)
                case effects.SendAgent(_, agent_id, Registered() | Reregistered() as answer):
                    self._durable(master, agent_id)
                    report = self._reports.get((agent_id, answer.registration))
                    if report is not None and not isinstance(answer, Registered):
                        self._known_again(master, agent_id, report)
                case effects.SendAgent(_, agent_id, RunTask() | RunTaskGroup()):
                    self._launched_by_own_offer(master, agent_id, message)
                case _:
                    pass

    def _new_offer(self, master: MasterNode, offer_id: OfferId) -> None:
        before = self._offers.setdefault(offer_id, master)
        if before is not master:
            raise InvariantBroken(f"{master.name} makes offer {offer_id}, as {before.name} did")

    def marked_gone(self, agent_id: AgentId) -> None:
        """An operator was told so."""
        self.gone.add(agent_id)

    def _durable(self, master: MasterNode, agent_id: AgentId) -> None:
        """Whoever has been superseded may say what is true no more: its successor has changed it since."""
        if master.leads and agent_id not in master.registry.admitted:
            raise InvariantBroken(f"{master.name} tells agent {agent_id} that it is registered, and that is not stored")

    def _known_again(self, master: MasterNode, agent_id: AgentId, report: Reregister) -> None:
        state = master.state
        for told in report.tasks:
            framework = state.frameworks.get(told.framework_id)
            if framework is None or told.state in TERMINAL_STATES:
                continue
            task = framework.tasks.get(told.info.task_id)
            if task is None:
                raise InvariantBroken(f"agent {agent_id} runs {told.info.task_id}, and {master.name} does not know it")
            if task.agent_id == agent_id and task.state in ALIVE and not task.charged:
                raise InvariantBroken(f"{told.info.task_id} is {task.state} and {master.name} lets it hold nothing")
        for framework_id, executor in report.executors:
            if framework_id in state.frameworks:
                known = state.agents[agent_id].executors.get(framework_id, {})
                if executor.executor_id not in known:
                    raise InvariantBroken(f"agent {agent_id} runs {executor.executor_id}, unknown to {master.name}")

    def _launched_by_own_offer(self, master: MasterNode, agent_id: AgentId, message: messages.MasterMessage) -> None:
        named = message.offer_ids if isinstance(message, messages.Accept) else ()
        if not named or any(self._offers.get(offer_id) is not master for offer_id in named):
            raise InvariantBroken(
                f"{master.name} launches on agent {agent_id} what no offer of its own allows: {named}"
            )

    # -- frameworks ------------------------------------------------------------------------------------------
    def acknowledged(self, framework: str, status: TaskStatus) -> None:
        """A framework acknowledges an update."""
        if status.state in TERMINAL_STATES:
            self._over.setdefault((framework, status.task_id), status.state)

    def heard(self, framework: str, status: TaskStatus) -> None:
        """A framework hears of one of its tasks; an end that it has acknowledged stays the end."""
        over = self._over.get((framework, status.task_id))
        if over is not None and status.state in ALIVE:
            raise InvariantBroken(f"{framework} acknowledged that {status.task_id} is {over}, and hears {status.state}")

    # -- in the end ------------------------------------------------------------------------------------------
    def reckon(self, master: MasterNode, agent_ids: Sequence[AgentId]) -> None:
        """Nothing is under way any more: every agent that ever had an id is in the registry."""
        registry = master.registry
        if self.gone - set(registry.gone):
            raise InvariantBroken(f"an operator was told that these are gone: {sorted(self.gone)}, and they are not")
        for agent_id in agent_ids:
            if agent_id not in registry.admitted:
                raise InvariantBroken(f"agent {agent_id} is healthy, and the registry does not have it")
        if set(registry.admitted) != {*master.state.agents, *master.state.recovered}:
            raise InvariantBroken(
                f"the registry has {sorted(registry.admitted)}, and {master.name} {sorted(master.state.agents)}"
                f" and recovered {sorted(master.state.recovered)}"
            )
