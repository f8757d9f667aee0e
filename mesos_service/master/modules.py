"""The modules that a master's flags name: made at its start, and made anew when their files have changed (N09)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mesos_service.core.master.guard import Guard, MadeOf
from mesos_service.core.master.journal import Journaled, JournaledFollowed
from mesos_service.core.master.shadow import Followed, Shadow, shadow_of
from mesos_service.core.master.shielding import shielded
from mesos_service.core.master.state import MasterState
from mesos_service.core.messages import NewAllocator, ReplaceModules
from mesos_service.core.watch import OutOfTime, Unwatched, Watch
from mesos_service.domain.errors import ConfigurationError
from mesos_service.master.config import MasterConfig
from mesos_service.master.trial import Candidate
from mesos_service.plugins.allocator import Allocator, AllocatorOptions
from mesos_service.plugins.loader import (
    ALLOCATORS,
    OFFER_FILTERS,
    Kind,
    content,
    content_of,
    found,
    is_builtin,
    load,
    parameters_of,
    read_config,
)
from mesos_service.plugins.offer_filter import OfferFilter

log = logging.getLogger(__name__)

M = TypeVar("M", Allocator, OfferFilter)


def make_allocator(config: MasterConfig, watch: Watch | None = None) -> Guard:
    """The allocator that ``--allocator`` names, and the one that ``--shadow_allocator`` does beside it.

    Raises:
        ConfigurationError: it is not there, or is not what an allocator has to be.
    """
    watching = watch or Unwatched()
    kind = load(ALLOCATORS, config.allocator, config.modules_dirs())
    module, made_of = _make(config, kind, config.allocator, watching)
    shadow = config.shadow_kind()
    journaled = config.allocation_journal is not None
    if shadow is None:
        return (Journaled if journaled else Guard)(module, watch, made_of)
    follower, follower_made_of = _make(config, shadow, config.shadow_allocator or "", watching)
    beside = Shadow(Guard(follower, watch, follower_made_of))
    return (JournaledFollowed if journaled else Followed)(module, beside, watch, made_of)


def _make(config: MasterConfig, kind: type[Allocator], name: str, watch: Watch) -> tuple[Allocator, MadeOf]:
    domain = config.fault_domain()
    options = AllocatorOptions(
        allocation_interval_seconds=config.options().allocation_interval_seconds,
        min_allocatable=config.min_allocatable(),
        fair_sharing_excluded=config.fair_sharing_excluded(),
        weights=config.role_weights(),
        role_sorter=config.role_sorter,
        framework_sorter=config.framework_sorter,
        filter_gpu_resources=config.filter_gpu_resources,
        lift_unanimous_refusals=config.lift_unanimous_refusals,
        region=None if domain is None else domain.region,
        short_slice=config.short_slice,
        recovery_agents_share=config.allocator_agent_recovery_factor,
        recovery_seconds=config.allocator_recovery_timeout.seconds,
    )
    own = read_config(kind, parameters_of(name, config.modules_dirs()))
    watch.begin()
    try:
        try:
            shown = options if is_builtin(kind) else shielded(options)
            made = kind(shown, own)
            if not hasattr(made, "options"):
                Allocator.__init__(made, shown, own)  # it has not called its base, whose methods look there
        finally:
            watch.end()
    except ConfigurationError:
        raise
    except OutOfTime as late:
        said = f"__init__() did not come back within {watch.limit_seconds:g} s"
        raise ConfigurationError(f"The allocator '{name}' cannot be made: {said}.") from late
    except (Exception, SystemExit, GeneratorExit) as failure:
        said = f"__init__() raised {type(failure).__name__}: {failure}"
        raise ConfigurationError(f"The allocator '{name}' cannot be made: {said}.") from failure
    return made, (options, own)


def changed(config: MasterConfig, state: MasterState) -> list[Candidate]:
    """The modules whose files no longer hold what those that run were made of. Reads files, and imports nothing.

    Raises:
        ConfigurationError: one cannot be read.
    """
    shadow = shadow_of(state)
    named: list[tuple[Kind[Any], str, type[Any] | None]] = [  # Any: modules of both kinds
        (ALLOCATORS, config.allocator, type(state.allocator.module))
    ]
    if shadow is not None:
        named.append((ALLOCATORS, config.shadow_allocator or "", type(shadow.guard.module)))
    filters = state.options.offer_filters
    named += [(OFFER_FILTERS, name, filters.get(name)) for name in config.filter_names()]
    candidates: list[Candidate] = []
    for kind, name, module_class in named:
        listed = found(kind, name, config.modules_dirs())
        if listed is None:
            continue
        try:
            now = content(listed.file)
        except OSError as failure:
            said = f"The {kind.singular} '{name}' in {listed.file} cannot be read: {failure}."
            raise ConfigurationError(said) from failure
        candidate = Candidate(kind, listed, now)
        if (module_class is None or content_of(module_class) != now) and candidate not in candidates:
            candidates.append(candidate)
    return candidates


def reload(
    config: MasterConfig,
    watch: Watch,
    state: MasterState,
    tell: Callable[[ReplaceModules], object],
    tried: Sequence[Candidate],
) -> bool:
    """Read the files of modules again, and have those that have changed take the place of what runs.

    ``tried`` are those that are fit for it, as they were when they were tried. Whether there was anything new. What
    cannot be loaded or made changes nothing, not even what was right beside it.

    Raises:
        ConfigurationError: as :func:`make_allocator`; and where a file has changed once more since.
    """
    config.load_modules(watch)
    shadow = shadow_of(state)
    wanted = (None if shadow is None else shadow.guard, config.shadow_allocator or "")
    made: list[NewAllocator | None] = []
    for guard, name in ((state.allocator, config.allocator), wanted):
        new = None
        if guard is not None:
            kind = _tried(load(ALLOCATORS, name, config.modules_dirs()), type(guard.module), tried)
            if kind is not type(guard.module):
                module, (_, own) = _make(config, kind, name, watch)
                new = NewAllocator(module, own)
        made.append(new)
    before = state.options.offer_filters
    filters = {name: _tried(kind, before.get(name), tried) for name, kind in config.filter_modules().items()}
    if made == [None, None] and filters == before:
        return False
    tell(ReplaceModules(allocator=made[0], shadow=made[1], offer_filters=filters))
    return True


def _tried(kind: type[M], running: type[M] | None, tried: Sequence[Candidate]) -> type[M]:
    """``kind``, or the one that runs where both were made of the same."""
    now = content_of(kind)
    if running is not None and (kind is running or (now is not None and now == content_of(running))):
        return running
    # Of an installed package that came into the configuration there is no file to be tried.
    if now is not None and now not in {one.content for one in tried}:
        raise ConfigurationError(
            f"The file of the module '{getattr(kind, 'name', kind.__name__)}' was changed once more while it was tried."
        )
    return kind
