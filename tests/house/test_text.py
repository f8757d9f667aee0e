"""What must not stand in any file: this machine's paths, addresses of package indexes, documents that are not here."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.house.source import ROOT, committed_text_files, place

FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:work|root|home)/\w"),
    "the address of a package index": re.compile(
        r"(?:pypi|pythonhosted|npmjs|rubygems|crates)\.(?:org|io|com)|index-url\s*=?\s*http|\bregistry\.\w+\.\w+/"
    ),
    # Somebody's notes, cited by a title in capitals: "NOTES section 2", "NOTES 2.7", "NOTES X40", "(NOTES: idea)".
    "a document that the project does not contain": re.compile(
        r"\b(?!HTTP|JSON)[A-Z]{4,}(?:\.md (?:rule|section)|,? section \d| rule \d| \d+\.\w| (?:X\d|[MN]-?\w\w-))"
        r"|\((?!HTTP|JSON)[A-Z]{4,}(?:: |\.md, )"
    ),
}


@pytest.mark.parametrize("what", sorted(FORBIDDEN))
def test_no_file_holds(what: str) -> None:
    own = Path(__file__)
    wrong = [
        f"{place(file)}:{number}: {line.strip()[:100]}"
        for file in committed_text_files()
        if file != own
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if FORBIDDEN[what].search(line)
    ]
    assert not wrong, f"{what}:\n" + "\n".join(wrong)


def test_locked_requirements_name_versions_and_hashes_only() -> None:
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        text = file.read_text(encoding="utf-8")
        assert "://" not in text, f"{place(file)} holds an address"
        pins = re.findall(r"^(\S+)==\S+ .*\\$", text, flags=re.MULTILINE)
        assert len(pins) == len(re.findall(r"^\S+==", text, flags=re.MULTILINE)), (
            f"{place(file)}: a requirement is not pinned with hashes"
        )
        assert pins, f"{place(file)} is empty"


def test_locked_packages_of_node_hold_no_addresses() -> None:
    """npm writes where it had each package from, and where its authors ask for money."""
    locks = [file for file in committed_text_files() if file.name == "package-lock.json"]
    assert locks
    for file in locks:
        text = file.read_text(encoding="utf-8")
        assert "://" not in text, f"{place(file)} holds an address: take `resolved` and `funding` out"
        assert '"integrity": "sha512-' in text, f"{place(file)} has no hashes"


def test_every_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = {
        "runtime.txt": project["project"]["dependencies"],
        "dev.txt": [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]],
    }
    for lock, requirements in wanted.items():
        text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
        locked = {name.lower() for name in re.findall(r"^([\w.-]+)==", text, flags=re.MULTILINE)}
        names = {re.split(r"[\[<>=!~; ]", requirement)[0].lower() for requirement in requirements}
        assert names <= locked, f"run `make lock`: {sorted(names - locked)} are not in requirements/{lock}"
