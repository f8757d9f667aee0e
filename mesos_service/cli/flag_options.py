"""Command-line options made from a service's flags, so that each flag is written once, in its configuration.

Mesos writes booleans as ``--name``, ``--no-name`` or ``--name=false``. Option parsers know the first two or the
third; :func:`normalised` therefore brings the first two into the form of the third before the parser sees them.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from mesos_service.configuration.flags import ENVIRONMENT_PREFIX, Flags
from mesos_service.domain.errors import ConfigurationError


def boolean_flags(flags: type[Flags]) -> frozenset[str]:
    """Names of the flags that are true or false."""
    return frozenset(name for name, field in flags.model_fields.items() if field.annotation is bool)


def normalised(arguments: Sequence[str], flags: type[Flags]) -> list[str]:
    """``arguments`` with ``--switch_user`` and ``--no-switch_user`` written as ``--switch_user=true`` and ``false``.

    Raises :class:`~mesos_service.domain.errors.ConfigurationError` for flags that Mesos has and we do not.
    """
    booleans = boolean_flags(flags)
    result: list[str] = []
    for position, argument in enumerate(arguments):
        if argument == "--":
            result += arguments[position:]
            break
        name, equals, _ = argument.removeprefix("--").partition("=")
        bare = name.removeprefix("no-")
        if not argument.startswith("--"):
            result.append(argument)
        elif (bare if bare in flags.absent else name) in flags.absent:
            raise ConfigurationError(flags.refuse_name(bare if bare in flags.absent else name, f"--{name}"))
        elif name in booleans and not equals:
            result.append(f"--{name}=true")
        elif name.startswith("no-") and bare in booleans and not equals:
            result.append(f"--{bare}=false")
        else:
            result.append(argument)
    return result


def with_flags(
    flags: type[Flags], run: Callable[..., int], *extra: inspect.Parameter, needed: bool = True
) -> Callable[..., None]:
    """A typer command that takes every flag of ``flags``, ``--config``, ``--check_config`` and ``extra``.

    It ends with the status that ``run(config, **extra)`` returns, or with 0 after ``--check_config``. Flags stay
    text here: their configuration reads them, so that a mistake is told alike wherever the value came from.
    """
    names = tuple(flags.model_fields)

    # Any: typer hands over what the signature below declares.
    def command(**arguments: Any) -> None:
        given: dict[str, object] = {name: arguments.pop(name) for name in names if arguments[name] is not None}
        path: Path | None = arguments.pop("config")
        check_only: bool = arguments.pop("check_config")
        for name in names:
            arguments.pop(name, None)
        config = flags.load(given, path)
        config.prepare(make=not check_only)
        if check_only:
            typer.echo(f"the flags of the {flags.service} are in order")
            return
        raise typer.Exit(run(config, **arguments))

    parameters = [_option(name, flags) for name in names]
    parameters.append(
        _parameter(
            "config",
            Path | None,
            None,
            typer.Option("--config", help="A TOML file with flags.", envvar=f"{ENVIRONMENT_PREFIX}CONFIG"),
        )
    )
    parameters.append(
        _parameter("check_config", bool, False, typer.Option("--check_config", help="Check the flags, and end."))
    )
    parameters += extra
    # typer reads the signature, and finds here what a hand-written function would have declared. mypy does not know
    # that functions may carry one.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _parameter(name: str, annotation: object, default: object, option: object) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _option(name: str, flags: type[Flags]) -> inspect.Parameter:
    field = flags.model_fields[name]
    text = field.description or ""
    if field.is_required():
        text += "  [needed]"
    elif field.default not in (None, ""):
        default = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
        text += f"  [default: {default}]"
    return _parameter(name, str | None, None, typer.Option(f"--{name}", help=text, metavar=_metavar(field.annotation)))


def _metavar(annotation: object) -> str:
    kinds = {annotation, *get_args(annotation)}
    for kind, word in ((bool, "BOOLEAN"), (int, "NUMBER"), (Path, "PATH")):
        if kind in kinds:
            return word
    return "DURATION" if "Duration" in str(annotation) else "TEXT"
