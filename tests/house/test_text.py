"""What must not stand in any file: this machine's paths, addresses of package indexes, documents that are not here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house.source import ROOT, committed_text_files, place

FORBIDDEN = {
    "a path of somebody's machine": re.compile(r"(?<![\w.])/(?:work|root|home)/\w"),
    "the address of a package index": re.compile(
        r"(?:pypi|pythonhosted|npmjs|rubygems|crates)\.(?:org|io|com)|index-url\s*=?\s*http|\bregistry\.\w+\.\w+/"
    ),
    "a document that the project does not contain": re.compile(
        r"\b(?:DESIGN|STYLE|FEATURES|WIRE|ECOSYSTEM|PERFORMANCE|TESTBED|ROADMAP)\b(?!_)"
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
