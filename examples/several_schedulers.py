"""One of several schedulers of a framework that keeps one task running: whichever acts; end it, and another goes on.

python examples/several_schedulers.py 127.0.0.1:5050 keeper    # in two terminals or more
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress

from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES
from mesos_service.sdk import Scheduler, SubscriptionEnded, available, take, task
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus

TASK = "kept"
NEEDS = Resources.parse("cpus:0.1;mem:32")
NOT_RUNNING = {*TERMINAL_STATES, "TASK_UNKNOWN"}


class Keeper(Scheduler):
    def __init__(self, master: str, framework_id: str) -> None:
        super().__init__("keeper", master, framework_id=framework_id, standby=True, lease_seconds=1.0)
        self.state: str | None = None

    async def standing_by(self, framework_id: str, master: MasterInfo | None) -> None:
        print("standing by", flush=True)

    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        print(f"acting with token {self.fencing_token}", flush=True)
        self.state = None  # What the one before has left is for the master to say.
        await self.reconcile(TASK)

    async def disconnected(self, reason: str) -> None:
        print(f"disconnected: {reason}", flush=True)

    async def update(self, status: TaskStatus) -> None:
        self.state = status.state
        print(f"{TASK} is {status.state}", flush=True)
        if self.state in NOT_RUNNING:
            await self.revive()

    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            part = take(available(offer), NEEDS) if self.state in NOT_RUNNING else None
            if part is None:
                await self.decline(offer)
            else:
                self.state = "TASK_STAGING"
                await self.launch(offer, task(TASK, offer, part, "sleep 1000"))


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(Keeper(*sys.argv[1:3]).run())
        except SubscriptionEnded as end:
            sys.exit(f"the master has ended it: {end}")
