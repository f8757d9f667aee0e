"""The agent's flags (Mesos docs, "Agent options"); read with ``AgentConfig.load``.

Where a default differs from Mesos' on purpose, the description says so, and ``docs/differences_from_mesos.md`` why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from mesos_service.agent.isolation_flags import (
    ALL_CGROUPS,
    IN_ALL_CGROUPS,
    IsolationFlags,
    PositiveDuration,
    check_not_empty,
    check_resources,
)
from mesos_service.agent.log_rotation import KEPT_MAX
from mesos_service.agent.master_detector import read_master, some_address
from mesos_service.configuration import absent
from mesos_service.configuration.credentials import CredentialFlag, CredentialsFlag, read_credential
from mesos_service.configuration.flags import DurationFlag, SizeFlag
from mesos_service.configuration.forms import (
    CountFlag,
    FileTextFlag,
    PortFlag,
    check_directory,
    check_positive,
    check_socket_path,
    parse_environment,
)
from mesos_service.configuration.units import Duration, Size
from mesos_service.containers.rotation import Bound, Rotation
from mesos_service.core.agent.state import AgentOptions
from mesos_service.core.oversubscription.controllers import LoadController, QosController, UsageController
from mesos_service.core.oversubscription.estimators import (
    FixedEstimator,
    ResourceEstimator,
    UsageEstimator,
    lent,
    refuse_lent,
)
from mesos_service.domain.attributes import Attribute, parse_attributes
from mesos_service.domain.errors import ConfigurationError
from mesos_service.domain.fault_domains import FaultDomain, parse_fault_domain
from mesos_service.domain.resources import Resources
from mesos_service.domain.resources_text import parse_resources
from mesos_service.domain.roles import ANY_ROLE, refuse_role
from mesos_service.http.dialing import HTTPS, PLAIN, Dialing
from mesos_service.http.tls import RenewableContext, TlsFiles, client_context, server_context
from mesos_service.plugins.loader import ISOLATORS, load

PORT: Final = 5051
PAUSE_SECONDS_MIN: Final = 1.0
"""Between two looks at what tasks use: a look costs something, and tells little after less."""
REREGISTRATION_SECONDS_MAX: Final = 15
"""No longer than that may an agent be silent after its restart (Mesos: MAX_EXECUTOR_REREGISTRATION_TIMEOUT)."""


def _read_master(value: object) -> object:
    return read_master(value) if isinstance(value, str) else value


def _check_role(text: str) -> str:
    if refusal := refuse_role(text):
        raise ValueError(refusal)
    return text


def _check_attributes(text: str) -> str:
    # ConfigurationError is no ValueError, and only those become sentences with the flag's name.
    try:
        parse_attributes(text)
    except ConfigurationError as error:
        raise ValueError(str(error)) from error
    return text


def _check_domain(text: str) -> str:
    parse_fault_domain(text)
    return text


def _estimator_name(value: object) -> object:
    return "fixed" if value == "org_apache_mesos_FixedResourceEstimator" else value


def _controller_name(value: object) -> object:
    return "load" if value == "org_apache_mesos_LoadQoSController" else value


def _check_lent(text: str) -> str:
    check_resources(text)
    if refusal := refuse_lent(lent(Resources.of(parse_resources(text)))):
        raise ValueError(f"{refusal}, and cannot be lent")
    return text


def _check_pause(duration: Duration) -> Duration:
    if duration.seconds < PAUSE_SECONDS_MIN:
        raise ValueError(f"it has to be {PAUSE_SECONDS_MIN:g} seconds at least")
    return duration


def _check_reregistration(duration: Duration) -> Duration:
    if duration.seconds > REREGISTRATION_SECONDS_MAX:
        raise ValueError(f"it can be {REREGISTRATION_SECONDS_MAX} seconds at most")
    return duration


def _check_environment(text: str) -> str:
    parse_environment(text)
    return text


class AgentConfig(IsolationFlags):
    """Every flag of ``mesos-service agent``."""

    service: ClassVar[str] = "agent"
    absent: ClassVar[Mapping[str, str]] = absent.AGENT

    master: Annotated[str, BeforeValidator(_read_master)] = Field(
        description="The master, as host:port, or where the leading one is found: zk://[user:password@]host:port,.../path,"
        " or a file that holds that (file:///path)."
    )
    zk_session_timeout: Annotated[DurationFlag, AfterValidator(check_positive)] = Field(
        Duration.parse("2secs"), description="Time-out of the session with ZooKeeper; Mesos' default is 10secs."
    )
    work_dir: Path = Field(description="Directory for sandboxes and checkpoints; made where it is missing.")
    runtime_dir: Path | None = Field(
        None, description="Directory for what only matters while the machine runs. Default: 'runtime' in --work_dir."
    )
    http_executor_domain_sockets: bool = Field(
        False, description="Listen at a Unix socket as well, of which custom executors are told (MESOS_DOMAIN_SOCKET)."
    )
    domain_socket_location: Path | None = Field(
        None, description="Path of that socket. Default: 'agent.sock' in --work_dir."
    )
    port: PortFlag = Field(PORT, description="Port to listen on; 0 takes any free one.")

    resources: Annotated[FileTextFlag, AfterValidator(check_resources)] = Field(
        "", description="What this agent offers: 'cpus:4;mem:4096;ports:[31000-32000]' or JSON. The rest is detected."
    )
    attributes: Annotated[str, AfterValidator(_check_attributes)] = Field(
        "", description="What else to say of this agent: 'rack:r1;level:3'."
    )
    domain: Annotated[FileTextFlag, AfterValidator(_check_domain)] | None = Field(
        None, description="Where this agent is, as JSON or a file with it; see the master's flag of this name."
    )
    default_role: Annotated[str, AfterValidator(_check_role)] = Field(
        ANY_ROLE, description="Role that resources are reserved to where --resources names none."
    )

    containerizers: Literal["mesos"] = Field("mesos", description="This version has only mesos.")
    launcher: Literal["posix", "linux"] = Field(
        "posix",
        description="How a container's processes are found: by sessions and descent, or by a control group, too, which"
        " takes root ('linux'). Any isolator by control groups does the latter.",
    )
    switch_user: bool = Field(True, description="Run tasks as the user they name; takes root.")
    executor_environment_variables: Annotated[FileTextFlag, AfterValidator(_check_environment)] | None = Field(
        None, description="Environment of executors, as a JSON object, in place of the agent's own."
    )
    container_logger: Literal["sandbox", "logrotate", "org_apache_mesos_LogrotateContainerLogger"] = Field(
        "sandbox", description="What becomes of stdout and stderr: files, or files that are rotated ('logrotate')."
    )
    container_logger_max_stdout_size: Annotated[SizeFlag, AfterValidator(check_not_empty)] = Field(
        Size.parse("10MB"), description="How large stdout may become before it is rotated."
    )
    container_logger_max_stderr_size: Annotated[SizeFlag, AfterValidator(check_not_empty)] = Field(
        Size.parse("10MB"), description="How large stderr may become before it is rotated."
    )
    container_logger_rotate: Annotated[int, Field(ge=0, le=KEPT_MAX)] = Field(
        9, description="How many rotated files are kept of each."
    )
    gc_delay: DurationFlag = Field(
        Duration.parse("1weeks"), description="How long sandboxes are kept at most; less, the fuller the disk is."
    )
    gc_disk_headroom: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Part of the disk to keep free: sandboxes are kept for gc_delay * (1 - headroom - usage)."
    )
    disk_watch_interval: PositiveDuration = Field(
        Duration.parse("1mins"), description="How often it is looked which sandboxes are to go."
    )
    fetcher_cache_size: SizeFlag = Field(
        Size.parse("2GB"), description="How much the fetcher keeps of what tasks fetch with 'cache'."
    )
    fetcher_cache_dir: Path | None = Field(
        None, description="Where it keeps it, in a directory for each agent. Default: 'fetch' in --work_dir."
    )
    fetcher_stall_timeout: PositiveDuration = Field(
        Duration.parse("1mins"), description="A download that brings nothing for so long has failed."
    )

    registration_backoff_factor: PositiveDuration = Field(
        Duration.parse("1secs"), description="The first wait between attempts to register; it doubles up to 1mins."
    )
    executor_registration_timeout: PositiveDuration = Field(
        Duration.parse("1mins"), description="Time an executor has to register before it is killed."
    )
    executor_shutdown_grace_period: DurationFlag = Field(
        Duration.parse("5secs"), description="Time an executor has to end when told to, before it is killed."
    )
    recovery_timeout: PositiveDuration = Field(
        Duration.parse("15mins"), description="How long executors of checkpointing frameworks wait for their agent."
    )
    executor_reregistration_timeout: Annotated[PositiveDuration, AfterValidator(_check_reregistration)] = Field(
        Duration.parse("2secs"),
        description="How long an agent waits after its restart for the executors it left running; at most 15secs.",
    )
    recover: Literal["reconnect", "cleanup"] = Field(
        "reconnect", description="After a restart: go on with what runs, or end all of it and then the agent."
    )
    strict: bool = Field(True, description="Refuse to start on a corrupt checkpoint; otherwise leave out what is.")
    reconfiguration_policy: Literal["equal", "additive"] = Field(
        "additive",
        description="Whether an agent that is known may come back with more resources and attributes. Mesos: equal.",
    )
    max_completed_executors_per_framework: CountFlag = Field(150, description="Completed executors kept in memory.")

    resource_estimator: Annotated[Literal["noop", "fixed", "usage"], BeforeValidator(_estimator_name)] | None = Field(
        None,
        description="Who says what this agent lends: nobody ('noop', the default), the operator ('fixed'), or what its"
        " tasks leave unused of their processors ('usage').",
    )
    resource_estimator_resources: Annotated[str, AfterValidator(_check_lent)] = Field(
        "", description="What 'fixed' lends: 'cpus:14'. Mesos has it as a parameter of the module."
    )
    resource_estimator_margin: Annotated[float, Field(ge=0, le=1)] = Field(
        0.1, description="Part of what a task was allocated that 'usage' never lends, used or not."
    )
    oversubscribed_resources_interval: Annotated[DurationFlag, AfterValidator(_check_pause)] = Field(
        Duration.parse("15secs"), description="How often it is estimated what is lent; the master is told of changes."
    )
    qos_controller: Annotated[Literal["noop", "load", "usage"], BeforeValidator(_controller_name)] | None = Field(
        None,
        description="Who says which borrowers have to end: nobody ('noop', the default), the machine's load ('load'),"
        " or what all tasks use together of the processors ('usage').",
    )
    qos_load_threshold_5min: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Above this load average 'load' ends all borrowers. Mesos: load_threshold_5min."
    )
    qos_load_threshold_15min: Annotated[float, Field(gt=0)] | None = Field(
        None, description="The same for 15 minutes. Mesos: load_threshold_15min."
    )
    qos_usage_threshold: Annotated[float, Field(gt=0, le=1)] = Field(
        0.9, description="Part of the agent's processors above which 'usage' ends the youngest borrowers."
    )
    qos_correction_interval_min: DurationFlag = Field(
        Duration.parse("0ns"), description="The shortest pause between two looks of the controller; never below 1secs."
    )

    ssl_verify_server_cert: bool = Field(
        True, description="Whether the master must prove that it is whom this agent called. Mesos: false."
    )
    credential: CredentialFlag | None = Field(
        None, description="File with the principal and the secret that this agent proves itself with to the master."
    )
    http_credentials: CredentialsFlag | None = Field(
        None,
        description="File with the principals and secrets of this agent's clients, as JSON or a line each; read again"
        " when it changes.",
    )

    @model_validator(mode="after")
    def _know_what_is_lent(self) -> Self:
        if self.resource_estimator == "fixed" and not self.resource_estimator_resources:
            raise ValueError("--resource_estimator=fixed needs --resource_estimator_resources, such as cpus:14")
        thresholds = (self.qos_load_threshold_5min, self.qos_load_threshold_15min)
        if self.qos_controller == "load" and thresholds == (None, None):
            raise ValueError(
                "--qos_controller=load needs --qos_load_threshold_5min or --qos_load_threshold_15min, or both"
            )
        return self

    def dialing(self) -> Dialing:
        """How this agent speaks to the master; raises ``ConfigurationError``.

        As in Mesos, who serves HTTPS takes it that all of the cluster does.
        """
        try:
            dialing = PLAIN.as_principal(None if self.credential is None else read_credential(self.credential))
        except ValueError as error:
            raise ConfigurationError(f"--credential: {error}") from error
        if self.ssl_cert_file is None and self.ssl_ca_file is None and not self.master.startswith(HTTPS):
            return dialing
        files = TlsFiles.of(self, verify_server_cert=self.ssl_verify_server_cert)
        return replace(dialing, tls=RenewableContext(lambda: client_context(files)))

    def master_address(self) -> tuple[str, int]:
        """Host and port of the master, or of somebody in its direction."""
        address = some_address(self.master)
        return address.host, address.port

    def fault_domain(self) -> FaultDomain | None:
        """Where this agent is, if that is said."""
        return None if self.domain is None else parse_fault_domain(self.domain)

    def parsed_attributes(self) -> tuple[Attribute, ...]:
        """The attributes, in the order written."""
        return parse_attributes(self.attributes)

    def executor_environment(self) -> Mapping[str, str] | None:
        """What executors find in their environment, or ``None`` for the agent's own."""
        text = self.executor_environment_variables
        return None if text is None else parse_environment(text)

    def executor_socket(self) -> Path | None:
        """Where executors may connect beside ``port``, if anywhere; raises ``ConfigurationError``."""
        if not self.http_executor_domain_sockets:
            return None
        # Others may not look into --runtime_dir, and executors run as whom their frameworks name.
        path = (self.domain_socket_location or self.work_dir / "agent.sock").absolute()
        check_socket_path("--domain_socket_location", path)
        return path

    def rotation(self) -> Rotation | None:
        """Bounds on what containers write to files; ``None`` where there are none."""
        if self.container_logger == "sandbox":
            return None
        kept = self.container_logger_rotate
        return {
            "stdout": Bound(self.container_logger_max_stdout_size.octets, kept),
            "stderr": Bound(self.container_logger_max_stderr_size.octets, kept),
        }

    def estimator(self) -> ResourceEstimator | None:
        """Who says what is lent; ``None`` for nobody."""
        match self.resource_estimator:
            case "fixed":
                return FixedEstimator(Resources.of(parse_resources(self.resource_estimator_resources)))
            case "usage":
                return UsageEstimator(self.resource_estimator_margin)
            case _:
                return None

    def controller(self) -> QosController | None:
        """Who says which borrowers have to end; ``None`` for nobody."""
        match self.qos_controller:
            case "load":
                return LoadController(self.qos_load_threshold_5min, self.qos_load_threshold_15min)
            case "usage":
                return UsageController(self.qos_usage_threshold)
            case _:
                return None

    def options(self) -> AgentOptions:
        """What the agent's core may know of the flags."""
        return AgentOptions(
            registration_backoff_factor_seconds=self.registration_backoff_factor.seconds,
            executor_registration_timeout_seconds=self.executor_registration_timeout.seconds,
            executor_shutdown_grace_period_seconds=self.executor_shutdown_grace_period.seconds,
            recovery_timeout_seconds=self.recovery_timeout.seconds,
            executor_reregistration_timeout_seconds=self.executor_reregistration_timeout.seconds,
            max_completed_executors_per_framework=self.max_completed_executors_per_framework,
            isolation=frozenset(self.isolators())
            | (IN_ALL_CGROUPS if ALL_CGROUPS in self.isolators() else frozenset()),
        )

    def prepare(self, *, make: bool = True) -> None:
        """See that directories are there and writable; raises ``ConfigurationError``."""
        check_directory(self.work_dir, make=make and self.dry_run_isolation is None)
        server_context(TlsFiles.of(self))
        self.dialing()
        self.executor_socket()
        for name in set(self.isolators()) - {ALL_CGROUPS}:
            load(ISOLATORS, name, self.modules_dirs())
