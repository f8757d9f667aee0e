"""Modules are files: found without running them, checked before they serve (M-MO-01)."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from pathlib import Path
from textwrap import dedent, indent
from typing import Any, ClassVar

import pytest

import mesos_service
from mesos_service import __version__
from mesos_service.cli.main import run
from mesos_service.domain.errors import ConfigurationError
from mesos_service.plugins import loader
from mesos_service.plugins.loader import ALLOCATORS, ISOLATORS, OFFER_FILTERS, Kind, available, load, read_config


class Lamp(ABC):
    """A kind of module with each sort of argument."""

    name: ClassVar[str]
    api_version: ClassVar[int] = 1
    Config: ClassVar[type[Any] | None] = None  # Any: a pydantic model

    def __init__(self, colour: str, config: Any = None) -> None:  # Any: that model's instance
        self.colour = colour
        self.config = config

    @abstractmethod
    def switch(self, on: bool, *, dim: int = 0) -> str: ...

    @abstractmethod
    async def wait(self) -> None: ...

    def hint(self) -> str:
        return "a lamp"


LAMPS: Kind[Lamp] = Kind("lamps", Lamp, {"std": "standard"})  # type: ignore[type-abstract]

BODY = """
    name = "{name}"

    def switch(self, on, *, dim=0):
        return "on" if on else "off"

    async def wait(self):
        return None
"""


class Folder:
    """A --modules_dir that modules are written to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "lamps").mkdir(parents=True)

    def write(self, file: str, name: str | None = None, *, body: str = BODY, head: str = "", more: str = "") -> Path:
        text = "from tests.unit.plugins.test_loader import Lamp\n" + dedent(head) + "\nclass Mine(Lamp):\n"
        text += body.format(name=name or file) + indent(dedent(more), "    ")
        path = self.path / "lamps" / f"{file}.py"
        path.write_text(text)
        return path

    def load(self, name: str) -> type[Lamp]:
        return load(LAMPS, name, [self.path])

    def refusal(self, name: str) -> str:
        with pytest.raises(ConfigurationError) as refused:
            self.load(name)
        return str(refused.value)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "modules")


def test_built_in_allocators_are_found_and_load() -> None:
    assert "hierarchical_drf" in [found.name for found in available(ALLOCATORS)]
    assert load(ALLOCATORS, "hierarchical_drf").name == "hierarchical_drf"


def test_mesos_calls_the_stock_allocator_hierarchical() -> None:
    assert load(ALLOCATORS, "hierarchical") is load(ALLOCATORS, "hierarchical_drf")


def test_a_module_of_a_users_folder_loads_like_a_built_in(folder: Folder) -> None:
    folder.write("standard")
    assert folder.load("standard")("red").switch(True) == "on"
    assert folder.load("std") is folder.load("standard")


def test_a_name_may_hold_a_slash_where_its_file_has_an_underscore(folder: Folder) -> None:
    folder.write("table_lamp", "table/lamp")
    assert [found.name for found in available(LAMPS, [folder.path])] == ["table/lamp"]
    assert folder.load("table/lamp").name == "table/lamp"


def test_only_what_is_named_is_imported(folder: Folder) -> None:
    folder.write("standard")
    folder.write("needy", head="import a_library_that_nobody_has\n")
    (folder.path / "lamps" / "broken.py").write_text("class :")
    (folder.path / "lamps" / "_helper.py").write_text("raise RuntimeError")
    assert [found.name for found in available(LAMPS, [folder.path])] == ["broken", "needy", "standard"]
    folder.load("standard")
    assert "'needy'" in folder.refusal("needy")
    assert "ModuleNotFoundError: No module named 'a_library_that_nobody_has'" in folder.refusal("needy")
    assert "SyntaxError" in folder.refusal("broken")
    assert [name for name in sys.modules if "lamps.needy" in name] == []


def test_a_file_is_imported_once_and_again_when_it_has_changed(folder: Folder) -> None:
    folder.write("standard")
    first = folder.load("standard")
    assert folder.load("standard") is first
    folder.write("standard", more="def hint(self):\n    return 'new'\n")
    assert folder.load("standard")("red").hint() == "new"


def test_a_change_that_size_and_time_do_not_tell_is_seen(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a file that was put there by a tool that keeps times, or changed twice within a second."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    hints: list[str] = []
    for hint in ("red", "tan"):
        file = folder.write("standard", more=f"def hint(self):\n    return {hint!r}\n")
        os.utime(file, (1_000_000_000, 1_000_000_000))
        hints.append(folder.load("standard")("red").hint())
    assert hints == ["red", "tan"]
    assert [one.name for one in file.parent.iterdir()] == ["standard.py"], "nothing is left beside it"


def test_unknown_name_tells_what_there_is(folder: Folder) -> None:
    folder.write("standard")
    folder.write("other")
    assert folder.refusal("third") == "There is no lamp 'third'; available are: other, standard."


def test_two_modules_of_one_name_are_refused(folder: Folder, tmp_path: Path) -> None:
    second = Folder(tmp_path / "second")
    folder.write("table_lamp", "table/lamp")
    second.write("table_lamp")
    with pytest.raises(ConfigurationError, match=r"two lamps of one name: .*modules.*second.*Rename"):
        load(LAMPS, "table/lamp", [folder.path, second.path])


def test_modules_dir_must_be_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--modules_dir: '.*nowhere' is not a directory"):
        available(LAMPS, [tmp_path / "nowhere"])


def test_entry_points_come_last(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "site"
    info = package / "lamp_shop-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lamp-shop\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[mesos_service.lamps]\nsold = lamp_shop:Sold\nstolen = lamp_shop:Stolen\nlost = lamp_shop:Lost\n"
    )
    (package / "lamp_shop.py").write_text(
        "from tests.unit.plugins.test_loader import Lamp\nclass Sold(Lamp):"
        + BODY.format(name="sold")
        + "\nStolen = 3\n"
    )
    monkeypatch.syspath_prepend(str(package))
    assert [found.name for found in available(LAMPS)] == ["lost", "sold", "stolen"]
    assert load(LAMPS, "sold").name == "sold"
    with pytest.raises(ConfigurationError, match=r"'stolen': lamp_shop:Stolen is not a class that extends Lamp"):
        load(LAMPS, "stolen")
    with pytest.raises(ConfigurationError, match=r"'lost' \(lamp_shop:Lost\) cannot be imported: AttributeError"):
        load(LAMPS, "lost")


FAULTS = {
    "method switch() is missing": BODY.replace("def switch", "def swatch"),
    "method switch() lacks argument 'dim'": BODY.replace(", *, dim=0", ""),
    "method switch() lacks argument 'on'": BODY.replace("self, on, *", "self, *"),
    "method switch() has 'off' where argument 'on' belongs": BODY.replace("self, on", "self, off"),
    "method switch() has an argument 'speed' without default that nobody passes": BODY.replace("dim=0", "dim=0, speed"),
    "method switch() must have a default for argument 'dim'": BODY.replace("dim=0", "dim"),
    "method switch() must not be 'async'": BODY.replace("    def switch", "    async def switch"),
    "method wait() must be 'async'": BODY.replace("async def wait", "def wait"),
    "hint must be a method": BODY + "\n    hint = 'text'\n",
    "method __init__() lacks argument 'colour'": BODY + "\n    def __init__(self):\n        pass\n",
    "api_version 2; this version has 1": BODY + "\n    api_version = 2\n",
    "Config is not a pydantic model": BODY + "\n    class Config:\n        pass\n",
    "class Mine has no 'name'": BODY.replace('name = "{name}"', "pass"),
    "calls itself 'else'; its file would have to be 'else.py'": BODY.replace("{name}", "else"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_in_a_sentence(folder: Folder, fault: str) -> None:
    folder.write("faulty", body=FAULTS[fault])
    refusal = folder.refusal("faulty")
    assert refusal.startswith("The lamp 'faulty'")
    assert fault in refusal
    assert refusal.endswith(".")


VERSIONED: dict[str, tuple[Kind[Any], str, str]] = {  # Any: of each kind
    "ALLOCATORS": (ALLOCATORS, "hierarchical", "--allocator"),
    "OFFER_FILTERS": (OFFER_FILTERS, "at_least", "--offer_filters"),
    "ISOLATORS": (ISOLATORS, "posix/cpu", "--isolation"),
}
"""A module of each kind, and the flag that names some."""


def write_dated(folder: Path, constant: str, version: str) -> None:
    """A module that is one of ours but for its name and version."""
    kind, base, _ = VERSIONED[constant]
    (folder / kind.folder).mkdir(exist_ok=True)
    (folder / kind.folder / "dated.py").write_text(
        f"from mesos_service.plugins.loader import {constant}, load\n\n\n"
        f"class Dated(load({constant}, '{base}')):\n    name = 'dated'\n    api_version = {version}\n"
    )


@pytest.mark.parametrize("version", ["0", "2", "None", "'1'"])
@pytest.mark.parametrize("constant", VERSIONED)
def test_m_mo_03_a_module_of_another_version_is_refused_whatever_its_kind(
    tmp_path: Path, constant: str, version: str
) -> None:
    kind = VERSIONED[constant][0]
    write_dated(tmp_path, constant, "1")
    assert load(kind, "dated", [tmp_path]).name == "dated"
    write_dated(tmp_path, constant, version)
    with pytest.raises(ConfigurationError) as refused:
        load(kind, "dated", [tmp_path])
    written = version.strip("'")
    assert str(refused.value) == (
        f"The {kind.singular} 'dated' is written for api_version {written}; this version has 1."
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return True", None),
        ("return version >= '0'", None),
        ("return False", "says that it does not go with version {}."),
        ("return ''", "says that it does not go with version {}."),
        ("return 'It wants 9.'", "says that it does not go with version {}: It wants 9."),
        ("return None", "compatible() gave neither a bool nor a text."),
        ("raise SystemExit(0)", "compatible('{}') raised SystemExit: 0."),
        ("return version.nothing", "raised AttributeError"),
    ],
)
@pytest.mark.parametrize("constant", VERSIONED)
def test_m_mo_03_a_module_says_itself_with_which_version_it_goes(
    tmp_path: Path, constant: str, body: str, said: str | None
) -> None:
    kind = VERSIONED[constant][0]
    write_dated(tmp_path, constant, "1")
    with (tmp_path / kind.folder / "dated.py").open("a") as file:
        file.write(f"\n    @staticmethod\n    def compatible(version):\n        {body}\n")
    if said is None:
        assert load(kind, "dated", [tmp_path]).name == "dated"
        return
    with pytest.raises(ConfigurationError, match=f"The {kind.singular} 'dated'") as refused:
        load(kind, "dated", [tmp_path])
    assert said.format(__version__) in str(refused.value)


@pytest.mark.parametrize("constant", VERSIONED)
def test_m_mo_03_a_service_does_not_start_with_one(
    tmp_path: Path, constant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_dated(tmp_path, constant, "2")
    flags = [f"--modules_dir={tmp_path}", f"{VERSIONED[constant][2]}=dated", "--check_config"]
    agent = ["agent", "--master=127.0.0.1:5050", f"--work_dir={tmp_path / 'work'}"]
    assert run([*(agent if constant == "ISOLATORS" else ["master"]), *flags]) == 2
    assert "'dated' is written for api_version 2; this version has 1." in capsys.readouterr().err


@pytest.mark.parametrize(
    "switch",
    ["def switch(self, *args, **more):", "def switch(self, on, *, dim=0, speed=1):", "def switch(self, on, dim=0):"],
)
def test_more_general_methods_are_fine(folder: Folder, switch: str) -> None:
    body = BODY.replace("def switch(self, on, *, dim=0):", switch).replace('"on" if on else "off"', '"on"')
    folder.write("general", body=body)
    assert folder.load("general")("red").switch(True, dim=3) == "on"


def test_one_file_one_class(folder: Folder) -> None:
    folder.write("two", more="\n", body=BODY + "\nclass Other(Mine):\n    pass\n")
    assert "must have exactly one class that extends Lamp; it has: Mine, Other." in folder.refusal("two")
    (folder.path / "lamps" / "none.py").write_text("from tests.unit.plugins.test_loader import Lamp\n")
    assert "it has: none." in folder.refusal("none")


def test_parameters_are_read_into_config(folder: Folder) -> None:
    folder.write(
        "set",
        head="from pydantic import BaseModel",
        more="class Config(BaseModel):\n    watts: int = 5\n    warm: bool\n",
    )
    module = folder.load("set")
    config = read_config(module, {"watts": "40", "warm": "true"})
    assert config is not None
    assert config.model_dump() == {"watts": 40, "warm": True}
    for values, fault in (
        ({"warm": "maybe"}, "Module 'set', parameter 'warm': Input should be a valid boolean"),
        ({}, "Module 'set', parameter 'warm': Field required"),
        ({"warm": "1", "volts": "3"}, "Module 'set' has no parameter 'volts'; it has: watts, warm."),
    ):
        with pytest.raises(ConfigurationError) as refused:
            read_config(module, values)
        assert fault in str(refused.value)


def test_a_module_without_config_takes_no_parameters(folder: Folder) -> None:
    folder.write("standard")
    module = folder.load("standard")
    assert read_config(module, {}) is None
    with pytest.raises(ConfigurationError, match="has no parameter 'watts'; it has: none"):
        read_config(module, {"watts": 3})


def test_modules_travel_inside_the_package_once_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "mesos_service"
    package.mkdir()
    monkeypatch.setattr(mesos_service, "__file__", str(package / "__init__.py"))
    assert loader.builtin_modules_dir() == tmp_path / "modules"
    (package / "modules").mkdir()
    assert loader.builtin_modules_dir() == package / "modules"


@pytest.mark.parametrize("kind", [ALLOCATORS, ISOLATORS], ids=lambda kind: str(kind.folder))
def test_every_built_in_module_keeps_its_interface(kind: Kind[Any]) -> None:  # Any: modules of any kind
    found = available(kind)
    assert found
    for module in found:
        assert load(kind, module.name).name == module.name
