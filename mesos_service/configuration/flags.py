"""Reading a service's flags: command line, then environment, then TOML file, then default.

Flags keep Mesos' names and environment variables (``--work_dir``, ``MESOS_WORK_DIR``). A mistake is told with the
place it came from, and a flag that Mesos has and we do not is refused rather than ignored: an operator who sets it
relies on it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BeforeValidator, InstanceOf, ValidationError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from mesos_service.configuration.masking import mask_secrets
from mesos_service.configuration.units import Duration, Size
from mesos_service.domain.errors import ConfigurationError

ENVIRONMENT_PREFIX: Final = "MESOS_"
SECTIONS: Final = frozenset({"master", "agent", "traces"})
"""Tables a TOML file may have, so that one file can serve all services."""


def _to_duration(value: object) -> object:
    if isinstance(value, (int, float)):
        raise ValueError(f"{value} has no unit; write a duration such as 500ms, 15secs, 10mins or 2weeks")
    return Duration.parse(value) if isinstance(value, str) else value


def _to_size(value: object) -> object:
    if isinstance(value, (int, float)):
        raise ValueError(f"{value} has no unit; write a size such as 512MB or 2GB")
    return Size.parse(value) if isinstance(value, str) else value


DurationFlag = Annotated[InstanceOf[Duration], BeforeValidator(_to_duration)]
SizeFlag = Annotated[InstanceOf[Size], BeforeValidator(_to_size)]

# pydantic-settings builds its sources inside the constructor, which has no argument for the file's content.
_file_values: ContextVar[Mapping[str, object]] = ContextVar("file_values")


class Flags(BaseSettings):
    """Base of all services' flags: one field per flag, with its description. Read by :meth:`load`."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        case_sensitive=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    service: ClassVar[str]
    """``master``, ``agent`` or ``traces``: the name of its table in a TOML file."""
    absent: ClassVar[Mapping[str, str]]
    """Flags that Mesos has and we do not, each with what to do instead (or an empty text)."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The order of precedence, highest first."""
        file = InitSettingsSource(settings_cls, init_kwargs=dict(_file_values.get({})))
        return init_settings, env_settings, file

    @classmethod
    def load(cls, given: Mapping[str, object] | None = None, config: Path | None = None) -> Self:
        """The flags in force.

        ``given`` are those of the command line by name; ``config`` is a TOML file (``MESOS_CONFIG`` when there is
        none). Raises :class:`~mesos_service.domain.errors.ConfigurationError` with one line per mistake.
        """
        given = given or {}
        if config is None and (path := os.environ.get(f"{ENVIRONMENT_PREFIX}CONFIG")):
            config = Path(path)
        file = {} if config is None else cls._read_file(config)
        cls._refuse_unknown(given, file, config)
        token = _file_values.set(file)
        try:
            # Any: pydantic checks each value, and says which is wrong.
            values: dict[str, Any] = dict(given)
            return cls(**values)
        except ValidationError as error:
            # Not chained: pydantic's own text repeats values, and a value may hold a secret.
            raise ConfigurationError(cls._explain(error, given, file, config)) from None
        finally:
            _file_values.reset(token)

    def as_flags(self) -> dict[str, str]:
        """What ``/flags`` shows: every flag that has a value, as text in Mesos' forms, secrets masked."""
        flags: dict[str, str] = {}
        for name in sorted(type(self).model_fields):
            value: object = getattr(self, name)
            if isinstance(value, bool):
                flags[name] = "true" if value else "false"
            elif value is not None:
                flags[name] = mask_secrets(str(value))
        return flags

    def prepare(self, *, make: bool = True) -> None:
        """See that what the flags name is there and can be used; raises ``ConfigurationError``.

        With ``make`` the working directory is made where it is missing, else it is only seen whether it could be.
        """
        raise NotImplementedError

    @classmethod
    def _read_file(cls, path: Path) -> dict[str, object]:
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(f"--config: cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"--config: {path} is not TOML: {error}") from error
        section = content.get(cls.service, {})
        if not isinstance(section, dict):
            raise ConfigurationError(f"{path}: '{cls.service}' is a table of flags, as in [{cls.service}]")
        # A flag may itself be called like a section of the other service: an agent's 'master' is text, not a table.
        top = {name: value for name, value in content.items() if not (name in SECTIONS and isinstance(value, dict))}
        return {**top, **section}

    @classmethod
    def _refuse_unknown(cls, given: Mapping[str, object], file: Mapping[str, object], config: Path | None) -> None:
        mistakes = [cls.refuse_name(name, f"--{name}") for name in given if name not in cls.model_fields]
        mistakes += [cls.refuse_name(name, f"'{name}' in {config}") for name in file if name not in cls.model_fields]
        for name in cls.absent:
            variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
            if variable in os.environ:
                mistakes.append(cls.refuse_name(name, variable))
        if mistakes:
            raise ConfigurationError("\n".join(mistakes))

    @classmethod
    def refuse_name(cls, name: str, where: str) -> str:
        """A sentence on why ``name``, written at ``where``, is no flag of this service."""
        if name in cls.absent:
            advice = cls.absent[name]
            sentence = f"{where}: Mesos has this flag and mesos-service does not, so it would have no effect."
            return f"{sentence} {advice}" if advice else f"{sentence} Leave it out."
        return f"{where}: the {cls.service} has no such flag; 'mesos-service {cls.service} --help' lists them"

    @classmethod
    def _explain(
        cls, error: ValidationError, given: Mapping[str, object], file: Mapping[str, object], config: Path | None
    ) -> str:
        lines: list[str] = []
        for mistake in error.errors(include_url=False, include_context=False):
            name = str(mistake["loc"][0]) if mistake["loc"] else ""
            message = mask_secrets(mistake["msg"].removeprefix("Value error, "))
            if not name:
                lines.append(message)
                continue
            if name in given:
                where = f"--{name}"
            elif any(variable.upper() == f"{ENVIRONMENT_PREFIX}{name}".upper() for variable in os.environ):
                where = f"{ENVIRONMENT_PREFIX}{name.upper()}"
            elif name in file:
                where = f"'{name}' in {config}"
            else:
                where = f"--{name}"
                if mistake["type"] == "missing":
                    message = f"is needed (or {ENVIRONMENT_PREFIX}{name.upper()}, or '{name}' in a --config file)"
            lines.append(f"{where}: {message}")
        return "\n".join(lines)
