"""The master's flags (Mesos docs, "Master options"); read with ``MasterConfig.load``.

Where a default differs from Mesos' on purpose, the description says so, and ``docs/differences_from_mesos.md`` why.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mesos_service.configuration import absent
from mesos_service.configuration.credentials import CredentialsFlag
from mesos_service.configuration.flags import DurationFlag, SizeFlag
from mesos_service.configuration.forms import (
    CountFlag,
    FileTextFlag,
    PortFlag,
    check_directory,
    check_positive,
    split_list,
)
from mesos_service.configuration.security import SecurityFlags
from mesos_service.configuration.service import MemberFlags
from mesos_service.configuration.units import Duration, Size
from mesos_service.core.master.state import MasterOptions
from mesos_service.core.watch import OutOfTime, Unwatched, Watch
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.fault_domains import FaultDomain, parse_fault_domain
from mesos_service.domain.frameworks import Quantities
from mesos_service.domain.ids import Role
from mesos_service.domain.roles import ANY_ROLE, refuse_role
from mesos_service.domain.values import to_milli
from mesos_service.election.url import ZooKeeperUrl, read_url
from mesos_service.http.tls import TlsFiles, server_context
from mesos_service.master.rate_limits import RateLimits, parse_rate_limits
from mesos_service.master.time_limit import TimeLimit
from mesos_service.plugins.allocator import Allocator, SorterKind
from mesos_service.plugins.loader import ALLOCATORS, OFFER_FILTERS, available, load, parameters_of
from mesos_service.plugins.offer_filter import OfferFilter
from mesos_service.registrar.url import FILE_NAME, IN_MEMORY, check_registry, file_url

PORT: Final = 5050


def parse_weights(text: str) -> dict[Role, float]:
    """``role=2,other/role=0.5``; a weight is a number above 0 (X33)."""
    weights: dict[Role, float] = {}
    for item in split_list(text):
        role, equals, number = item.partition("=")
        role = role.strip()
        if not equals:
            raise ValueError(f"'{item}' is not of the form role=weight")
        if refusal := refuse_role(role):
            raise ValueError(refusal)
        if Role(role) in weights:
            raise ValueError(f"role '{role}' has two weights")
        try:
            weight = float(number)
        except ValueError:
            raise ValueError(f"'{item}': '{number.strip()}' is not a number") from None
        if not (math.isfinite(weight) and weight > 0):
            raise ValueError(f"'{item}': a weight is a number above 0")
        weights[Role(role)] = weight
    return weights


def parse_percentage(text: str) -> float:
    """``25%`` or ``12.5%`` as a part of 1."""
    number, sign, rest = text.strip().partition("%")
    try:
        part = float(number) / 100
    except ValueError:
        part = -1.0
    if not sign or rest or not 0 <= part <= 1:
        raise ValueError(f"'{text}' is not a percentage from 0% to 100%")
    return part


def parse_rate(text: str) -> float:
    """Seconds between two of what ``1/10mins`` or ``3/1hrs`` allows; they are spread evenly."""
    number, slash, duration = text.partition("/")
    number = number.strip()
    counted = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else 0
    if not slash or counted == 0:
        raise ValueError(f"'{text}' is not of the form number/duration, such as 1/10mins")
    seconds = Duration.parse(duration.strip()).seconds
    if seconds == 0:
        raise ValueError(f"'{text}': the duration must be longer than 0")
    return seconds / counted


def parse_roles(text: str) -> frozenset[Role]:
    """``a,b/c``; the role ``*`` is always among them."""
    roles = split_list(text)
    for role in roles:
        if refusal := refuse_role(role):
            raise ValueError(refusal)
    return frozenset(map(Role, (ANY_ROLE, *roles)))


def parse_quantities(text: str) -> tuple[Quantities, ...]:
    """``cpus:0.01|mem:32``: alternatives of scalar amounts, in thousandths (M-AL-13). Nothing means no minimum."""
    return tuple(_parse_alternative(alternative) for alternative in text.split("|") if alternative.strip())


def _parse_alternative(text: str) -> Quantities:
    amounts: dict[str, int] = {}
    for piece in filter(None, (piece.strip() for piece in text.split(";"))):
        name, colon, amount = (part.strip() for part in piece.partition(":"))
        if not (name and colon):
            raise ValueError(f"'{piece}' is not of the form name:amount, as in cpus:0.01|mem:32")
        if name in amounts:
            raise ValueError(f"'{text.strip()}' names {name} twice")
        amounts[name] = to_milli(amount)
    if not amounts:
        raise ValueError(f"'{text.strip()}' names no resource")
    return amounts


def _zookeeper_url(value: object) -> object:
    return read_url(value) if isinstance(value, str) else value


def _none_is_no_timeout(value: object) -> object:
    return None if value == "none" else value


def _checked(parse: object) -> AfterValidator:
    """Keep the text, as ``/flags`` shows it, once ``parse`` has agreed with it."""
    assert callable(parse)

    def check(text: str) -> str:
        parse(text)
        return text

    return AfterValidator(check)


class MasterConfig(MemberFlags):
    """Every flag of ``mesos-service master``."""

    service: ClassVar[str] = "master"
    absent: ClassVar[Mapping[str, str]] = absent.MASTER
    demanding: ClassVar[tuple[str, ...]] = (
        *SecurityFlags.demanding,
        "authenticate_http_frameworks",
        "authenticate_agents",
    )
    known_by: ClassVar[str] = "credentials"

    port: PortFlag = Field(PORT, description="Port to listen on; 0 takes any free one.")
    work_dir: Path | None = Field(
        None, description="Directory for what is kept across a restart, made where missing: the registry."
    )
    zk: Annotated[str, BeforeValidator(_zookeeper_url)] | None = Field(
        None,
        description="Where masters contend for leading: zk://[user:password@]host:port,.../path, or a file that holds"
        " that (zk://file:///path). Default: this master is the only one, and leads.",
    )
    zk_session_timeout: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("2secs"),
        description="A master that ZooKeeper has not heard of for so long leads no more; Mesos' default is 10secs.",
    )
    registry: Annotated[str, AfterValidator(check_registry)] = Field(
        IN_MEMORY,
        description="Where the registry is kept: in_memory, sqlite:////path/to/file, or, for several masters,"
        f" postgresql://user:password@host/database. With --work_dir and without --zk, {FILE_NAME} in that directory;"
        " with --zk it has to be said.",
    )
    registry_fetch_timeout: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("1mins"), description="Time to read the registry before a master that was elected ends."
    )
    registry_store_timeout: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("20secs"), description="Time to write to the registry before the master ends."
    )
    cluster: str | None = Field(None, description="A name for the cluster, shown to people.")

    allocator: str = Field("hierarchical", description="Allocator module ('mesos-service module list').")
    starvation_threshold: Annotated[
        DurationFlag | None, AfterValidator(check_positive), BeforeValidator(_none_is_no_timeout)
    ] = Field(
        Duration.parse("10mins"),
        description="A framework that has wanted offers for so long and got none is told of in the log, with the"
        " reason; 'none' tells of nobody.",
    )
    starvation_boost: bool = Field(
        False, description="Let it come before all others then, until it has an offer (--allocator=hierarchical)."
    )
    revocation: bool = Field(
        False,
        description="Whether running tasks are revoked where the guarantee of a role that wants offers cannot be"
        " satisfied otherwise. /api/v1/revocation shows what would be done either way.",
    )
    revocation_delay: DurationFlag = Field(
        Duration.parse("30secs"), description="How long a guarantee must have lacked something before."
    )
    revocation_grace: DurationFlag = Field(
        Duration.parse("30secs"),
        description="What a task that is revoked has to end by itself; then it is killed, and its executor destroyed.",
    )
    shadow_allocator: str | None = Field(
        None,
        description="Allocator module that runs beside the deciding one on the same inputs, and never acts; where it"
        " would have decided differently shows at /api/v1/shadow.",
    )
    allocation_journal: Path | None = Field(
        None,
        description="File to which all that the allocator is told and decides is appended, for 'mesos-service certify';"
        " nothing is written by default.",
    )
    allocation_journal_max_size: SizeFlag = Field(
        Size.parse("256MB"),
        description="How much of it is kept: it is written in segments of an eighth of that, FILE.000001 and so on, and"
        " the oldest gives way.",
    )
    allocator_timeout: Annotated[
        DurationFlag | None, AfterValidator(check_positive), BeforeValidator(_none_is_no_timeout)
    ] = Field(
        Duration.parse("10secs"),
        description="The most that one call of an allocator module or an offer filter may take before it is interrupted"
        " and the module made anew; 'none' waits for ever.",
    )
    offer_filters: str | None = Field(
        None,
        description="Filter modules that frameworks may ask for, separated by commas. Default: all that are built in.",
    )
    allocation_interval: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("1secs"),
        description="Time between allocations over all agents; an agent where something changed does not wait for it.",
    )
    allocator_agent_recovery_factor: Annotated[float, Field(ge=0, le=1)] = Field(
        0.8,
        description="Where there is quota: the part of the agents in the registry that has to be back before a new"
        " master offers anything.",
    )
    allocator_recovery_timeout: DurationFlag = Field(
        Duration.parse("10mins"), description="No longer than that does it wait for them."
    )
    offer_timeout: Annotated[
        DurationFlag | None, AfterValidator(check_positive), BeforeValidator(_none_is_no_timeout)
    ] = Field(
        Duration.parse("30secs"),
        description="An offer unanswered for so long is rescinded; 'none' waits for ever, as Mesos does by default.",
    )
    min_allocatable_resources: Annotated[str, _checked(parse_quantities)] = Field(
        "cpus:0.01|mem:32", description="An offer holds at least one of these alternatives, separated by '|'."
    )
    fair_sharing_excluded_resource_names: str | None = Field(
        None, description="Resources that do not count in dominant shares, separated by commas."
    )
    weights: Annotated[FileTextFlag, _checked(parse_weights)] | None = Field(
        None, description="Weights of roles: 'role=2,other=0.5'. A role not named has 1."
    )
    short_slice: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Part of each agent's cpus, mem and disk that is offered for short tasks only, such as 0.2."
    )
    short_task_max_completion_time: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("5mins"), description="How long such a task may run."
    )
    role_sorter: SorterKind = Field(
        "drf", description="Roles are asked in the order of their shares (drf), or drawn by weight (random)."
    )
    framework_sorter: SorterKind = Field(
        "drf", description="Frameworks of a role are asked in the order of their shares (drf), or drawn (random)."
    )
    domain: Annotated[FileTextFlag, _checked(parse_fault_domain)] | None = Field(
        None,
        description="Where this master is, as JSON or a file with it:"
        ' {"fault_domain": {"region": {"name": "eu"}, "zone": {"name": "rack1"}}}. Agents of other regions are offered'
        " only to frameworks with REGION_AWARE.",
    )
    require_agent_domain: bool = Field(False, description="Whether agents without a --domain are turned away.")
    filter_gpu_resources: bool = Field(
        True, description="Whether agents with gpus are offered only to frameworks with GPU_RESOURCES."
    )
    lift_unanimous_refusals: bool = Field(
        False,
        description="Whether an agent that every framework which may have it refuses is offered again at the next"
        " --allocation_interval, however long they refused it for.",
    )
    rate_limits: Annotated[FileTextFlag, _checked(parse_rate_limits)] | None = Field(
        None,
        description="How many calls a second schedulers may have processed, by principal, as JSON or a file with it:"
        ' {"limits": [{"principal": "foo", "qps": 50, "capacity": 1000}], "aggregate_default_qps": 300}.',
    )
    roles: Annotated[str, _checked(parse_roles)] | None = Field(
        None, description="Roles that frameworks may use, separated by commas. Default: any."
    )
    root_submissions: bool = Field(True, description="Whether frameworks of the user root may register.")

    agent_ping_timeout: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("15secs"), description="Time an agent has to answer a ping."
    )
    max_agent_ping_timeouts: Annotated[int, Field(ge=1)] = Field(
        5, description="An agent that leaves so many pings unanswered is unreachable."
    )
    agent_reregister_timeout: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("10mins"), description="Time agents have to come back before they are unreachable."
    )
    recovery_agent_removal_limit: Annotated[str, _checked(parse_percentage)] = Field(
        "100%",
        description="Part of the registry's agents that may be missing when --agent_reregister_timeout has passed after"
        " an election; with more the master gives up.",
    )
    agent_removal_rate_limit: Annotated[str, _checked(parse_rate)] | None = Field(
        None, description="How fast agents may become unreachable, such as 1/10mins. Default: no limit."
    )
    registry_gc_interval: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("15mins"), description="Time between looks for agents that the registry may forget."
    )
    registry_max_agent_age: DurationFlag = Field(
        Duration.parse("2weeks"), description="Time that unreachable and gone agents are kept in the registry."
    )
    registry_max_agent_count: CountFlag = Field(
        102_400, description="Unreachable agents kept in the registry, and as many that are gone; the oldest go first."
    )
    max_completed_frameworks: CountFlag = Field(50, description="Completed frameworks kept in memory.")
    max_completed_tasks_per_framework: CountFlag = Field(1000, description="Completed tasks kept per framework.")
    max_unreachable_tasks_per_framework: CountFlag = Field(1000, description="Unreachable tasks kept per framework.")

    max_operator_event_stream_subscribers: CountFlag = Field(
        1000, description="Operators that may be subscribed at once; one more takes the place of the oldest."
    )

    credentials: CredentialsFlag | None = Field(
        None,
        description="File with the principals and secrets of frameworks, agents and operators, as JSON or a line each;"
        " read again when it changes.",
    )
    authenticate_http_frameworks: bool = Field(
        False, description="Whether frameworks prove who they are (HTTP basic authentication)."
    )
    http_framework_authenticators: Literal["basic"] = Field("basic", description="This version has only basic.")
    authenticate_agents: bool = Field(False, description="Whether agents prove who they are, with their --credential.")

    whitelist: Path | None = Field(
        None, description="File with the hosts that may be offered, one a line; read again every 5 seconds."
    )

    @model_validator(mode="before")
    @classmethod
    def _keep_registry_in_work_dir(cls, given: dict[str, object]) -> dict[str, object]:
        """Masters that contend must share one registry, so a file of each one's own is no default for them."""
        if given.get("registry") is None and given.get("zk") is None and given.get("work_dir") is not None:
            return {**given, "registry": file_url(Path(str(given["work_dir"])))}
        return given

    @model_validator(mode="after")
    def _share_registry(self) -> Self:
        if self.zk is not None and "registry" not in self.model_fields_set:
            raise ValueError(
                "--zk: masters that contend share one registry; say where it is with"
                f" --registry=postgresql://user:password@host/database, or --registry={IN_MEMORY} if each leader may"
                " begin with an empty one"
            )
        return self

    def zookeeper(self) -> ZooKeeperUrl | None:
        """Where masters contend, if they do."""
        return None if self.zk is None else ZooKeeperUrl.parse(self.zk)

    def role_weights(self) -> dict[Role, float]:
        """Weights by role; roles not named weigh 1."""
        return parse_weights(self.weights or "")

    def min_allocatable(self) -> tuple[Quantities, ...]:
        """Alternatives of the least offer, in thousandths."""
        return parse_quantities(self.min_allocatable_resources)

    def fair_sharing_excluded(self) -> frozenset[str]:
        """Names of the resources that do not count in dominant shares."""
        return frozenset(split_list(self.fair_sharing_excluded_resource_names or ""))

    def limits_of_calls(self) -> RateLimits | None:
        """What ``--rate_limits`` says."""
        return None if self.rate_limits is None else parse_rate_limits(self.rate_limits)

    def fault_domain(self) -> FaultDomain | None:
        """Where this master is, if that is said."""
        return None if self.domain is None else parse_fault_domain(self.domain)

    def options(self, *, tracing: bool = False) -> MasterOptions:
        """What the master's core may know of the flags. ``tracing`` is no flag: the OTEL_* variables say it."""
        return MasterOptions(
            offer_timeout_seconds=None if self.offer_timeout is None else self.offer_timeout.seconds,
            allocation_interval_seconds=self.allocation_interval.seconds,
            agent_ping_timeout_seconds=self.agent_ping_timeout.seconds,
            max_agent_ping_timeouts=self.max_agent_ping_timeouts,
            agent_reregister_timeout_seconds=self.agent_reregister_timeout.seconds,
            recovery_agent_removal_limit=parse_percentage(self.recovery_agent_removal_limit),
            agent_removal_interval_seconds=(
                None if self.agent_removal_rate_limit is None else parse_rate(self.agent_removal_rate_limit)
            ),
            registry_gc_interval_seconds=self.registry_gc_interval.seconds,
            registry_max_agent_age_seconds=self.registry_max_agent_age.seconds,
            registry_max_agent_count=self.registry_max_agent_count,
            max_completed_frameworks=self.max_completed_frameworks,
            max_completed_tasks_per_framework=self.max_completed_tasks_per_framework,
            max_unreachable_tasks_per_framework=self.max_unreachable_tasks_per_framework,
            roles=None if self.roles is None else parse_roles(self.roles),
            root_submissions=self.root_submissions,
            fault_domain=self.fault_domain(),
            require_agent_domain=self.require_agent_domain,
            starvation_seconds=None if self.starvation_threshold is None else self.starvation_threshold.seconds,
            starvation_boost=self.starvation_boost,
            revocation=self.revocation,
            revocation_delay_seconds=self.revocation_delay.seconds,
            revocation_grace_seconds=self.revocation_grace.seconds,
            short_task_seconds_max=self.short_task_max_completion_time.seconds if self.short_slice else None,
            offer_filters=self.filter_modules(),
            tracing=tracing,
        )

    def filter_names(self) -> Sequence[str]:
        """What ``--offer_filters`` allows."""
        if self.offer_filters is None:
            return [one.name for one in available(OFFER_FILTERS)]
        return split_list(self.offer_filters)

    def filter_modules(self) -> dict[str, type[OfferFilter]]:
        """The modules of ``--offer_filters``, by name; raises ``ConfigurationError``."""
        if self.offer_filters is None:
            return {name: load(OFFER_FILTERS, name) for name in self.filter_names()}
        names = split_list(self.offer_filters)
        kinds = [load(OFFER_FILTERS, name, self.modules_dirs()) for name in names]
        for name in names:
            if parameters_of(name, self.modules_dirs()):
                raise ConfigurationError(f"The offer filter '{name}' takes its parameters from frameworks alone.")
        return {kind.name: kind for kind in kinds}

    def shadow_kind(self) -> type[Allocator] | None:
        """The module of ``--shadow_allocator``; raises ``ConfigurationError``."""
        if self.shadow_allocator is None:
            return None
        kind = load(ALLOCATORS, self.shadow_allocator, self.modules_dirs())
        if kind.add_offer is Allocator.add_offer:
            raise ConfigurationError(
                f"--shadow_allocator: the allocator '{kind.name}' cannot be told what another has decided, as it has"
                " no add_offer()."
            )
        return kind

    def load_modules(self, watch: Watch) -> None:
        """Import what the flags name, or see that it is as it was; raises ``ConfigurationError``."""
        watch.begin()
        try:
            try:
                load(ALLOCATORS, self.allocator, self.modules_dirs())
                self.shadow_kind()
                self.filter_modules()
            finally:
                watch.end()
        except OutOfTime as late:
            raise ConfigurationError(
                f"The modules that --allocator, --shadow_allocator and --offer_filters name were not imported within"
                f" {watch.limit_seconds:g} s{late.culprit and ': ' + late.culprit}."
            ) from late

    def prepare(self, *, make: bool = True) -> None:
        """See that what the flags name is there and can be used; raises ``ConfigurationError``."""
        if self.work_dir is not None:
            check_directory(self.work_dir, make=make)
        journal = self.allocation_journal
        if journal is not None and (
            (journal.exists() and not journal.is_file()) or not journal.absolute().parent.is_dir()
        ):
            raise ConfigurationError(f"--allocation_journal: {journal} is no file that could be written.")
        server_context(TlsFiles.of(self))
        limit = None if self.allocator_timeout is None else TimeLimit(self.allocator_timeout.seconds)
        try:
            self.load_modules(limit or Unwatched())
        finally:
            if limit is not None:
                limit.close()
        if self.whitelist is not None and not self.whitelist.is_file():
            raise ConfigurationError(f"--whitelist: there is no file {self.whitelist}, and it would keep nobody out.")
