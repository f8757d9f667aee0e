"""The framework of the fault tests, a process of its own: keeps agents full of tasks, and a journal of all it is told.

``python -m tests.faults.load --master A:P,B:P --journal FILE --truth DIRECTORY``. Started again after a kill it goes on
with the framework id of its journal, and asks what became of its tasks. Once the file ``JOURNAL.end`` is there it winds
down: no launches any more, lasting tasks are killed, and it ends when all have ended.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from mesos_service.domain.resources import Resources
from mesos_service.sdk import CallRefused, NotConnected, Scheduler, available, launch, take, task
from mesos_service.wire import scheduler as wire
from mesos_service.wire.agents import MasterInfo
from mesos_service.wire.common import FrameworkID
from mesos_service.wire.encode import encode_message
from mesos_service.wire.offers import Offer
from mesos_service.wire.tasks import TaskInfo, TaskStatus
from tests.faults.facts import (
    Accepted,
    Acknowledged,
    Asked,
    Disconnected,
    Done,
    Journal,
    Killing,
    Launching,
    Refused,
    Subscribed,
    Updated,
    now,
    script,
)

NEEDS: Final = Resources.parse("cpus:1;mem:32")
SILENCE_SECONDS: Final = 1.0
"""A task not heard of for so long is asked about."""
ENDS: Final = (0, 0, 0, 1, 7, 42, -9, -15)
"""How short tasks end: exit statuses, and signals that they send themselves."""


@dataclass
class _Known:
    """One task that has not ended yet, as far as it was told."""

    agent_id: str
    lasting: bool
    heard_at: float


@dataclass(frozen=True)
class Death:
    """Be killed within the ACCEPT of the task of that number, with a share of it sent, of 0 to 1."""

    after_tasks: int
    share: float


class Load(Scheduler):
    """Uses every cpu it is offered: on each agent one task that lasts, the others short and of known ends."""

    def __init__(self, master: str, journal: Path, truth: Path, *, seed: int, death: Death | None) -> None:
        super().__init__("load", master, acknowledge_automatically=False)
        self._journal = Journal(journal)
        self._end_wanted = journal.with_suffix(".end")
        self._truth = truth
        self._random = random.Random(f"{seed} {os.getpid()}")
        self._death = death
        self._known: dict[str, _Known] = {}
        self._winding_down = asyncio.Event()
        self._number = 0
        self._recover()
        if death is not None and self._number >= death.after_tasks:
            self._death = None

    def _recover(self) -> None:
        """Go on where the journal ends."""
        for fact in self._journal.facts():
            if isinstance(fact, Subscribed):
                self.framework_info = msgspec.structs.replace(
                    self.framework_info, id=FrameworkID(value=fact.framework_id)
                )
            elif isinstance(fact, Launching):
                self._number += 1
                self._known[fact.task_id] = _Known(fact.agent_id, fact.lasting, heard_at=0.0)
            elif isinstance(fact, Refused):
                self._forget(fact.task_ids)
            elif isinstance(fact, Updated) and fact.final:
                self._known.pop(fact.task_id, None)

    def _forget(self, task_ids: Sequence[str]) -> None:
        for task_id in task_ids:
            self._known.pop(task_id, None)

    # -- events ----------------------------------------------------------------------------------------------
    async def subscribed(self, framework_id: str, master: MasterInfo | None) -> None:
        self._journal.write(Subscribed(at=now(), framework_id=framework_id, master=self.master or ""))
        if self._winding_down.is_set():
            await self._kill_lasting()
        await self._ask(tuple(self._known))

    async def disconnected(self, reason: str) -> None:
        self._journal.write(Disconnected(at=now(), reason=reason))

    async def offers(self, offers: Sequence[Offer]) -> None:
        for offer in offers:
            infos = [] if self._winding_down.is_set() else self._plan(offer)
            if not infos:
                await self.decline(offer, refuse_seconds=0.1)
                continue
            ids = tuple(info.task_id.value for info in infos)
            try:
                await self._launch(offer, infos)
            except CallRefused as refusal:
                self._journal.write(Refused(at=now(), task_ids=ids, why=str(refusal)))
                self._forget(ids)
            else:
                self._journal.write(Accepted(at=now(), task_ids=ids))

    async def update(self, status: TaskStatus) -> None:
        task_id = status.task_id.value
        uuid = "" if status.uuid is None else status.uuid.hex()
        update = Updated(
            at=now(),
            task_id=task_id,
            state=status.state,
            uuid=uuid,
            agent_id=status.agent_id.value if status.agent_id else "",
            message=status.message or "",
            reason=status.reason or "",
        )
        self._journal.write(update)
        known = self._known.get(task_id)
        if known is not None:
            known.heard_at = now()
            if update.final:
                del self._known[task_id]
        if uuid:
            await self.acknowledge(status)
            self._journal.write(Acknowledged(at=now(), task_id=task_id, state=status.state, uuid=uuid))
        self._finish_if_done()

    # -- launching -------------------------------------------------------------------------------------------
    def _plan(self, offer: Offer) -> list[TaskInfo]:
        held, infos = available(offer), []
        agent_id = offer.agent_id.value
        while (part := take(held, NEEDS)) is not None:
            held -= part
            lasting = not any(one.lasting and one.agent_id == agent_id for one in self._known.values())
            self._number += 1
            task_id = f"{'lasting' if lasting else 'short'}-{self._number}"
            seconds = None if lasting else self._random.uniform(0.1, 1.0)
            infos.append(task(task_id, offer, part, script(self._truth, task_id, seconds, self._random.choice(ENDS))))
            self._known[task_id] = _Known(agent_id, lasting, heard_at=now())
            self._journal.write(Launching(at=now(), task_id=task_id, agent_id=agent_id, cpus=1.0, lasting=lasting))
        return infos

    async def _launch(self, offer: Offer, infos: Sequence[TaskInfo]) -> None:
        if self._death is not None and self._number >= self._death.after_tasks:
            self._send_a_part_and_die(offer, infos, self._death.share)
        await self.launch(offer, *infos, refuse_seconds=0.1)

    def _send_a_part_and_die(self, offer: Offer, infos: Sequence[TaskInfo], share: float) -> None:
        """A blocking send, so that nothing else happens between it and the end."""
        assert self._subscription is not None and self.master is not None
        accept = wire.CallAccept(offer_ids=(offer.id,), operations=(launch(*infos),))
        body = encode_message(wire.Call(framework_id=self.framework_info.id, type="ACCEPT", accept=accept))
        head = (
            f"POST /api/v1/scheduler HTTP/1.1\r\nHost: {self.master}\r\nContent-Type: application/json\r\n"
            f"Mesos-Stream-Id: {self._subscription.stream_id}\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        request = head.encode() + body
        host, _, port = self.master.rpartition(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(request[: int(len(request) * share)])
            os.kill(os.getpid(), signal.SIGKILL)

    # -- reconciliation and the end --------------------------------------------------------------------------
    async def _ask(self, task_ids: Sequence[str]) -> None:
        if task_ids:
            self._journal.write(Asked(at=now(), task_ids=tuple(task_ids)))
            await self.reconcile(*((task_id, self._known[task_id].agent_id) for task_id in task_ids))

    async def look_after(self) -> None:
        """Ask about tasks that were not heard of for a while, for as long as the framework runs."""
        while True:
            await asyncio.sleep(SILENCE_SECONDS / 4)
            if self._end_wanted.exists():
                self._winding_down.set()
                self._finish_if_done()
            silent = [key for key, one in self._known.items() if now() - one.heard_at > SILENCE_SECONDS]
            for task_id in silent:
                self._known[task_id].heard_at = now()
            try:
                await self._ask(silent)
                if self._winding_down.is_set():
                    await self._kill_lasting()
            except (NotConnected, CallRefused) as fault:
                logging.info("not asked: %s", fault)

    async def _kill_lasting(self) -> None:
        """Again and again, as a kill may be lost on its way like any call."""
        for task_id, one in tuple(self._known.items()):
            if one.lasting:
                self._journal.write(Killing(at=now(), task_id=task_id))
                await self.kill(task_id, one.agent_id, grace_seconds=0.5)

    def _finish_if_done(self) -> None:
        if self._winding_down.is_set() and not self._known:
            self._journal.write(Done(at=now()))
            self.stop()


async def _run(arguments: argparse.Namespace) -> None:
    load = Load(
        arguments.master,
        arguments.journal,
        arguments.truth,
        seed=arguments.seed,
        death=None if arguments.die_in_accept is None else Death(arguments.die_after, arguments.die_in_accept),
    )
    care = asyncio.create_task(load.look_after())
    try:
        await load.run()
    finally:
        care.cancel()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--master", required=True)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--truth", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--die-in-accept", type=float, default=None, help="be killed with such a share of an ACCEPT sent"
    )
    parser.add_argument("--die-after", type=int, default=20, help="... once so many tasks were launched")
    arguments = parser.parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s")
    asyncio.run(_run(arguments))


if __name__ == "__main__":
    main()
