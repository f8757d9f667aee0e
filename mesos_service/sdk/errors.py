"""What can go wrong for a framework or an executor, as it should be told apart."""

from __future__ import annotations

from mesos_service.domain.errors import MesosServiceError, OperatingFault


class NotConnected(OperatingFault):
    """No subscription is open just now; it is being renewed, and the call was not made or its fate is unknown."""


class Unreachable(OperatingFault):
    """Nobody to subscribe with was found for as long as was to be tried; the text names the last address and why."""


class CallRefused(MesosServiceError):
    """The server understood and said no. ``status`` is the HTTP status, ``text`` its reason."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{text or 'refused'} (HTTP {status})")
        self.status = status
        self.text = text


class SubscriptionEnded(MesosServiceError):
    """The server sent ERROR, its last word: the framework was refused, removed or replaced. The text says which."""
