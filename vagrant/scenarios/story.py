"""What a scenario is given: the cluster, and a voice to tell with."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TextIO

from vagrant.cluster import Cluster, DidNotHold, until
from vagrant.workload import COMMAND, Workload


@dataclass
class Story:
    """Prints each step with the seconds since the scenario began."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    began: float = field(default_factory=time.monotonic)

    def tell(self, sentence: str) -> None:
        print(f"  {time.monotonic() - self.began:6.1f} s  {sentence}", file=self.out, flush=True)

    def hold(self, sentence: str, holds: bool) -> None:
        """Something that must hold now; raises ``DidNotHold`` where it does not."""
        if not holds:
            raise DidNotHold(sentence)
        self.tell(f"holds: {sentence}")

    @contextlib.contextmanager
    def timed(self, what: str) -> Iterator[None]:
        """Tell how long the block took."""
        start = time.monotonic()
        yield
        self.tell(f"{what}: {time.monotonic() - start:.2f} s")


@contextlib.contextmanager
def tasks_running(cluster: Cluster, story: Story, count: int = 6, command: str = COMMAND) -> Iterator[Workload]:
    """``count`` tasks run when the block begins, and end with it."""
    with Workload(cluster.zk, count, command=command) as work:
        until(f"{count} tasks run", work.all_run)
        hosts = sorted({fate.host for fate in work.fates.values()})
        story.tell(f"{count} tasks run on {', '.join(hosts)}")
        yield work


Scenario = Callable[[Cluster, Story], None]
