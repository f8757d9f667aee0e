"""What a task's or an executor's ``ContainerInfo`` asks of isolators (M-AG-08, M-AG-10)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from mesos_service.domain.containers import (
    CAPABILITIES,
    NOTHING,
    Image,
    IpcMode,
    Rlimit,
    Seccomp,
    Source,
    Volume,
    Wish,
    Wishes,
)
from mesos_service.wire import containers as wire

_GIVERS: Final = {
    Wish.RLIMITS: "posix/rlimits",
    Wish.CAPABILITIES: "linux/capabilities",
    Wish.VOLUMES: "filesystem/linux",
    Wish.IMAGE: "filesystem/linux",
    Wish.IPC: "namespaces/ipc",
    Wish.SECCOMP: "linux/seccomp",
    Wish.PROCESSES: "namespaces/pid",
}


class CannotBeHad(ValueError):
    """Nobody here can give it; the text is for the task's status."""


@dataclass(frozen=True, slots=True)
class _Linux:
    effective: frozenset[str] | None = None
    bounding: frozenset[str] | None = None
    ipc_mode: IpcMode | None = None
    shm_megabytes: int | None = None
    seccomp: Seccomp | None = None
    shares_processes: bool = False


def wishes_of(container: wire.ContainerInfo | None, provided: Collection[Wish]) -> Wishes:
    """All of it. ``provided`` is what this agent's isolators can give.

    Raises:
        CannotBeHad: something is asked for that nobody can give, or that makes no sense.
    """
    if container is None:
        return NOTHING
    absent = {
        "network_infos": any(info.name for info in container.network_infos),
        "hostname": container.hostname,
    }
    for name, asked in absent.items():
        if asked:
            raise CannotBeHad(f"The container asks for '{name}', and none of this agent's isolators can give it")
    linux = _linux(container.linux_info)
    wishes = Wishes(
        rlimits=_rlimits(container.rlimit_info),
        effective_capabilities=linux.effective,
        bounding_capabilities=linux.bounding,
        volumes=tuple(map(_volume, container.volumes)),
        image=_image(container.mesos),
        ipc_mode=linux.ipc_mode,
        shm_megabytes=linux.shm_megabytes,
        seccomp=linux.seccomp,
        shares_processes=linux.shares_processes,
    )
    for kind in wishes.kinds():
        if kind is Wish.IMAGE and kind not in provided:
            raise CannotBeHad("The container asks for an image, and this agent has none: --image_providers is not set")
        if kind not in provided:
            raise CannotBeHad(
                f"The container asks for '{kind.value}', and none of this agent's isolators can give it:"
                f" '{_GIVERS[kind]}' is not in --isolation"
            )
    for refusal in wishes.refusals():
        raise CannotBeHad(refusal)
    return wishes


def _image(info: wire.ContainerInfoMesosInfo | None) -> Image | None:
    image = None if info is None else info.image
    if image is None:
        return None
    if image.type != "DOCKER" or image.docker is None:
        raise CannotBeHad(f"The container asks for an image of the kind '{image.type}', and there are only DOCKER's")
    return Image(image.docker.name)


def _rlimits(info: wire.RLimitInfo | None) -> tuple[Rlimit, ...]:
    given = () if info is None else info.rlimits
    return tuple(Rlimit((one.type or "UNKNOWN").removeprefix("RLMT_"), one.soft, one.hard) for one in given)


def _linux(info: wire.LinuxInfo | None) -> _Linux:
    if info is None:
        return _Linux()
    effective = info.effective_capabilities or info.capability_info
    seccomp = info.seccomp
    return _Linux(
        _capabilities(effective),
        _capabilities(info.bounding_capabilities),
        _ipc_mode(info.ipc_mode),
        info.shm_size,
        None if seccomp is None else Seccomp(seccomp.profile_name, bool(seccomp.unconfined)),
        bool(info.share_pid_namespace),
    )


def _ipc_mode(word: str | None) -> IpcMode | None:
    try:
        return None if word is None else IpcMode(word)
    except ValueError:
        raise CannotBeHad(f"There is no ipc_mode '{word}'") from None


def _capabilities(info: wire.CapabilityInfo | None) -> frozenset[str] | None:
    if info is None:
        return None
    for name in info.capabilities:
        if name not in CAPABILITIES:
            raise CannotBeHad(f"There is no capability '{name}'")
    return frozenset(info.capabilities)


def _volume(volume: wire.Volume) -> Volume:
    if volume.image is not None:
        raise CannotBeHad(f"The volume at '{volume.container_path}' is an image, and this agent has none")
    source, path = Source.HOST, volume.host_path
    if volume.source is not None:
        given = volume.source
        if given.type == "HOST_PATH" and given.host_path is not None:
            mode = None if given.host_path.mount_propagation is None else given.host_path.mount_propagation.mode
            if mode == "BIDIRECTIONAL":
                raise CannotBeHad(
                    "A volume asks for bidirectional mounts, and none of this agent's isolators can give it"
                )
            path = given.host_path.path
        elif given.type == "SANDBOX_PATH" and given.sandbox_path is not None:
            source = Source.PARENT if given.sandbox_path.type == "PARENT" else Source.SANDBOX
            path = given.sandbox_path.path
        else:
            raise CannotBeHad(
                f"The volume at '{volume.container_path}' is of a kind '{given.type}' that cannot be had here"
            )
    elif path is not None and not path.startswith("/"):
        source = Source.SANDBOX  # Mesos' older form: a path that is not absolute is one in the sandbox.
    if path is None:
        raise CannotBeHad(f"The volume at '{volume.container_path}' says nothing of where it is taken from")
    return Volume(source=source, path=path, container_path=volume.container_path, read_only=volume.mode == "RO")
