"""How long a cluster has no leader, seen from outside."""

from __future__ import annotations

import threading
import time
from typing import Final

import httpx

from vagrant.cluster import MASTER_PORT, Cluster
from vagrant.hosts import Host

_PAUSE_SECONDS: Final = 0.1
_ASK_SECONDS_MAX: Final = 0.5


class LeaderWatch:
    """Asks every 100 ms, while the block lasts, whether some master says that it leads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="leader watch", daemon=True)
        self.longest_gap_seconds = 0.0
        """From one answer of a leader to the next; the pause between two questions is in it."""
        self.gaps_seconds: list[float] = []
        """Those with at least one question between them that no leader answered, in order."""

    def __enter__(self) -> LeaderWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        seen, missed = time.monotonic(), False
        # Connections are kept: making one anew for each question takes longer than the pause.
        with httpx.Client(timeout=_ASK_SECONDS_MAX, trust_env=False) as client:
            while not self._over.wait(_PAUSE_SECONDS):
                if not any(self._leads(client, master) for master in self._cluster.masters):
                    missed = True
                    continue
                now = time.monotonic()
                self._note(now - seen, missed)
                seen, missed = now, False
        self._note(time.monotonic() - seen, missed)

    def _note(self, gap_seconds: float, missed: bool) -> None:
        self.longest_gap_seconds = max(self.longest_gap_seconds, gap_seconds)
        if missed:
            self.gaps_seconds.append(gap_seconds)

    def _leads(self, client: httpx.Client, master: Host) -> bool:
        try:
            answer = client.get(f"http://{master.address}:{MASTER_PORT}/master/redirect")
        except httpx.HTTPError:
            return False
        return self._cluster.named_in(answer) is master
