"""Makes a framework's standing filters of what it asked for: ``offer_filters`` by name, and ``offer_constraints``.

What cannot be made is refused before anything changes; of a framework that the registry remembers, and whose filter
this master does not have, nothing stands until it subscribes, and is refused then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import replace
from typing import Final

from mesos_service.core.master.state import Framework, MasterOptions
from mesos_service.core.watch import OutOfTime, Unwatched, Watch
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.frameworks import FilterSpec, FrameworkInfo
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.loader import is_builtin, read_config
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto

CONSTRAINTS: Final = "attribute_constraints"
"""The module that ``offer_constraints`` are for."""
FILTERS_MAX: Final = 16
"""In one role: each is asked about every agent."""
CONSTRAINTS_MAX: Final = 1000
"""Of a framework in all its roles: a pattern takes a fifth of a millisecond to read, and everybody waits meanwhile."""

REST_SECONDS: Final = 60.0
"""A built-in filter that did not come back twice is asked nothing for so long, then for twice as long each time."""
REST_SECONDS_MAX: Final = 3600.0
DOUBLINGS_MAX: Final = 16
"""More do not lengthen a rest, and a thousand would be too much for a number."""

Built = Mapping[Role, tuple[OfferFilter, ...]]


def refuse(info: FrameworkInfo, options: MasterOptions) -> str | None:
    """Why the filters of ``info`` cannot stand, or ``None``."""
    for role in (*info.filters, *sorted(info.short_tasks), *info.constraints.by_role):
        if role not in info.roles:
            return f"Filters name role '{role}', which is not among the framework's"
    try:
        build(info, options)
    except ConfigurationError as error:
        return str(error)
    return None


def build(info: FrameworkInfo, options: MasterOptions) -> Built:
    """Raises :class:`ConfigurationError` with a sentence."""
    specs: dict[Role, list[FilterSpec]] = {role: list(listed) for role, listed in info.filters.items()}
    for role, parameters in info.constraints.by_role.items():
        specs.setdefault(role, []).append(FilterSpec(CONSTRAINTS, parameters))
    constraints = sum(_constraints_in(spec) for listed in specs.values() for spec in listed)
    if constraints > CONSTRAINTS_MAX:
        raise ConfigurationError(f"There are {constraints} offer constraints; at most {CONSTRAINTS_MAX} may stand.")
    built: dict[Role, tuple[OfferFilter, ...]] = {}
    for role, listed in specs.items():
        if len(listed) > FILTERS_MAX:
            raise ConfigurationError(f"Role '{role}' has {len(listed)} filters; at most {FILTERS_MAX} may stand.")
        built[role] = tuple(make(spec, options.offer_filters, options.watch, options.hung_filters) for spec in listed)
    return built


def of(framework: Framework, options: MasterOptions) -> Built:
    """The filters that stand for ``framework``: the same objects as long as it does not say otherwise."""
    info = framework.info
    asked = (info.filters, info.constraints)
    if framework.filters_asked != asked:
        framework.filters_asked = asked
        try:
            framework.filters = build(info, options)
        except ConfigurationError:
            framework.filters = {}
    return framework.filters


def named(info: FrameworkInfo) -> set[str]:
    """The modules that ``info`` asks for."""
    names = {spec.name for listed in info.filters.values() for spec in listed}
    return names | ({CONSTRAINTS} if info.constraints.by_role else set())


def with_kinds(options: MasterOptions, kinds: Mapping[str, type[OfferFilter]]) -> MasterOptions:
    """From now on these are the modules there are; those that hung and are no longer among them are forgotten."""
    for kind in set(options.hung_filters).difference(kinds.values()):
        del options.hung_filters[kind]
    return replace(options, offer_filters=kinds)


def renew(framework: Framework, options: MasterOptions) -> str | None:
    """Make its filters anew of the modules there are now. Why that cannot be, or ``None``; then what stood stands."""
    try:
        framework.filters = build(framework.info, options)
    except ConfigurationError as error:
        return str(error)
    framework.filters_asked = (framework.info.filters, framework.info.constraints)
    return None


def constraints(framework: Framework, role: Role, options: MasterOptions) -> Sequence[OfferFilter]:
    """What keeps agents away from ``framework`` in ``role``, whatever is free there (M-AL-14)."""
    return [one for one in of(framework, options).get(role, ()) if _is_of_constraints(one)]


def _constraints_in(spec: FilterSpec) -> int:
    """How many there are, of parameters that nobody has looked at yet."""
    groups = spec.parameters.get("groups") if spec.name == CONSTRAINTS else None
    if not isinstance(groups, list | tuple):
        return 0
    listed = [group.get("attribute_constraints") for group in groups if isinstance(group, Mapping)]
    return len(groups) - len(listed) + sum(len(one) if isinstance(one, list | tuple) else 1 for one in listed)


def _is_of_constraints(one: OfferFilter) -> bool:
    return isinstance(one, Guarded) and one.module == CONSTRAINTS


def make(
    spec: FilterSpec,
    kinds: Mapping[str, type[OfferFilter]],
    watch: Watch | None = None,
    hung: MutableMapping[type[OfferFilter], str] | None = None,
) -> OfferFilter:
    """The filter that ``spec`` asks for, of the modules there are; raises :class:`ConfigurationError`.

    ``hung`` are those of which a method did not come back, and which. They are not tried again, since everybody waits
    as long as that takes, and whoever subscribes could ask for it as often as he likes. Built-in ones are never among
    them: each piece of theirs takes bounded time, so that it was the machine that stood still.
    """
    watch = watch or Unwatched()
    hung = {} if hung is None else hung
    kind = kinds.get(spec.name)
    if kind is None:
        names = ", ".join(sorted(kinds)) or "none"
        raise ConfigurationError(f"There is no offer filter '{spec.name}' (--offer_filters); available are: {names}.")
    if kind in hung:
        said = f"its {hung[kind]}() did not come back before; it is not tried again until its file has changed"
        raise ConfigurationError(f"The offer filter '{spec.name}' cannot be made: {said}.")
    watch.begin()
    try:
        try:
            made = kind(read_config(kind, spec.parameters))
        finally:
            watch.end()
        guarded = Guarded(spec.name, made, spec.parameters)
        guarded.kinds_hung = hung
        return guarded
    except ConfigurationError:
        raise
    except OutOfTime as late:
        if not is_builtin(kind):
            hung[kind] = "__init__"
        said = f"it did not come back within {watch.limit_seconds:g} s"
        raise ConfigurationError(f"The offer filter '{spec.name}' cannot be made: {said}.") from late
    except BaseException as failure:
        # A module's own code may raise anything; whatever it is, the framework is refused with it.
        said = f"{type(failure).__name__}: {failure}"
        raise ConfigurationError(f"The offer filter '{spec.name}' cannot be made: {said}.") from failure


class Guarded(OfferFilter):
    """A filter whose failures are answers: it then keeps the agent away, and explain says why."""

    name = "guarded"

    def __init__(self, module: str, filter_: OfferFilter, parameters: Mapping[str, object] | None = None) -> None:
        super().__init__(None)
        self.module = module
        self.parameters: Mapping[str, object] = parameters or {}
        """As the framework sent them."""
        self._filter = filter_
        self.kinds_hung: MutableMapping[type[OfferFilter], str] = {}
        self._own = is_builtin(type(filter_))
        self._hung = ""
        """The method that did not come back, while nothing is asked."""
        self._times = 0
        """How often a built-in one did not come back."""
        self._now = 0.0
        """The latest time that anybody has named, unix seconds; 0 before the first pass."""
        self._rests_until = 0.0

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        self._wake(now)
        return self._verdict("about_agent", lambda: self._filter.about_agent(agent, now))

    def about_free(self, free: Resources) -> Veto | None:
        return self._verdict("about_free", lambda: self._filter.about_free(free))

    def changes_at(self, now: float) -> float | None:
        self._wake(now)
        if self._hung:
            return self._rests_until if self._own else None
        try:
            at = self._filter.changes_at(now)
        except OutOfTime as late:
            self._hang("changes_at", late)
            raise
        except BaseException:  # noqa: BLE001 - a module's own code; what it said of agents stands, and that it fails shows there
            return None
        # Any other answer, and not a number that is none, is no time.
        return at if isinstance(at, int | float) and at == at else None

    def _verdict(self, method: str, ask: Callable[[], object]) -> Veto | None:
        if self._hung:
            return self._failed(self._hung, "it did not come back")
        try:
            veto = ask()
        except OutOfTime as late:
            self._hang(method, late)
            raise
        except BaseException as failure:  # noqa: BLE001 - a module's own code; what it raised is the answer
            return self._failed(method, f"{type(failure).__name__}: {failure}")
        if veto is None or isinstance(veto, Veto):
            return veto
        return self._failed(method, f"it returned a {type(veto).__name__}, which is no verdict")

    def _hang(self, method: str, late: OutOfTime) -> None:
        """It is not asked again: whoever asked it has to begin anew, and must come further this time.

        Of a built-in one the first time is nobody's fault: a machine that stands still looks the same from here.
        """
        late.culprit = f"the offer filter '{self.module}' in {method}()"
        if not self._own:
            self._hung = method
            self.kinds_hung[type(self._filter)] = method
            return
        self._times += 1
        self._rests_until = self._now
        if self._times > 1:
            self._hung = method
            self._rests_until += min(REST_SECONDS_MAX, REST_SECONDS * 2.0 ** min(self._times - 2, DOUBLINGS_MAX))

    def _wake(self, now: float) -> None:
        """A built-in one that has rested is asked again, and forgiven when it has long come back."""
        if now > self._now:
            if not self._now:
                # Nobody had named a time before: an allocator that is told anew has none until its first pass.
                self._rests_until += now
            self._now = now
        if not self._own or not self._times or self._now < self._rests_until:
            return
        self._hung = ""
        if self._now >= self._rests_until + REST_SECONDS_MAX:
            self._times = 0

    def _failed(self, method: str, said: str) -> Veto:
        return filtered(self.module, f"The module failed in {method}(): {said}.")
