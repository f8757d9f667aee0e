"""What operators change: they end a framework, or give an agent up (M-OM-13, M-OM-14). All else only reads."""

from __future__ import annotations

from mesos_service.core.effects import Reply
from mesos_service.core.messages import OperatorMarkGone, OperatorTeardown
from mesos_service.domain.ids import AgentId, FrameworkId
from mesos_service.driver import Held
from mesos_service.master.leadership import IN_DOUBT
from mesos_service.master.routes.reads import MasterReads


async def teardown_framework(service: MasterReads, framework_id: FrameworkId) -> Reply | None:
    """Have the framework ended; the refusal, or ``None`` when it is gone."""
    request = service.driver.new_request()
    stimulus = f"operator-{request}"
    return await _refusal(service, OperatorTeardown(request=request, framework_id=framework_id, stimulus=stimulus))


async def mark_agent_gone(service: MasterReads, agent_id: AgentId) -> Reply | None:
    """Have the agent given up for good; the refusal, or ``None`` when that is stored."""
    request = service.driver.new_request()
    return await _refusal(service, OperatorMarkGone(request=request, agent_id=agent_id, stimulus=f"operator-{request}"))


async def _refusal(service: MasterReads, message: OperatorTeardown | OperatorMarkGone) -> Reply | None:
    try:
        answer = service.driver.call(message.request, message)
    except Held:
        return Reply(message.request, *IN_DOUBT)
    if answer is None:
        answer = await service.driver.answer(message.request)
    assert isinstance(answer, Reply), "only SUBSCRIBE opens a stream"
    return answer if answer.status >= 400 else None
