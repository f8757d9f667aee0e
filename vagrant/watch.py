"""How long a cluster has no leader, seen from outside."""

from __future__ import annotations

import threading
import time
from typing import Final

from vagrant.cluster import Cluster

_PAUSE_SECONDS: Final = 0.1


class LeaderWatch:
    """Asks, again and again while the block lasts, whether some master says that it leads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="leader watch", daemon=True)
        self.longest_gap_seconds = 0.0
        """From one answer of a leader to the next; the pause between two questions is in it."""

    def __enter__(self) -> LeaderWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        seen = time.monotonic()
        while not self._over.wait(_PAUSE_SECONDS):
            if any(self._cluster.leader_named_by(master) is master for master in self._cluster.masters):
                now = time.monotonic()
                self.longest_gap_seconds = max(self.longest_gap_seconds, now - seen)
                seen = now
        self.longest_gap_seconds = max(self.longest_gap_seconds, time.monotonic() - seen)
