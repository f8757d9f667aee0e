"""What stands in the books at the start of a segment, told as a journal tells it: then the segments before may go.

Done by a process of its own beside the master (``python -m mesos_service.fairness.restating JOURNAL PLACES``), as it
reads a whole segment: the master would have to stop for it.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from mesos_service.core.effects import Told
from mesos_service.core.master.journal import Began, Carried, Decided
from mesos_service.domain.errors import MesosServiceError
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.fairness.replay import Replay
from mesos_service.fairness.segments import drafts, filters_in, segments, start_of
from mesos_service.fairness.spelling import Kinds, read, spell
from mesos_service.plugins.allocator import Quota
from mesos_service.plugins.loader import Place
from mesos_service.plugins.manifest import Manifest, read_manifest, written

log = logging.getLogger(__name__)

_NICENESS: Final = 10


def restate(replay: Replay) -> Iterator[Told]:
    """Whatever a new :class:`Replay` has to be told to know what this one knows; nothing where nothing has begun."""
    books = replay.books
    if books is None:
        return
    quotas = {Role(role): Quota(guarantees=one.guarantees, limits=one.limits) for role, one in books.quotas.items()}
    weights = {Role(role): weight for role, weight in books.weights.items()}
    options = replace(replay.options, weights=weights, quotas=quotas)
    yield Told("begin", Began(replay.allocator, options, replay.promises))
    yield Told("update_whitelist", (None if replay.whitelist is None else tuple(replay.whitelist),))
    for name, view in replay.frameworks.items():
        one = books.frameworks[name]
        shown = replace(view, roles=frozenset(map(Role, one.roles)), suppressed=frozenset(map(Role, one.suppressed)))
        yield Told("add_framework", (shown, {}, one.active))
    for name, agent in books.agents.items():
        number = agent.number if replay.numbered else None
        yield Told("add_agent", (replace(replay.agents[name], total=agent.total), {}, number))
        if not agent.active:
            yield Told("set_agent_active", (AgentId(name), False))
    yield Told(
        "carry",
        Carried(
            held=tuple(
                (FrameworkId(framework), Role(role), AgentId(agent), held, books.copies.get((framework, role, agent)))
                for (framework, role, agent), held in books.held.items()
            ),
            filters=tuple((one.framework, one.role, one.agent, one.refused, one.until) for one in books.filters),
            served=dict(books.served),
            left_out=tuple(books.left_out),
            missing=books.missing,
            waits_until=books.waits_until,
        ),
    )


def catch_up(path: Path, kinds: Kinds) -> None:
    """Write the starts that are missing: of all segments that follow a complete one. Reads what it needs for it.

    Where the start that it would begin with is gone, too, it begins with the next instance of an allocator.

    Raises:
        MesosServiceError: a line is not of a journal, or contradicts what came before.
        OSError: a file cannot be read or written.
    """
    _clear(path)
    replay: Replay | None = None
    for number, file in segments(path).items():
        start, following = start_of(path, number), start_of(path, number + 1)
        if following.exists():
            replay = None
            continue
        if replay is None:
            replay = Replay()
            if start.exists():
                _follow(replay, start, kinds)
        _follow(replay, file, kinds, passing_over=number > 1)
        if replay.books is not None:
            _write(following, restate(replay))


def _follow(replay: Replay, file: Path, kinds: Kinds, *, passing_over: bool = False) -> None:
    """With ``passing_over`` what comes before the first beginning is left out."""
    for _, told in read(file, kinds):
        if passing_over and replay.books is None and told.method != "begin":
            continue
        if isinstance(told.arguments, Decided):
            replay.book(told.arguments)
        elif told.method != "segment":
            replay.tell(told)


def _write(path: Path, told: Iterator[Told]) -> None:
    # The process of a master that was killed may still be at the same one.
    draft = path.with_name(f"{path.name}.{os.getpid()}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.writelines(map(spell, told))
        file.flush()
        # What it stands for is deleted as soon as it is there.
        os.fsync(file.fileno())
    draft.replace(path)


def _clear(path: Path) -> None:
    """Of processes that were ended."""
    for draft in drafts(path):
        draft.unlink(missing_ok=True)


class Restater:
    """Runs :func:`catch_up` in a process of its own, one at a time. ``places`` are where offer filters are."""

    def __init__(self, places: Sequence[Place] = ()) -> None:
        self._places = [written(one) if isinstance(one, Manifest) else str(Path(one).absolute()) for one in places]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, path: Path) -> None:
        """If one is still at it, it is left alone: the next one does all that is missing."""
        if self.is_busy():
            return
        # -P: what lies where the master was started comes before nothing.
        command = [sys.executable, "-P", "-m", __name__, str(path), *self._places]
        try:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        except OSError as error:
            log.warning("What stood before a segment of %s is not worked out: %s", path, error.strerror)

    def is_busy(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it; what is missing is done with the next segment."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()


def main() -> None:
    """The process: its arguments are the journal, and folders and manifests of offer filters."""
    os.nice(_NICENESS)
    path = Path(sys.argv[1])
    try:
        places = [read_manifest(one, "--modules") if one.startswith("{") else one for one in sys.argv[2:]]
        catch_up(path, filters_in(places))
    except (MesosServiceError, OSError) as error:
        sys.exit(f"What stood before a segment of {path} is not worked out: {error}")


if __name__ == "__main__":
    main()
