"""What an agent before this one wrote down, if this one may go on with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mesos_service.checkpoints import journal
from mesos_service.checkpoints.files import MetaDirectory
from mesos_service.core.agent.reconfiguration import refuse_reconfiguration
from mesos_service.core.agent.records import Record
from mesos_service.core.agent.replay import kept_agent, kept_resources
from mesos_service.domain.agents import AgentInfo
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.operations import with_made
from mesos_service.domain.resources import ResourcesError

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeptState:
    """``journal`` is ``None`` for an agent that begins anew."""

    meta: MetaDirectory
    journal: Path | None
    records: Sequence[Record]
    machine_restarted: bool
    corrupt_lines: int = 0
    """Records that were left out (``--no-strict``)."""


def open_kept(work_dir: Path, info: AgentInfo, strict: bool, policy: str | None) -> KeptState:
    """Read what there is, for an agent that describes itself as ``info``. The directory is this agent's from here on.

    ``policy`` is ``--reconfiguration_policy``; ``None`` lets it be whatever it is, to clean up.

    Raises:
        ConfigurationError: the directory is another agent's, a file in it cannot be used, or this agent is not what
            it was and ``policy`` does not let it be. Says what to do, and leaves all as it is.
    """
    meta = MetaDirectory(work_dir)
    try:
        return _read(meta, info, strict, policy)
    except OSError as error:
        meta.close()
        raise ConfigurationError(f"Cannot read the checkpoints in {meta.path}: {error}") from error
    except ConfigurationError:
        meta.close()
        raise


def _read(meta: MetaDirectory, info: AgentInfo, strict: bool, policy: str | None) -> KeptState:
    path = meta.journal_of_latest()
    if path is None:
        # What was made of resources is no agent's own, but the place's (as in Mesos).
        records = journal.read(meta.resources, strict).records if meta.resources.exists() else ()
        _see_to_resources(meta, info, records)
        return KeptState(meta, None, records, meta.machine_restarted())
    content = journal.read(path, strict)
    if content.corrupt_lines:
        log.error("%d records of %s are corrupt and left out (--no-strict)", content.corrupt_lines, path)
    if content.torn_bytes:
        log.warning("The last record of %s was being written when the agent died, and is left out", path)
    before = kept_agent(content.records)
    if before is None:
        raise ConfigurationError(
            f"Checkpoint {path} does not say whose it is. Remove {meta.latest} to come back as a new agent"
        )
    refusal = None if policy is None else refuse_reconfiguration(before, info, additive=policy == "additive")
    if refusal is not None:
        raise ConfigurationError(
            f"This agent cannot go on as {before.agent_id}: {refusal}, and --reconfiguration_policy={policy} does not"
            " allow that. Start it as it was, or with --recover=cleanup to end what it runs; or remove"
            f" {meta.latest} to come back as a new agent, which ends that too"
        )
    _see_to_resources(meta, info, content.records)
    return KeptState(meta, path, content.records, meta.machine_restarted(), content.corrupt_lines)


def _see_to_resources(meta: MetaDirectory, info: AgentInfo, records: Sequence[Record]) -> None:
    made = kept_resources(records)
    try:
        with_made(info.resources, made)
    except ResourcesError as short:
        raise ConfigurationError(
            f"--resources must have what was reserved here or made a volume of: {short}. Start the agent as it was, and"
            f" destroy and unreserve first; or remove {meta.resources} and {meta.latest} to come back as a new agent"
            f" without reservations"
        ) from short
