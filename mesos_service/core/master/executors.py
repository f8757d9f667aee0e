"""Executors, as far as the master has to do with them: messages either way, orders to end, and their end."""

from __future__ import annotations

from mesos_service.core.events import Failure, Message
from mesos_service.core.link import ExitedExecutor, MessageFromExecutor, MessageToAgent, ShutdownExecutor
from mesos_service.core.master import books
from mesos_service.core.master.state import Agent, Framework
from mesos_service.core.master.turn import Turn
from mesos_service.core.scheduler_messages import MessageCall, Shutdown


def on_exited(turn: Turn, agent: Agent, message: ExitedExecutor) -> None:
    """Free what the executor itself held, and tell its framework; its tasks are reported apart (M-SE-05)."""
    state = turn.state
    executor = books.remove_executor(state, message.framework_id, agent, message.executor_id)
    framework = state.frameworks.get(message.framework_id)
    if framework is None:
        return
    if executor is not None:
        books.release(turn, message.framework_id, agent, executor.resources)
    turn.tell(framework, Failure(agent.agent_id, message.executor_id, message.status))
    turn.note(
        "executor.exited",
        framework_id=message.framework_id,
        executor_id=message.executor_id,
        agent_id=agent.agent_id,
        status=message.status,
    )


def on_message_from_executor(turn: Turn, agent: Agent, message: MessageFromExecutor) -> None:
    """Passed on where the framework is connected; nobody promises more (M-SE-04)."""
    framework = turn.state.frameworks.get(message.framework_id)
    if framework is None or framework.stream_id is None:
        turn.note("executor.message_dropped", framework_id=message.framework_id, executor_id=message.executor_id)
        return
    turn.tell(framework, Message(agent.agent_id, message.executor_id, message.data))


def on_message_call(turn: Turn, framework: Framework, call: MessageCall) -> None:
    """Passed on where the agent is connected; nobody promises more (M-SC-11)."""
    turn.reply(call.request, 202)
    agent = turn.state.agents.get(call.agent_id)
    if agent is None or agent.link_id is None:
        turn.note("framework.message_dropped", framework_id=framework.framework_id, agent_id=call.agent_id)
        return
    turn.tell_agent(
        agent, MessageToAgent(framework_id=framework.framework_id, executor_id=call.executor_id, data=call.data)
    )


def on_shutdown(turn: Turn, framework: Framework, call: Shutdown) -> None:
    """The agent asks the executor to end, and ends it when it does not (M-SC-08)."""
    turn.reply(call.request, 202)
    agent = turn.state.agents.get(call.agent_id)
    if agent is not None:
        turn.tell_agent(agent, ShutdownExecutor(framework_id=framework.framework_id, executor_id=call.executor_id))
