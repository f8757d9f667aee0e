"""What must hold over several masters, whatever fails: the memory of one is not enough to see it.

The production invariants look at one master at one moment. Here it is remembered what agents and frameworks were told,
so that no later master may go back on it: durable before said (X16), offers that end with their master (X14g), agents
that are never forgotten, tasks that are known again as soon as their agent is back (X20, X21), ends that stay (X13),
and that of several schedulers of a framework one acts (N11).
"""

from __future__ import annotations

from collections.abc import Sequence

from mesos_service.core import effects, messages, scheduler_messages
from mesos_service.core.allocation.quota import top_of
from mesos_service.core.allocation.shapes import is_countable
from mesos_service.core.events import Offers, Promoted, Subscribed
from mesos_service.core.link import Registered, Reregister, Reregistered, RunTask, RunTaskGroup
from mesos_service.core.master import invariants
from mesos_service.core.master.role_use import roles_in_use
from mesos_service.core.registry.operations import DeactivateAgent, UpdateQuotas
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.ids import AgentId, FrameworkId, OfferId, Role, StreamId, TaskId
from mesos_service.domain.machines import MachineId, MachineMode, machines_of
from mesos_service.domain.offers import Offer
from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES, TaskState, TaskStatus
from mesos_service.simulator.masters import MasterNode

ALIVE = frozenset({TaskState.STAGING, TaskState.STARTING, TaskState.RUNNING, TaskState.KILLING})


class Promises:
    """Told of every step of every master, and of what every framework hears."""

    def __init__(self) -> None:
        self._offers: dict[OfferId, MasterNode] = {}
        self._reports: dict[tuple[AgentId, str], Reregister] = {}
        """What agents said when they registered again, by their word for it."""
        self._over: dict[tuple[str, TaskId, AgentId | None], TaskState] = {}
        """Ends of tasks that their framework has acknowledged; an id may be used again on another agent."""
        self.gone: set[AgentId] = set()
        """Agents of which an operator was told that they are gone."""
        self.drains: dict[AgentId, bool] = {}
        """Agents that an operator has asked to be drained and not got back yet; whether he was told that it is so."""
        self.down: set[MachineId] = set()
        """Machines of which an operator was told that they are down, and that he has not asked for again."""
        self._tokens: dict[StreamId, int] = {}
        """Fencing tokens, by the stream on which each was told."""
        self._newest: dict[FrameworkId, int] = {}
        """The newest that was told, by framework."""
        self._holders: dict[tuple[str, int], int] = {}
        """Which of a framework's schedulers was told which token."""
        self.fenced_off = 0
        """Calls that were refused for their old token."""

    # -- masters ---------------------------------------------------------------------------------------------
    def stepped(
        self, master: MasterNode, message: messages.MasterMessage, decided: Sequence[effects.MasterEffect]
    ) -> None:
        """One step was decided and not yet performed."""
        invariants.check(master.state)
        self._knows_quota(master)
        if isinstance(message, messages.FromAgent) and isinstance(message.message, Reregister):
            assert message.agent_id is not None, "an agent that comes back has an id"
            self._reports[message.agent_id, message.message.registration] = message.message
        for effect in decided:
            match effect:
                case effects.SendScheduler(_, Offers(offers)):
                    for offer in offers:
                        self._new_offer(master, offer.offer_id)
                        self._in_use(master, offer.agent_id)
                    if master.state.quotas:
                        self._within_limits(master, offers)
                case effects.SendAgent(_, agent_id, Registered() | Reregistered() as answer):
                    self._durable(master, agent_id)
                    self._up(master, agent_id)
                    report = self._reports.get((agent_id, answer.registration))
                    if report is not None and not isinstance(answer, Registered):
                        self._known_again(master, agent_id, report)
                case effects.SendAgent(_, agent_id, RunTask() | RunTaskGroup() as launch):
                    self._launched_by_own_offer(master, agent_id, message)
                    self._lent_enough(master, agent_id, launch)
                case effects.SendScheduler(stream_id, Promoted(framework_id, token)):
                    self._token_told(master, stream_id, framework_id, token)
                case effects.SendScheduler(stream_id, Subscribed(framework_id, _, _, int(token))):
                    self._token_told(master, stream_id, framework_id, token)
                case effects.Reply(_, status, text):
                    if isinstance(message, scheduler_messages.SchedulerCall):
                        self._answered(master, message, status, text)
                case _:
                    pass

    def _new_offer(self, master: MasterNode, offer_id: OfferId) -> None:
        before = self._offers.setdefault(offer_id, master)
        if before is not master:
            raise InvariantBroken(f"{master.name} makes offer {offer_id}, as {before.name} did")

    def _in_use(self, master: MasterNode, agent_id: AgentId) -> None:
        """Whoever was told that an agent drains sees nothing new on it until he asks for it back.

        What is stored, and of which the master has not heard yet that it is, nobody was told.
        """
        stored = master.registry.deactivated.get(agent_id)
        storing = any(
            isinstance(operation, DeactivateAgent) and operation.agent_id == agent_id
            for operation, _ in master.state.persisting.values()
        )
        told = agent_id in master.state.deactivated or not storing
        if master.leads and stored is not None and told:
            raise InvariantBroken(f"{master.name} offers agent {agent_id}, which is out of use: {stored}")
        self._up(master, agent_id)

    def _knows_quota(self, master: MasterNode) -> None:
        """Whoever leads goes by the quota that is stored, but for what he is storing now (X16)."""
        state = master.state
        if not master.leads or state.quotas == master.registry.quotas:
            return
        if not any(isinstance(operation, UpdateQuotas) for operation, _ in state.persisting.values()):
            raise InvariantBroken(f"{master.name} goes by {state.quotas}, and stored is {master.registry.quotas}")

    def _within_limits(self, master: MasterNode, offers: Sequence[Offer]) -> None:
        """With what was just offered to it no role has more than its limit of anything that was in it (X37)."""
        uses = None
        for offer in offers:
            top = top_of(offer.role)
            quota = master.state.quotas.get(top)
            if quota is None or not quota.limits:
                continue
            uses = uses or roles_in_use(master.state)
            counted = offer.resources.unallocated().filter(is_countable).quantities()
            has, offered = uses[top].consumed(), self._countable_offers(master, top)
            for name, limit in quota.limits.items():
                if counted.get(name, 0) and has.get(name, 0) + offered.get(name, 0) > limit:
                    raise InvariantBroken(
                        f"{master.name} offers {offer.resources} to {offer.role}, whose limit of {name} is {limit};"
                        f" it has {has}, and {offered} is offered to it"
                    )

    def _countable_offers(self, master: MasterNode, top: Role) -> dict[str, int]:
        found: dict[str, int] = {}
        for offer in master.state.offers.values():
            if top_of(offer.role) == top:
                for name, amount in offer.resources.unallocated().filter(is_countable).quantities().items():
                    found[name] = found.get(name, 0) + amount
        return found

    def _up(self, master: MasterNode, agent_id: AgentId) -> None:
        """Whoever was told that a machine is down finds no agent on it until he asks for it again (M-OM-11)."""
        agent = master.state.agents.get(agent_id)
        if master.leads and agent is not None and not self.down.isdisjoint(machines_of(agent.info)):
            raise InvariantBroken(f"{master.name} has agent {agent_id} on {agent.info.hostname}, which is down")

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
            copies = state.agents[agent_id].copies.get(told.framework_id, {})
            task = copies.get(told.info.task_id) or framework.tasks.get(told.info.task_id)
            if task is None:
                raise InvariantBroken(f"agent {agent_id} runs {told.info.task_id}, and {master.name} does not know it")
            if task.agent_id != agent_id or (task.state in ALIVE and not task.charged):
                raise InvariantBroken(f"{told.info.task_id} is {task.state} and {master.name} lets it hold nothing")
        for framework_id, executor in report.executors:
            if framework_id in state.frameworks:
                known = state.agents[agent_id].executors.get(framework_id, {})
                if executor.executor_id not in known:
                    raise InvariantBroken(f"agent {agent_id} runs {executor.executor_id}, unknown to {master.name}")

    def _launched_by_own_offer(self, master: MasterNode, agent_id: AgentId, message: messages.MasterMessage) -> None:
        named = message.offer_ids if isinstance(message, scheduler_messages.Accept) else ()
        if not named or any(self._offers.get(offer_id) is not master for offer_id in named):
            raise InvariantBroken(
                f"{master.name} launches on agent {agent_id} what no offer of its own allows: {named}"
            )

    def _lent_enough(self, master: MasterNode, agent_id: AgentId, launch: RunTask | RunTaskGroup) -> None:
        """Nobody borrows more than the agent has told this master that it lends (M-AL-19); those who borrowed when it
        lent more may be there still."""
        launched = (launch.task,) if isinstance(launch, RunTask) else launch.tasks
        if not any(task.resources.revocable() for task in launched):
            return
        agent = master.state.agents[agent_id]
        borrowed = Resources.EMPTY
        for used in agent.used.values():
            borrowed += used.revocable().unallocated()
        if not agent.oversubscribed.contains(borrowed):
            raise InvariantBroken(
                f"{master.name} launches on agent {agent_id}, which lends {agent.oversubscribed}, what makes {borrowed}"
            )

    # -- several schedulers ----------------------------------------------------------------------------------
    def _token_told(self, master: MasterNode, stream_id: StreamId, framework_id: FrameworkId, token: int) -> None:
        record = master.registry.frameworks.get(framework_id)
        if master.leads and (record is None or record.generation < token):
            raise InvariantBroken(f"{master.name} tells {framework_id} token {token}, and that is not stored")
        self._tokens[stream_id] = token
        self._newest[framework_id] = max(token, self._newest.get(framework_id, 0))

    def _answered(self, master: MasterNode, call: scheduler_messages.SchedulerCall, status: int, text: str) -> None:
        """A master that was deposed unnoticed takes calls that need no write; nobody is promoted there."""
        if status == 403 and text.startswith("Fencing token"):
            self.fenced_off += 1
        held = self._tokens.get(StreamId(call.stream_id or ""))
        newest = self._newest.get(call.framework_id, 0)
        if master.leads and held is not None and held < newest and status < 300:
            raise InvariantBroken(f"{master.name} took a call with token {held}, and {newest} was told before: {call}")

    def has_newest(self, framework_id: FrameworkId, token: int | None) -> bool:
        """Whether no newer token was told: what a scheduler reads with an older one it should have read before."""
        return token == self._newest.get(framework_id)

    def holds(self, framework: str, token: int, number: int) -> None:
        """A scheduler was told that it acts."""
        holder = self._holders.setdefault((framework, token), number)
        if holder != number:
            raise InvariantBroken(f"schedulers {holder} and {number} of {framework} both hold token {token}")

    # -- frameworks ------------------------------------------------------------------------------------------
    def acknowledged(self, framework: str, status: TaskStatus) -> None:
        """A framework acknowledges an update."""
        if status.state in TERMINAL_STATES:
            self._over.setdefault((framework, status.task_id, status.agent_id), status.state)

    def heard(self, framework: str, status: TaskStatus) -> None:
        """A framework hears of one of its tasks; an end that it has acknowledged stays the end."""
        over = self._over.get((framework, status.task_id, status.agent_id))
        if over is not None and status.state in ALIVE:
            raise InvariantBroken(f"{framework} acknowledged that {status.task_id} is {over}, and hears {status.state}")

    # -- in the end ------------------------------------------------------------------------------------------
    def reckon(self, master: MasterNode, agent_ids: Sequence[AgentId]) -> None:
        """Nothing is under way any more: every agent that ever had an id is in the registry."""
        registry = master.registry
        if registry.machines != master.state.machines:
            raise InvariantBroken(
                f"the registry has the machines {registry.machines}, and {master.name} {master.state.machines}"
            )
        if any(one.mode is MachineMode.DOWN for one in registry.machines.values()):
            raise InvariantBroken(f"a machine is down that nobody works on: {registry.machines}")
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
