"""The pages of ``docs/generated``, made from the code: flags, commands, the operator API, task states.

``make docs`` writes them; a test holds the committed pages equal to what is made here.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Final, get_args

import typer.main
from typer.core import TyperGroup

from mesos_service.agent.config import AgentConfig
from mesos_service.agent.routes import legacy as agent_legacy
from mesos_service.agent.routes import operator as agent_calls
from mesos_service.cli.main import build
from mesos_service.cli.service_commands import FLAG_COMMANDS
from mesos_service.configuration.flags import ENVIRONMENT_PREFIX, Flags
from mesos_service.core import task_states
from mesos_service.master.config import MasterConfig
from mesos_service.master.routes import (
    constraints,
    explain,
    files,
    filters,
    fragmentation,
    maintenance,
    policy,
    resource_calls,
    revocation,
    shadow,
)
from mesos_service.master.routes import legacy as master_legacy
from mesos_service.master.routes import operator as master_operator
from mesos_service.tracing_store.config import TracesConfig
from mesos_service.wire import agent_operator, operator

_MADE: Final = "<!-- Made by `make docs` from the code; change it there. -->\n"


def pages() -> Mapping[str, str]:
    """File name and content of every generated page."""
    return {
        "commands.md": commands_page(),
        "flags-agent.md": flags_page(AgentConfig),
        "flags-master.md": flags_page(MasterConfig),
        "flags-traces.md": flags_page(TracesConfig),
        "operator_api.md": operator_page(),
        "task_states.md": task_states.to_markdown(),
    }


def flags_page(flags: type[Flags]) -> str:
    """All flags of a service: those it has, and those that only Mesos has."""
    rows = [
        (f"`--{name}`", _default(flags, name), field.description or "")
        for name, field in sorted(flags.model_fields.items())
    ]
    refused = [(f"`--{name}`", advice or "Leave it out.") for name, advice in sorted(flags.absent.items())]
    only_mesos = [
        "## Flags that only Mesos has",
        "",
        "Setting one of these is refused, as it would have no effect.",
        "",
        *_table(("flag", "instead"), refused),
        "",
    ]
    return "\n".join(
        [
            f"# Flags of the {flags.service}",
            "",
            _MADE,
            "A flag is read from the command line, else from the environment (`--work_dir` is "
            f"`{ENVIRONMENT_PREFIX}WORK_DIR`), else from the TOML file that `--config` (or "
            f"`{ENVIRONMENT_PREFIX}CONFIG`) names, else it has its default. `--check_config` checks the flags and "
            "ends. What is `true` or `false` is set by the flag's name alone, and taken back by `--NAME=false` or "
            f"`--no-NAME`. In the file, flags stand at the top or in the table `[{flags.service}]`.",
            "",
            *_table(("flag", "default", "meaning"), rows),
            "",
            *(only_mesos if refused else ()),
        ]
    )


def operator_page() -> str:
    """What there is to be asked of services: the calls of ``POST /api/v1``, and the old paths."""
    seen = (*constraints.CONSTRAINT_PATHS, *(path for path in files.FILE_PATHS if not path.endswith(".json")))
    old = (*master_legacy.READ_PATHS, *seen, *policy.PATHS, *_paths(resource_calls, maintenance), "/teardown")
    services = (
        ("master", operator.CallType, master_operator.CALLS, old),
        ("agent", agent_operator.CallType, agent_calls.CALLS, agent_legacy.READ_PATHS),
    )
    lines = [
        "# Operator API",
        "",
        _MADE,
        "Each service describes what it has at `/openapi.json` and shows it at `/docs`. A call that only Mesos has is",
        "answered with 501.",
    ]
    for service, types, calls, paths in services:
        absent = sorted({*get_args(types)} - {*calls, "UNKNOWN"})
        lines += ["", f"## Calls of the {service} (`POST /api/v1`)", ""]
        lines += _table(("here", "only in Mesos"), [(_list(sorted(calls)), _list(absent))])
        lines += ["", f"## Old paths of the {service}", "", _list(paths)]
    lines += ["", "## Only here", "", "Reads of the master that Mesos does not have.", ""]
    lines += [_list(_paths(explain, filters, fragmentation, revocation, shadow)), ""]
    lines += [
        "On masters and agents, `/metrics`, `/docs` and `/openapi.json`, and at `/` a page of links. "
        "`/api/v1/operator` is `/api/v1` by another path "
        "([for generated clients](../writing_frameworks.md#generated-clients)).",
    ]
    return "\n".join(lines) + "\n"


def _paths(*modules: ModuleType) -> list[str]:
    """Each path that the routes of these modules answer, once, in their order."""
    return list(dict.fromkeys(route.path for module in modules for route in module.router.routes))


def _list(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def commands_page() -> str:
    """All commands, with the options of those that take no service's flags."""
    lines = ["# Commands", "", _MADE]
    lines += [
        "Exit statuses: 0 done, 1 it could not be done, 2 it was asked for wrongly. `run` ends with its command's own,",
        "128 plus the signal's number where a signal ended it, or 124 when `--timeout` ran out.",
    ]
    for name, command in _commands(_application()):
        lines += ["", f"## mesos-service {name}", "", (command.help or "").strip()]
        if name in FLAG_COMMANDS:
            service = {"agent": "agent", "traces serve": "traces"}.get(name, "master")
            lines += ["", f"Takes the [flags of the {service}](flags-{service}.md)."]
        rows = [
            (_spelling(parameter), _preset(parameter), _variable(parameter), _meaning(parameter))
            for parameter in command.params
            if parameter.name != "help" and (name not in FLAG_COMMANDS or parameter.name == "agents")
        ]
        if rows:
            lines += ["", *_table(("option", "default", "environment", "meaning"), rows)]
    return "\n".join(lines) + "\n"


def command_names() -> tuple[str, ...]:
    """Every command as it is typed after ``mesos-service``, such as ``agents`` or ``module list``."""
    return tuple(name for name, _ in _commands(_application()))


def _application() -> TyperGroup:
    application = typer.main.get_command(build("*"))
    assert isinstance(application, TyperGroup)
    return application


# Any: typer hides the base class of its commands; of one we read help and params.
def _commands(group: TyperGroup, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _spelling(parameter: Any) -> str:  # Any: as above.
    if parameter.param_type_name == "argument":
        named = parameter.metavar or isinstance(parameter.default, Enum)
        name = _metavar(parameter) if named else parameter.name.upper()
        return f"`{name}{'...' if parameter.nargs == -1 and not name.endswith('...') else ''}`"
    options = ", ".join(f"`{option}`" for option in (*parameter.opts, *parameter.secondary_opts))
    return options if parameter.is_flag else f"{options} `{_metavar(parameter)}`"


def _metavar(parameter: Any) -> str:  # Any: as above.
    if parameter.metavar:
        return str(parameter.metavar)
    if isinstance(parameter.default, Enum):
        return "|".join(str(choice) for choice in type(parameter.default))
    return "NUMBER" if isinstance(parameter.default, (int, float)) else "TEXT"


def _preset(parameter: Any) -> str:  # Any: as above.
    if parameter.required:
        return "needed"
    return "" if parameter.default in (None, "", False) else f"`{parameter.default}`"


def _variable(parameter: Any) -> str:  # Any: as above.
    return f"`{parameter.envvar}`" if parameter.envvar else ""


def _meaning(parameter: Any) -> str:  # Any: as above.
    text = str(getattr(parameter, "help", None) or "")
    return f"{text} May be given several times." if parameter.multiple else text


def _default(flags: type[Flags], name: str) -> str:
    field = flags.model_fields[name]
    if field.is_required():
        return "needed"
    if field.default in (None, ""):
        return ""
    return f"`{str(field.default).lower() if isinstance(field.default, bool) else field.default}`"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---" for _ in columns) + " |"]
    lines += ["| " + " | ".join(field.replace("|", "\\|") for field in row) + " |" for row in rows]
    return lines


def main() -> None:
    """Write the pages into the folder that is named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pages().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
