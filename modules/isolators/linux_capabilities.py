"""``linux/capabilities``: which of root's powers the processes of a container have (M-AG-08; Mesos docs).

The effective set is what they begin with, as whatever user; the bounding set is what they can ever have, by
set-user-id programs and file capabilities. A task's ``linux_info`` says both, else ``--effective_capabilities`` and
``--bounding_capabilities`` do; nobody gets more than the latter. Where only one of the two is known it stands for both.
Where neither is, the container has what its user has.

By itself root gets its whole bounding set back with each program that it executes. Where the effective set is smaller,
this is switched off (``SECBIT_NOROOT``), so that root is a user like others.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, field_validator

from mesos_service.domain.containers import CAPABILITIES, Capabilities, Wish, Wishes, in_order
from mesos_service.domain.errors import ConfigurationError, OperatingFault
from mesos_service.domain.ids import ContainerId
from mesos_service.plugins.isolator import ContainerConfig, Host, Isolator, LaunchInfo


class Config(BaseModel):
    """The agent's flags of these names."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    effective_capabilities: str | None = None
    bounding_capabilities: str | None = None
    """JSON: ``{"capabilities": ["NET_RAW", ...]}``."""

    @field_validator("effective_capabilities", "bounding_capabilities")
    @classmethod
    def _check(cls, text: str | None) -> str | None:
        if text is not None:
            read_capabilities(text)
        return text


class LinuxCapabilities(Isolator):
    """Taken on together with the container's user; takes root."""

    name = "linux/capabilities"
    Config: ClassVar[type[Any] | None] = Config
    nesting = True
    provides = frozenset({Wish.CAPABILITIES})
    isolates_before_exec = False

    def __init__(self, host: Host, config: Any = None) -> None:  # Any: an instance of Config
        super().__init__(host, config if config is not None else Config())
        if os.geteuid() != 0:
            raise ConfigurationError("Isolator 'linux/capabilities' takes root: take it out of --isolation")
        effective, bounding = self.config.effective_capabilities, self.config.bounding_capabilities
        self._effective = None if effective is None else read_capabilities(effective)
        self._bounding = None if bounding is None else read_capabilities(bounding)
        if self._effective is not None and self._bounding is not None:
            _must_hold(self._effective, self._bounding, ConfigurationError, "--effective_capabilities")

    def decide(self, wishes: Wishes) -> Capabilities | None:
        """What a container gets; ``None`` where nothing is to be changed.

        Raises:
            OperatingFault: more is asked for than may be had; names what.
        """
        effective, bounding = wishes.effective_capabilities, wishes.bounding_capabilities
        if self._bounding is not None:
            _must_hold(
                (effective or frozenset()) | (bounding or frozenset()), self._bounding, OperatingFault, "The task"
            )
        if bounding is None:
            bounding = effective if effective is not None else self._bounding
        if effective is None:
            effective = self._effective if self._effective is not None else bounding
            if effective is not None and bounding is not None:
                effective &= bounding
        if effective is None:
            return None
        if bounding is None:
            bounding = effective
        _must_hold(effective, bounding, OperatingFault, "The effective set of the task")
        return Capabilities(effective, bounding)

    def explain(self, container_id: ContainerId, config: ContainerConfig) -> list[str]:
        decided = self.decide(config.wishes)
        return [] if decided is None else [f"become the user by setpriv {' '.join(decided.setpriv())}"]

    async def prepare(self, container_id: ContainerId, config: ContainerConfig) -> LaunchInfo | None:
        """Say what is left of root's powers."""
        decided = self.decide(config.wishes)
        return None if decided is None else LaunchInfo(capabilities=decided)


def read_capabilities(text: str) -> frozenset[str]:
    """``{"capabilities": [...]}`` as Mesos has it. Raises ``ValueError``, which says what is wrong."""
    try:
        names = json.loads(text)["capabilities"]
    except (ValueError, KeyError, TypeError):
        raise ValueError('write capabilities as {"capabilities": ["NET_RAW", "KILL"]}') from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError('write capabilities as {"capabilities": ["NET_RAW", "KILL"]}')
    unknown = [name for name in names if name not in CAPABILITIES]
    if unknown:
        raise ValueError(f"there is no capability '{unknown[0]}'; they are called {', '.join(CAPABILITIES)}")
    return frozenset(names)


def _must_hold(asked: Collection[str], there: Collection[str], fault: type[Exception], who: str) -> None:
    beyond = in_order(set(asked) - set(there))
    if beyond:
        raise fault(
            f"{who} has {', '.join(beyond)}, which the bounding set does not: {', '.join(in_order(there)) or '-'}"
        )
