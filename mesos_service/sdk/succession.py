"""What one of several schedulers of a framework keeps: whether it acts, its fencing token, its lease (A44, N11)."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import msgspec

from mesos_service.sdk.errors import CallRefused, NotConnected, SubscriptionEnded
from mesos_service.sdk.subscription import Subscription
from mesos_service.wire import scheduler as wire
from mesos_service.wire.common import FrameworkID
from mesos_service.wire.encode import encode_message

log = logging.getLogger(__name__)

BEATS_A_LEASE: Final = 3
"""Two of them may be late or lost before the lease runs out."""
UNKNOWN_TO_THE_MASTER: Final = (
    "The master knows nothing of several schedulers of one framework: this one has taken the place of any other"
)
_DEPOSED: Final = ("Deposed", "Framework failed over")
"""How the master's last word begins when another scheduler of the framework acts from then on."""


class Succession:
    """The part of one scheduler among several. It always asks to stand by: the token it held says whether it acts on.

    ``lease_seconds`` is how long it may be silent before another one is promoted in its place.
    """

    def __init__(self, lease_seconds: float) -> None:
        self.acts = False
        self.token: int | None = None
        self._lease_seconds = lease_seconds

    def ask(self, subscribe: wire.CallSubscribe) -> wire.CallSubscribe:
        """SUBSCRIBE as one of several."""
        return msgspec.structs.replace(
            subscribe, mode="STANDBY", fencing_token=self.token, lease_seconds=self._lease_seconds
        )

    def take(self, event: wire.EventSubscribed | wire.EventPromoted) -> None:
        """Learn from the master whether this one acts.

        Raises:
            SubscriptionEnded: it is a master that does not know of this.
        """
        if isinstance(event, wire.EventSubscribed) and event.mode is None:
            raise SubscriptionEnded(UNKNOWN_TO_THE_MASTER)
        self.acts = isinstance(event, wire.EventPromoted) or event.mode == "PRIMARY"
        self.token = event.fencing_token or self.token

    def lose(self) -> None:
        """The subscription is over. The token stays: who comes back with the newest acts on."""
        self.acts = False

    def may_come_back(self, error: str) -> bool:
        """Whether the master's last word only means that it is another's turn."""
        return error.startswith(_DEPOSED)

    async def keep_lease(self, subscription: Subscription, framework_id: FrameworkID | None) -> None:
        """Send a HEARTBEAT several times a lease, for as long as the subscription lasts; ends by being cancelled."""
        beat = encode_message(wire.Call(framework_id=framework_id, type="HEARTBEAT"))
        while True:
            await asyncio.sleep(self._lease_seconds / BEATS_A_LEASE)
            try:
                await subscription.call(beat)
            except (NotConnected, CallRefused) as fault:
                log.info("a heartbeat was not taken: %s", fault)
