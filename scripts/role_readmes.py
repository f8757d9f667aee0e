"""Writes ``ansible/roles/*/README.md`` from each role's argument specification; ``make docs`` calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import yaml

ROLES: Final = Path(__file__).resolve().parent.parent / "ansible" / "roles"


def readme(role: Path) -> str:
    """The page of one role: what it does, and a table of its variables."""
    specs = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))
    main = specs["argument_specs"]["main"]
    lines = [f"# {role.name}", "", f"{main['short_description']}.", ""]
    lines += [f"{sentence}\n" for sentence in main["description"]]
    lines += ["| variable | type | default | |", "| --- | --- | --- | --- |"]
    lines += [_row(name, option) for name, option in main["options"].items()]
    lines += ["", f"Made from `{role.name}/meta/argument_specs.yml` by `make docs`."]
    return "\n".join(lines) + "\n"


# Any: an option of a specification, as YAML has it.
def _row(name: str, option: dict[str, Any]) -> str:
    default = option["default"]
    shown = default if isinstance(default, str) and default else json.dumps(default)
    return f"| `{name}` | {option['type']} | `{shown}` | {' '.join(option['description'].split())} |"


def main() -> None:
    for role in sorted(path for path in ROLES.iterdir() if path.is_dir()):
        (role / "README.md").write_text(readme(role), encoding="utf-8")


if __name__ == "__main__":
    main()
