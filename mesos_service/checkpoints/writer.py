"""Writes checkpoints beside the loop: whatever comes up while one write is under way goes with the next (group commit).

A write that is stored when it returns takes a fraction of a millisecond on a good disk and tens of them on a bad one;
in a thread of its own that delays what waits for it and nothing else. Records become text in the loop's thread, while
the write before is under way: in the other they would fight for Python's lock with the loop that waits for them.
"""

from __future__ import annotations

import asyncio
import errno
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from mesos_service.checkpoints.files import MetaDirectory
from mesos_service.checkpoints.journal import Journal, line
from mesos_service.core.agent.records import AgentKept, Record, ResourcesKept
from mesos_service.core.agent_messages import Checkpointed
from mesos_service.domain.ids import AgentId

FULL_SECONDS_MAX: Final = 30.0
"""How long a full disk is waited for."""
_RETRY_SECONDS: Final = 0.5
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

log = logging.getLogger(__name__)


class CheckpointWriter:
    """Stores one agent's records in order; ``submit`` is told what is stored.

    ``snapshot`` gives everything that is to be kept now. ``failed`` is told once, in a sentence, that nothing can be
    stored any more: then nothing that waits for it will ever go out, and the agent had better end. ``defect`` is told
    of what ``submit`` raises.

    A journal is begun with the record that names the agent, as nothing is kept before.
    """

    def __init__(
        self,
        meta: MetaDirectory,
        snapshot: Callable[[], Sequence[Record]],
        submit: Callable[[Checkpointed], None],
        failed: Callable[[str], None],
        defect: Callable[[BaseException], None],
    ) -> None:
        self._meta = meta
        self._snapshot = snapshot
        self._submit = submit
        self._failed = failed
        self._defect = defect
        self._journal: Journal | None = None
        self._path = meta.path
        self._agent_id: AgentId | None = None
        """Whose the records are, once one has said so."""
        self._batch: list[bytes] = []
        self._number = 0
        self._resources: bytes | None = None
        """The last record of resources, while it is not stored apart from the agent's own records."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="checkpoints")
        self._writing: asyncio.Task[None] | None = None
        self._given_up = False

    def begin(self, path: Path, records: Sequence[Record]) -> None:
        """Go on with the journal of an earlier agent, written anew with what is still to be kept. Blocks.

        Raises:
            OSError: it cannot be written.
        """
        self._path = path
        journal = Journal(path)
        journal.rewrite([line(record) for record in records])
        self._journal = journal

    def store(self, number: int, record: Record) -> None:
        """Answered by ``Checkpointed``, once for all that was written together."""
        if isinstance(record, AgentKept):
            self._agent_id = record.info.agent_id
        if isinstance(record, ResourcesKept):
            self._resources = line(ResourcesKept(record.made, record.doomed))
        self._batch.append(line(record))
        self._number = number
        self._begin_writing()

    async def finish(self) -> None:
        """Wait until everything is stored, and let go of the file."""
        while self._writing is not None:
            await asyncio.wait((self._writing,))
        self._thread.shutdown()
        if self._journal is not None:
            self._journal.close()

    def _begin_writing(self) -> None:
        if self._writing is None and self._batch and not self._given_up:
            self._writing = asyncio.get_running_loop().create_task(self._write())
            self._writing.add_done_callback(self._written)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing = None
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._given_up = True
            self._defect(error)
        # Something may have come up since it had a last look.
        self._begin_writing()

    async def _write(self) -> None:
        while self._batch:
            batch, self._batch = self._batch, []
            number = self._number
            if not await self._stored(batch):
                self._given_up = True
                return
            self._submit(Checkpointed(number))

    async def _stored(self, batch: Sequence[bytes]) -> bool:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FULL_SECONDS_MAX
        told = False
        # Taken here, where nothing more has been decided than the batch and what was written before it.
        anew = self._snapshot() if self._journal is not None and self._journal.is_long else None
        if anew is not None and self._journal is not None and not self._journal.is_worth_rewriting(len(anew)):
            anew = None
        resources, self._resources = self._resources, None
        while True:
            try:
                await loop.run_in_executor(self._thread, self._put, batch, anew, resources)
            except OSError as error:
                why = f"Cannot write checkpoints to {self._path}: {error.strerror}"
                if error.errno not in _FULL or loop.time() >= deadline:
                    self._failed(f"{why}. Tasks run on; start the agent again when that is mended")
                    return False
                if not told:
                    told = True
                    log.error("%s. Nothing is told or started until there is room", why)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                if told:
                    log.info("Checkpoints are written again to %s", self._path)
                return True

    def _put(self, batch: Sequence[bytes], anew: Sequence[Record] | None, resources: bytes | None) -> None:
        if resources is not None:
            self._meta.keep_resources(resources)
        if anew is not None and self._journal is not None:
            self._journal.rewrite([line(record) for record in anew])
        elif self._journal is not None:
            self._journal.append(batch)
        else:
            assert self._agent_id is not None, "nothing is kept before an agent has its id"
            self._path = self._meta.begin(self._agent_id)
            journal = Journal(self._path)
            journal.rewrite(batch)
            self._meta.choose(self._agent_id)
            self._journal = journal
