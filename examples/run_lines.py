"""Run each line of standard input as a shell command somewhere on the cluster; retry a failed one, then report.

printf 'echo one\\nsleep 2\\n' | python examples/run_lines.py 127.0.0.1:5050
"""

import asyncio
import sys
from collections import Counter, deque
from collections.abc import Sequence

from mesos_service.domain.resources import Resources
from mesos_service.domain.tasks import TERMINAL_STATES
from mesos_service.sdk import Scheduler, available, take, task
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskStatus

NEEDS = Resources.parse("cpus:0.5;mem:64")
TRIES_MAX = 3


class RunLines(Scheduler):
    def __init__(self, master: str, commands: Sequence[str]) -> None:
        super().__init__("run-lines", master, failover_timeout_seconds=0)
        self.commands = list(commands)
        self.waiting = deque(range(len(commands)))
        self.tries: Counter[int] = Counter()
        self.results: dict[int, str] = {}

    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            held, infos = available(offer), []
            while self.waiting and (part := take(held, NEEDS)) is not None:
                held -= part
                line = self.waiting.popleft()
                self.tries[line] += 1
                infos.append(task(f"{line}.{self.tries[line]}", offer, part, self.commands[line]))
            await self.launch(offer, *infos) if infos else await self.decline(offer)
        if not self.waiting:
            await self.suppress()

    async def update(self, status: TaskStatus) -> None:
        line = int(status.task_id.value.partition(".")[0])
        if status.state not in TERMINAL_STATES or line in self.results:
            return
        if status.state != "TASK_FINISHED" and self.tries[line] < TRIES_MAX:
            self.waiting.append(line)
            await self.revive()
            return
        self.results[line] = f"{status.state} {status.message or ''}".rstrip()
        print(f"{self.results[line]}: {self.commands[line]}", flush=True)
        if len(self.results) == len(self.commands):
            await self.teardown()


if __name__ == "__main__":
    asyncio.run(RunLines(sys.argv[1], sys.stdin.read().splitlines()).run())
