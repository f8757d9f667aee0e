"""What the documents say is so: links lead somewhere, commands exist, generated pages equal the code."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from mesos_service.cli.service_commands import FLAG_COMMANDS
from mesos_service.documentation import command_names, operator_page, pages
from tests.house.behaviours import BEHAVIOURS, LATER, page
from tests.house.source import ROOT, place

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
GENERATED = ROOT / "docs" / "generated"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|[`\s/])mesos-service ((?:[a-z]+)(?: [a-z][a-z-]*)?)", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z][a-z-]*)", re.MULTILINE)
FILE = re.compile(r"`((?:mesos_service|modules|tests|docs|scripts)/[\w./-]+(?:\.\w+|/))`")


def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def headings(document: Path) -> set[str]:
    found = re.findall(r"^#+ +(.+)$", text_of(document), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("document", DOCUMENTS, ids=place)
def test_links_lead_somewhere(document: Path) -> None:
    dead = []
    for target in LINK.findall(text_of(document)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in headings(file)):
            dead.append(target)
    assert not dead, f"{place(document)} links to what is not there: {dead}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=place)
def test_files_that_are_named_exist(document: Path) -> None:
    missing = [name for name in FILE.findall(text_of(document)) if not (ROOT / name).exists()]
    assert not missing, f"{place(document)} names files that are not there: {missing}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=place)
def test_commands_that_are_named_exist(document: Path) -> None:
    known = set(command_names())
    said = COMMAND.findall(text_of(document))
    unknown = [words for words in said if words not in known and words.split()[0] not in known]
    assert not unknown, f"{place(document)} names commands that are not there: {unknown}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=place)
def test_make_targets_that_are_named_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z][a-z-]*):", text_of(ROOT / "Makefile"), flags=re.MULTILINE))
    unknown = [target for target in MAKE.findall(text_of(document)) if target not in targets]
    assert not unknown, f"{place(document)} names targets that are not there: {unknown}"


def test_generated_pages_equal_the_code() -> None:
    made = {**pages(), "behaviours.md": page()}
    stale = [
        name
        for name, content in made.items()
        if not (GENERATED / name).exists() or text_of(GENERATED / name) != content
    ]
    left = sorted({file.name for file in GENERATED.glob("*.md")} - set(made))
    assert not stale, f"run `make docs` and commit docs/generated: {stale}"
    assert not left, f"nothing makes these pages any more: {left}"


@pytest.mark.parametrize("service", ["master", "agent"])
def test_every_path_of_a_service_is_on_the_page_of_paths(service: str) -> None:
    """Other spellings of a path, with an ending or a role behind it, need no mention of their own."""
    rooms = importlib.import_module(f"mesos_service.{service}.routes")
    modules = (
        importlib.import_module(f"{rooms.__name__}.{room.name}") for room in pkgutil.iter_modules(rooms.__path__)
    )
    routes = [route for module in modules if hasattr(module, "router") for route in module.router.routes]
    paths = {route.path.removesuffix("/{role:path}") for route in routes}
    page = operator_page()
    unnamed = sorted(
        path for path in paths if f"`{path}`" not in page and f"`{path.removesuffix('.json')}`" not in page
    )
    assert len(paths) > 5
    assert not unnamed, f"docs/generated/operator_api.md does not name {unnamed}"


def test_behaviours_that_are_named_are_listed() -> None:
    """A document that speaks of X14a must mean one that the list knows."""
    name = re.compile(r"(?<![\w-])(?:X\d+[a-z]?|M-[A-Z]{2}-\d+)(?![\w-])")
    unknown = {
        f"{place(document)}: {behaviour}"
        for document in DOCUMENTS
        for behaviour in name.findall(text_of(document))
        if behaviour not in BEHAVIOURS and behaviour not in LATER
    }
    assert not unknown, f"behaviours.py knows nothing of these: {sorted(unknown)}"


@pytest.mark.parametrize("module", [module for *_, module in FLAG_COMMANDS.values()])
def test_the_service_that_a_command_runs_is_there(module: str) -> None:
    """It is imported by its name when the command runs."""
    assert callable(importlib.import_module(module).run)
