"""Between the master and an allocator module: whatever the module does, the master goes on (N09).

A call that raises, that returns what it must not, or that does not come back costs the module its books, not the
master: nobody knows any more what stands in them. From then on the module is told nothing, and grants nothing; what
runs and what is offered goes on by the master's own books. ``rebuilding`` makes a new instance and tells it all that
is so, at once after the first failure, and later and later after those that follow.

What the module is handed is for reading only (``shielding``), and it cannot end the process, as by ``sys.exit()``.
What a built-in module raises as :class:`InvariantBroken` is our own mistake, and passes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from mesos_service.core.master.forwarding import Forwarding
from mesos_service.core.master.shielding import shielded
from mesos_service.core.watch import OutOfTime, Unwatched, Watch
from mesos_service.domain.errors import InvariantBroken
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import AgentId, FrameworkId, Role
from mesos_service.domain.randomness import RandomSource
from mesos_service.domain.resources import Resources
from mesos_service.plugins.allocator import Allocator, AllocatorOptions, Grant, Observer
from mesos_service.plugins.loader import is_builtin
from mesos_service.plugins.revocation import Revocation, Situation

T = TypeVar("T")

MadeOf = tuple[AllocatorOptions, Any]  # Any: a module's own configuration


@dataclass(frozen=True, slots=True)
class Failure:
    """What a module did wrong. ``broken``: it is told nothing more until it is made anew; else it was only slow."""

    method: str
    error: str
    broken: bool = True


class Guard(Forwarding):
    """Speaks to ``module`` like the master, and to the master like a module that never fails."""

    def __init__(self, module: Allocator, watch: Watch | None = None, made_of: MadeOf | None = None) -> None:
        """``made_of``: of what the module was made, where what it keeps by these names is not to be relied on."""
        super().__init__(*(made_of or (module.options, module.config)))
        # The name is the module's, whose class has it.
        self.name = module.name  # type: ignore[misc]
        self.module = module
        self.own = is_builtin(type(module))
        """Whether it is one of ours."""
        self.broken = False
        self.failures: list[Failure] = []
        """What has not been told yet."""
        self.failed_at: float | None = None
        """When it failed last, unix seconds; and since when ``attempts`` counts."""
        self.defects = 0
        """How often it failed by itself, and not by an offer filter that it asked."""
        self.attempts = 0
        """How often it was made anew in a row."""
        self.alone = False
        """While it is told what is so after a failure: another one, in its shadow, knows that already."""
        self.took_seconds = 0.0
        """How long its last call took; 0 where nobody watches."""
        self._watch: Watch = watch or Unwatched()
        self._whitelist: Collection[str] | None = None
        self._expected: tuple[int, float] | None = None
        self._requests: dict[FrameworkId, Sequence[Quantities]] = {}

    def replace(self) -> bool:
        """A new instance in place of the one that failed; whoever calls tells it what is so. Whether it could be made.

        What only calls have said is said again here, where it was kept.
        """
        kind = type(self.module)
        self.broken = False
        made = self._call("__init__", lambda: kind(self._shown(self.options), self.config), None)
        if made is None:
            return False
        self.module = made
        if self._expected is not None:
            self.expect_agents(*self._expected)
        if self._whitelist is not None:
            self.update_whitelist(self._whitelist)
        return not self.broken

    def adopt(self, module: Allocator, config: object) -> None:
        """From :meth:`replace` on, which has to follow, instances are made of the class of ``module``, and of this."""
        self.module = module
        self.config = config
        self.name = module.name  # type: ignore[misc]
        self.own = is_builtin(type(module))
        self.defects = 0

    def repeat_requests(self) -> None:
        """What frameworks have asked for last; after they were added again."""
        for framework_id, requests in list(self._requests.items()):
            self.request_resources(framework_id, requests)

    def _call(self, method: str, call: Callable[[], T], otherwise: T) -> T:
        """What the module answers, or ``otherwise``."""
        if self.broken:
            return otherwise
        watch = self._watch
        watch.begin()
        try:
            try:
                answer = call()
            finally:
                seconds = self.took_seconds = watch.end()
        except OutOfTime as late:
            culprit = f"{late.culprit} " if late.culprit else ""
            self.defects -= bool(culprit)
            self._fail(method, f"{culprit}did not come back within {watch.limit_seconds:g} s")
            return otherwise
        except InvariantBroken as failure:
            if self.own:
                raise
            self._fail(method, f"{type(failure).__name__}: {failure}")
            return otherwise
        except BaseException as failure:
            if isinstance(failure, KeyboardInterrupt) and isinstance(watch, Unwatched):
                raise  # Services hear of signals otherwise; in a simulation it is somebody at the keyboard.
            self._fail(method, f"{type(failure).__name__}: {failure}")
            return otherwise
        if seconds > watch.slow_seconds:
            self.failures.append(Failure(method, f"took {seconds:.3g} s", broken=False))
        return answer

    def _shown(self, value: T) -> T:
        """What the module may see of ``value``."""
        if self.own:
            return value
        shown: T = shielded(value)
        return shown

    def _fail(self, method: str, error: str) -> None:
        self.broken = True
        self.defects += 1
        self.failures.append(Failure(method, error))

    def _tell(self, method: str, *arguments: Any, **named: Any) -> None:  # Any: as the method has them
        match method:
            case "remove_framework":
                self._requests.pop(arguments[0], None)
            case "request_resources":
                self._requests[arguments[0]] = arguments[1]
            case "update_whitelist":
                self._whitelist = arguments[0]
            case "expect_agents":
                self._expected = (arguments[0], arguments[1])
        shown = arguments if self.own else tuple(map(shielded, arguments))
        self._call(method, lambda: getattr(self.module, method)(*shown, **named), None)

    def give_up(self, grant: Grant, now: float) -> None:
        """Take back a grant that was not offered."""
        self.recover(grant.framework_id, grant.agent_id, grant.resources, refuse_seconds=None, allocated=False, now=now)

    def takes_offers(self) -> bool:
        # Of its class, not of its books: also while it is broken.
        return type(self.module).add_offer is not Allocator.add_offer

    def knows_quota(self) -> bool:
        return type(self.module).update_quota is not Allocator.update_quota

    def quota_consumption(self, role: Role) -> Quantities:
        return self._call("quota_consumption", lambda: self.module.quota_consumption(role), {})

    def active_filters(self) -> Mapping[Role, int]:
        return self._call("active_filters", self.module.active_filters, {})

    def revocations(self, situation: Situation) -> Sequence[Revocation]:
        nothing: list[Revocation] = []
        most = len(situation.running)
        shown = self._shown(situation)
        # It may be a generator, and one without end.
        found = self._call("revocations", lambda: list(islice(self.module.revocations(shown), most + 1)), nothing)
        for one in found:
            if not (isinstance(one, Revocation) and all(isinstance(value, str) for value in one)):
                self._fail("revocations", f"returned {_shown(one)}, which is no Revocation")
                return []
        return found

    # -- deciding --------------------------------------------------------------------------------------------
    def allocate(
        self,
        now: float,
        random: RandomSource,
        *,
        agents: Collection[AgentId] | None,
        limit: int | None = None,
        observer: Observer | None = None,
    ) -> Sequence[Grant]:
        """Grants that are grants: of the right types, and no more than ``limit``."""

        def decide() -> list[Grant]:
            granted = self.module.allocate(now, random, agents=self._shown(agents), limit=limit, observer=observer)
            # It may be a generator, and one without end.
            return list(granted if limit is None else islice(granted, limit + 1))

        nothing: list[Grant] = []
        grants = self._call("allocate", decide, nothing)
        wrong = _wrong(grants, limit)
        if wrong is not None:
            self._fail("allocate", wrong)
            return []
        return grants

    def __getattr__(self, name: str) -> Any:  # Any: what a module has beside its interface is its own affair
        if name == "module":
            raise AttributeError(name)
        return getattr(self.module, name)


def _wrong(grants: Sequence[object], limit: int | None) -> str | None:
    """Why ``grants`` are not what ``allocate`` may return."""
    if limit is not None and len(grants) > limit:
        return f"returned more than the {limit} grants that it may"
    for grant in grants:
        if not isinstance(grant, Grant):
            return f"returned {_shown(grant)}, which is no Grant"
        framework_id, role, agent_id, resources = grant
        for what, value in (("framework_id", framework_id), ("role", role), ("agent_id", agent_id)):
            if not isinstance(value, str):
                return f"returned a grant whose {what} is {_shown(value)}"
        if not isinstance(resources, Resources):
            return f"returned a grant whose resources are {_shown(resources)}"
    return None


def _shown(value: object) -> str:
    return f"of type {type(value).__name__}"
