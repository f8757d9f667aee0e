"""Nothing leaves the agent before what it presumes is on disk (X05, X52).

Handlers decide as if writing took no time. What they decide to write goes out at once, as ``Checkpoint``; everything
else that the world could notice - a message, a launch, a signal, a stream - waits here until all that was decided
before it has been stored. The order stays what it was, so that nobody outside can tell, and after a crash the records
explain everything that anybody has ever seen. (Known in the literature as output commit: Elnozahy et al., "A survey of
rollback-recovery protocols in message-passing systems", 2002, section 2.4.)

The status of an executor's call does not wait, as it does not in Mesos: 202 says that the call was understood. That
its update is kept is said by ACKNOWLEDGED, which waits; until then the executor repeats it. An executor that sends one
call after the other would otherwise wait for the disk once for each of them.

While nothing is being written nothing waits, which is always so for frameworks that do not checkpoint.
"""

from __future__ import annotations

from mesos_service.core.agent.turn import Turn
from mesos_service.core.agent_messages import Checkpointed
from mesos_service.core.effects import AgentEffect, Checkpoint, Note, Reply, Span


def withhold(turn: Turn) -> list[AgentEffect]:
    """What may be done now of what this turn has decided; the rest is kept until it may."""
    state = turn.state
    if state.checkpointed == state.checkpoints:
        return turn.effects
    released: list[AgentEffect] = []
    for effect in turn.effects:
        if isinstance(effect, Checkpoint | Note | Reply | Span):
            released.append(effect)
        else:
            state.withheld.append((state.checkpoints, effect))
    return released


def on_checkpointed(turn: Turn, message: Checkpointed) -> list[AgentEffect]:
    """Everything up to this number is stored: what only waited for that goes out now."""
    state = turn.state
    state.checkpointed = max(state.checkpointed, message.number)
    released: list[AgentEffect] = []
    while state.withheld and state.withheld[0][0] <= state.checkpointed:
        released.append(state.withheld.popleft()[1])
    return released
