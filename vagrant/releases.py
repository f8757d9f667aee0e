"""Another release of the same software, to upgrade to: its wheel says another version, and all else is alike."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from pathlib import Path
from typing import Final

from mesos_service import __version__
from vagrant.hosts import TestbedFault

ROOT: Final = Path(__file__).resolve().parent.parent
VERSION: Final = "0.1.0+next"


def make_release(version: str, directory: Path) -> Path:
    """A wheelhouse in ``directory`` like this checkout's of ``dist/``, but for the version of the project's wheel."""
    house = ROOT / "dist" / f"mesos-service-{__version__}-wheelhouse.tar"
    if not house.exists():
        raise TestbedFault(f"there is no {house}: make dist")
    path = directory / f"mesos-service-{version}-wheelhouse.tar"
    with tarfile.open(house) as old, tarfile.open(path, "w") as new:
        for member in old.getmembers():
            content = old.extractfile(member)
            name = Path(member.name).name
            if content is None:
                new.addfile(member)
            elif match := re.fullmatch(r"mesos_service-(.+)-py3-none-any\.whl", name):
                data = _renamed(content.read(), match[1], version)
                member.name = member.name.replace(match[1], version)
                member.size = len(data)
                new.addfile(member, io.BytesIO(data))
            else:
                new.addfile(member, content)
    return path


def _renamed(wheel: bytes, old: str, new: str) -> bytes:
    """The wheel under another version, in its metadata and in what the program says of itself."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as source, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as target:
        for item in source.infolist():
            data = source.read(item)
            name = item.filename.replace(f"mesos_service-{old}.dist-info", f"mesos_service-{new}.dist-info")
            if name.endswith("dist-info/RECORD"):
                data = _without_checksums(
                    data.replace(f"mesos_service-{old}.".encode(), f"mesos_service-{new}.".encode())
                )
            elif name.endswith("dist-info/METADATA"):
                data = data.replace(f"\nVersion: {old}\n".encode(), f"\nVersion: {new}\n".encode())
            elif name == "mesos_service/__init__.py":
                data = data.replace(f'"{old}"'.encode(), f'"{new}"'.encode())
            target.writestr(name, data)
    return out.getvalue()


def _without_checksums(record: bytes) -> bytes:
    lines = record.decode().splitlines()
    return "".join(f"{line.rsplit(',', 2)[0]},,\n" for line in lines).encode()
