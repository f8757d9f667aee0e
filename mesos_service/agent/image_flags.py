"""The agent's flags about images (Mesos docs, "Container Image")."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from pydantic import AfterValidator, Field

from mesos_service.configuration.forms import FileTextFlag
from mesos_service.configuration.service import MemberFlags
from mesos_service.containers.provisioner import Backend

_NANOSECONDS = 1_000_000_000
_HOUR = 3600 * _NANOSECONDS


class _Interval(msgspec.Struct, forbid_unknown_fields=True):
    nanoseconds: Annotated[int, msgspec.Meta(ge=1)] = _HOUR


class _DockerName(msgspec.Struct):
    name: str


class _Excluded(msgspec.Struct):
    docker: _DockerName | None = None


class ImageGcConfig(msgspec.Struct, forbid_unknown_fields=True):
    """When images that nobody uses go (Mesos: flags.proto, ``ImageGcConfig``)."""

    image_disk_headroom: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    """The part of the disk that is to be free; as long as more is, all images stay."""
    image_disk_watch_interval: _Interval = msgspec.field(default_factory=_Interval)
    excluded_images: tuple[_Excluded, ...] = ()

    @property
    def interval_seconds(self) -> float:
        """Between two looks at the disk."""
        return self.image_disk_watch_interval.nanoseconds / _NANOSECONDS

    @property
    def kept(self) -> frozenset[str]:
        """Names of images that stay in any case."""
        return frozenset(one.docker.name for one in self.excluded_images if one.docker is not None)


def read_image_gc_config(text: str) -> ImageGcConfig:
    """Of JSON. Raises ``ValueError``."""
    try:
        return msgspec.json.decode(text, type=ImageGcConfig)
    except msgspec.DecodeError as error:
        raise ValueError(f"it is not what it has to be: {error}") from error


def _check_gc(text: str) -> str:
    read_image_gc_config(text)
    return text


def _check_registry(text: str) -> str:
    if "://" in text:
        raise ValueError("it is a directory of tar files; images are not fetched from servers")
    if not Path(text).is_absolute():
        raise ValueError("it is an absolute path")
    return text


def _check_sandbox_directory(text: str) -> str:
    if not text.startswith("/") or not text.strip("/") or {".", ".."} & set(text.split("/")):
        raise ValueError("it is an absolute path, and not the root")
    return text


class ImageFlags(MemberFlags):
    """A part of :class:`~mesos_service.agent.config.AgentConfig`."""

    image_providers: Literal["docker"] | None = Field(
        None, description="What images containers may have: docker. Without, none. Needs filesystem/linux."
    )
    docker_registry: Annotated[str, AfterValidator(_check_registry)] | None = Field(
        None,
        description="Directory with images as tar files: NAME.tar, of a root file system or by 'docker save'."
        " Servers are not asked.",
    )
    docker_store_dir: Path | None = Field(
        None, description="Where images are unpacked. Default: 'store/docker' in --work_dir."
    )
    image_provisioner_backend: Backend | None = Field(
        None,
        description="How an image becomes a container's root: overlay, bind (cannot be written to) or copy. Default:"
        " overlay where the kernel has it, else copy.",
    )
    image_gc_config: Annotated[FileTextFlag, AfterValidator(_check_gc)] | None = Field(
        None,
        description="Remove images that no container uses when the disk is full, as JSON:"
        ' {"image_disk_headroom": 0.1, "image_disk_watch_interval": {"nanoseconds": 3600000000000}}.',
    )
    sandbox_directory: Annotated[str, AfterValidator(_check_sandbox_directory)] = Field(
        "/mnt/mesos/sandbox", description="Where a container with an image sees its sandbox."
    )
