"""Modules by manifest, in Mesos' form (M-MO-01)."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from mesos_service.domain.errors import ConfigurationError
from mesos_service.master.config import MasterConfig
from mesos_service.master.modules import make_allocator
from mesos_service.plugins.loader import ALLOCATORS, ISOLATORS, load, parameters_of
from mesos_service.plugins.manifest import read_manifest, read_manifests

LIBRARY = dedent(
    """
    from pydantic import BaseModel

    from mesos_service.plugins.loader import ALLOCATORS, load

    Stock = load(ALLOCATORS, "hierarchical")


    class Parameters(BaseModel):
        slack: float = 0.0


    class First(Stock):
        name = "org_example_First"
        Config = Parameters


    class Second(Stock):
        name = "org_example_Second"
    """
)


def manifest(file: Path | str, *modules: object, key: str = "file") -> str:
    return json.dumps({"libraries": [{key: str(file), "modules": list(modules)}], "unknown": 1})


FIRST = {"name": "org_example_First", "parameters": [{"key": "slack", "value": "0.25"}]}


@pytest.fixture
def library(tmp_path: Path) -> Path:
    file = tmp_path / "libexample.py"
    file.write_text(LIBRARY)
    return file


def test_m_mo_01_a_module_of_a_library_is_loaded_by_name_with_its_parameters(library: Path) -> None:
    places = (read_manifest(manifest(library, FIRST, {"name": "org_example_Second"}), "--modules"),)
    assert load(ALLOCATORS, "org_example_First", places).__name__ == "First"
    assert load(ALLOCATORS, "org_example_Second", places).__name__ == "Second"
    assert parameters_of("org_example_First", places) == {"slack": "0.25"}
    assert parameters_of("org_example_Second", places) == {}
    assert load(ALLOCATORS, "hierarchical", places).name == "hierarchical_drf"


def test_m_mo_01_the_master_takes_the_manifest_as_text_or_from_a_file(library: Path, tmp_path: Path) -> None:
    text = manifest(library, FIRST)
    file = tmp_path / "modules.json"
    file.write_text(text)
    for said in (text, f"file://{file}"):
        config = MasterConfig.model_validate({"modules": said, "allocator": "org_example_First"})
        config.prepare()
        made = make_allocator(config)
        assert (made.name, made.config.slack) == ("org_example_First", 0.25)


def test_m_mo_01_manifests_in_folders_are_read_in_alphabetical_order(library: Path, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(manifest("libexample", {"name": "org_example_Second"}, key="name"))
    (tmp_path / "a.json").write_text(manifest("libexample.py", FIRST))
    assert [one.modules[0].name for one in read_manifests(tmp_path)] == ["org_example_First", "org_example_Second"]
    config = MasterConfig.model_validate({"modules_dir": str(tmp_path), "allocator": "org_example_Second"})
    assert make_allocator(config).name == "org_example_Second"
    (tmp_path / "c.json").write_text(manifest("libexample.py", FIRST))
    with pytest.raises(ConfigurationError, match=r"two modules 'org_example_First', in .*a.json and .*c.json"):
        make_allocator(config)


def test_m_mo_01_modules_and_modules_dir_exclude_each_other(library: Path, tmp_path: Path) -> None:
    config = MasterConfig.model_validate({"modules": manifest(library, FIRST), "modules_dir": str(tmp_path)})
    with pytest.raises(ConfigurationError, match="--modules and --modules_dir exclude each other"):
        config.prepare()


def test_m_mo_01_a_name_that_there_is_already_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        "from mesos_service.plugins.loader import ALLOCATORS, load\n"
        "class Mine(load(ALLOCATORS, 'hierarchical')):\n    name = 'strict_priority'\n"
    )
    places = (read_manifest(manifest(tmp_path / "mine.py", {"name": "strict_priority"}), "--modules"),)
    with pytest.raises(ConfigurationError, match="two allocators of one name: strict_priority"):
        load(ALLOCATORS, "strict_priority", places)


def test_m_mo_01_a_module_of_another_kind_is_refused_by_name(library: Path) -> None:
    places = (read_manifest(manifest(library, FIRST), "--modules"),)
    with pytest.raises(ConfigurationError, match="has no isolator 'org_example_First'; it has: none"):
        load(ISOLATORS, "org_example_First", places)


def test_a_wrong_parameter_is_named(library: Path) -> None:
    wrong = {"name": "org_example_First", "parameters": [{"key": "slak", "value": "0.25"}]}
    config = MasterConfig.model_validate({"modules": manifest(library, wrong), "allocator": "org_example_First"})
    with pytest.raises(ConfigurationError, match="Module 'org_example_First' has no parameter 'slak'; it has: slack"):
        make_allocator(config)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "this is no JSON"),
        ("[" * 100_000, "this is no JSON"),
        ("[]", "expected an object"),
        ('{"libraries": {}}', "'libraries' is to be a list"),
        ('{"libraries": [7]}', "expected an object, not 7"),
        ('{"libraries": [{}]}', "neither 'file' nor 'name'"),
        ('{"libraries": [{"name": "foo"}]}', "no absolute path"),
        ('{"libraries": [{"file": "/nowhere/libfoo.so"}]}', "is no Python file"),
        ('{"libraries": [{"file": "/nowhere/foo.py"}]}', "there is no file /nowhere/foo.py"),
        ('{"libraries": [{"file": "LIBRARY", "modules": [{}]}]}', "has no 'name'"),
        ('{"libraries": [{"file": "LIBRARY", "modules": [{"name": "a"}, {"name": "a"}]}]}', "two modules 'a'"),
        (
            '{"libraries": [{"file": "LIBRARY", "modules": [{"name": "a", "parameters": [{"key": "k"}]}]}]}',
            "needs a 'key' and a 'value'",
        ),
    ],
)
def test_m_mo_01_a_manifest_that_makes_no_sense_is_refused_with_a_sentence(text: str, said: str, library: Path) -> None:
    with pytest.raises(ConfigurationError, match=said):
        read_manifest(text.replace("LIBRARY", str(library)), "--modules")
