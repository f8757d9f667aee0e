"""Makes a framework's standing filters of what it asked for: ``offer_filters`` by name, and ``offer_constraints``.

What cannot be made is refused before anything changes; of a framework that the registry remembers, and whose filter
this master does not have, nothing stands until it subscribes, and is refused then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from mesos_service.core.master.state import Framework, MasterOptions
from mesos_service.core.watch import OutOfTime
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.frameworks import FilterSpec, FrameworkInfo
from mesos_service.domain.ids import Role
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import AgentView
from mesos_service.plugins.loader import read_config
from mesos_service.plugins.offer_filter import OfferFilter, filtered
from mesos_service.plugins.verdict import Veto

CONSTRAINTS: Final = "attribute_constraints"
"""The module that ``offer_constraints`` are for."""
FILTERS_MAX: Final = 16
"""In one role: each is asked about every agent."""

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
    built: dict[Role, tuple[OfferFilter, ...]] = {}
    for role, listed in specs.items():
        if len(listed) > FILTERS_MAX:
            raise ConfigurationError(f"Role '{role}' has {len(listed)} filters; at most {FILTERS_MAX} may stand.")
        built[role] = tuple(make(spec, options.offer_filters) for spec in listed)
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


def constraints(framework: Framework, role: Role, options: MasterOptions) -> Sequence[OfferFilter]:
    """What keeps agents away from ``framework`` in ``role``, whatever is free there (M-AL-14)."""
    return [one for one in of(framework, options).get(role, ()) if _is_of_constraints(one)]


def _is_of_constraints(one: OfferFilter) -> bool:
    return isinstance(one, Guarded) and one.module == CONSTRAINTS


def make(spec: FilterSpec, kinds: Mapping[str, type[OfferFilter]]) -> OfferFilter:
    """The filter that ``spec`` asks for, of the modules there are; raises :class:`ConfigurationError`."""
    kind = kinds.get(spec.name)
    if kind is None:
        names = ", ".join(sorted(kinds)) or "none"
        raise ConfigurationError(f"There is no offer filter '{spec.name}' (--offer_filters); available are: {names}.")
    config = read_config(kind, spec.parameters)
    try:
        return Guarded(spec.name, kind(config), spec.parameters)
    except Exception as failure:
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
        self._hung = ""
        """The method that did not come back."""

    def about_agent(self, agent: AgentView, now: float) -> Veto | None:
        return self._verdict("about_agent", lambda: self._filter.about_agent(agent, now))

    def about_free(self, free: Resources) -> Veto | None:
        return self._verdict("about_free", lambda: self._filter.about_free(free))

    def changes_at(self, now: float) -> float | None:
        if self._hung:
            return None
        try:
            at = self._filter.changes_at(now)
        except OutOfTime as late:
            self._hang("changes_at", late)
            raise
        except Exception:  # noqa: BLE001 - a module's own code; what it said of agents stands, and that it fails shows there
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
        except Exception as failure:  # noqa: BLE001 - a module's own code; what it raised is the answer
            return self._failed(method, f"{type(failure).__name__}: {failure}")
        if veto is None or isinstance(veto, Veto):
            return veto
        return self._failed(method, f"it returned a {type(veto).__name__}, which is no verdict")

    def _hang(self, method: str, late: OutOfTime) -> None:
        """It is not asked again: whoever asked it has to begin anew, and must come further this time."""
        self._hung = method
        late.culprit = f"the offer filter '{self.module}' in {method}()"

    def _failed(self, method: str, said: str) -> Veto:
        return filtered(self.module, f"The module failed in {method}(): {said}.")
