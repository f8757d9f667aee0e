"""An operator ends a framework (M-OM-14): the one thing in these routes that changes anything."""

from __future__ import annotations

from mesos_service.core.effects import Reply
from mesos_service.core.messages import OperatorTeardown
from mesos_service.domain.ids import FrameworkId
from mesos_service.master.routes.reads import MasterReads


async def teardown_framework(service: MasterReads, framework_id: FrameworkId) -> Reply | None:
    """Have the framework ended; the refusal, or ``None`` when it is gone."""
    driver = service.driver
    request = driver.new_request()
    message = OperatorTeardown(request=request, framework_id=framework_id, stimulus=f"operator-{request}")
    answer = driver.call(request, message)
    if answer is None:
        answer = await driver.answer(request)
    assert isinstance(answer, Reply), "only SUBSCRIBE opens a stream"
    return answer if answer.status >= 400 else None
