"""Fetches what a command needs into its sandbox, one URI after another (M-AG-14; Mesos docs, fetcher).

Understood are absolute paths, ``file://``, ``http://`` and ``https://``. An archive is unpacked beside itself when its
URI says so, by the ending of its name. What asks for it comes by way of a cache (``fetch_cache.py``),
where it is brought once for all; an archive is then unpacked from there, and is not in the sandbox (as in Mesos).
"""

from __future__ import annotations

import asyncio
import os
import ssl
import stat as file_modes
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import unquote, urlsplit

import httpx

from mesos_service.containers.archive import ArchiveLimits, extract, is_archive
from mesos_service.containers.archive_reading import ArchiveRefused
from mesos_service.containers.beneath import DIRECTORY, LeadsOut, Way, give, make, opened
from mesos_service.containers.fetch_cache import FetchCache, NoRoom
from mesos_service.containers.plan import UriSpec
from mesos_service.containers.users import User
from mesos_service.domain.errors import OperatingFault

_CHUNK_BYTES = 256 * 1024
_EXECUTABLE_BITS = 0o111


class FetchFailed(OperatingFault):
    """The text names the URI, without any password in it, and the reason."""

    def __init__(self, uri: str, reason: str) -> None:
        super().__init__(f"Failed to fetch '{_without_password(uri)}': {reason}")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchLimits:
    """Bounds on one URI."""

    connect_seconds_max: float = 20.0
    stall_seconds_max: float = 60.0
    """No byte for this long is a failure (Mesos: ``--fetcher_stall_timeout``)."""
    redirects_max: int = 10
    download_bytes_max: int = 8 * 1024**3
    archive: ArchiveLimits = field(default_factory=ArchiveLimits)


class Fetcher:
    """One may serve all containers of an agent. ``frameworks_home`` is where relative paths begin."""

    def __init__(
        self,
        limits: FetchLimits | None = None,
        frameworks_home: Path | None = None,
        cache: FetchCache | None = None,
    ) -> None:
        self._limits = limits or FetchLimits()
        self._frameworks_home = frameworks_home
        self._cache = cache
        self._trust: ssl.SSLContext | None = None
        self._succeeded = self._failed = 0

    def metrics(self) -> Mapping[str, float]:
        """By Mesos' names: how many launches got all that they asked for, and how many did not."""
        return {
            "containerizer/fetcher/task_fetches_failed": float(self._failed),
            "containerizer/fetcher/task_fetches_succeeded": float(self._succeeded),
            **({} if self._cache is None else self._cache.metrics()),
        }

    async def fetch(self, uris: Sequence[UriSpec], sandbox: Path, user: User | None = None) -> None:
        """Fetch all into ``sandbox``, in order. Raises :class:`FetchFailed` at the first that cannot be had.

        ``user`` gets to own the files; a local file that ``user`` may not read is refused. When cancelled, nothing is
        written any more once this has come back.
        """
        try:
            await self._fetch_all(uris, sandbox, user)
        except FetchFailed:
            self._failed += 1
            raise
        self._succeeded += 1

    async def _fetch_all(self, uris: Sequence[UriSpec], sandbox: Path, user: User | None) -> None:
        for uri in uris:
            try:
                with opened(sandbox) as directory:
                    await self._fetch_one(uri, directory, user)
            except (_Refused, ArchiveRefused) as error:
                raise FetchFailed(uri.value, str(error)) from error
            except OSError as error:
                raise FetchFailed(uri.value, error.strerror or repr(error)) from error
            except ValueError as error:  # What ``urllib`` says of a URL that is none.
                raise FetchFailed(uri.value, f"it is not a URI: {error}") from error

    async def _fetch_one(self, uri: UriSpec, sandbox: int, user: User | None) -> None:
        scheme, separator, _ = uri.value.partition("://")
        scheme = scheme.lower() if separator else ""
        if "\0" in uri.value:
            raise _Refused("it holds a NUL character")
        if scheme in ("http", "https"):
            source: str | Path = uri.value
            parts = _place(uri, urlsplit(uri.value).path)
        elif scheme in ("", "file"):
            source = self._local(uri.value)
            parts = _place(uri, str(source))
        else:
            raise _Refused(f"the scheme '{scheme}' is not supported (file, http and https are)")
        with Way(sandbox) as way:
            try:
                way.go(parts[:-1], missing=lambda name, at: make(name, at, user))
            except LeadsOut as error:
                raise _Refused(f"output_file '{uri.output_file}' leads through a symbolic link") from error
            place = _Place(way.here, parts[-1], user)
            if uri.cache and self._cache is not None:
                try:
                    await self._take_from(self._cache, uri, source, place, sandbox)
                except NoRoom:
                    pass
                else:
                    return
            with await self._bring(source, place, user) as file:
                if uri.executable:
                    _make_executable(file)
                elif uri.extract and is_archive(place.name):
                    await _in_thread(lambda stop: self._unpack(place.name, file, sandbox, user, stop))

    async def _bring(self, source: str | Path, place: _Place, reader: User | None) -> IO[bytes]:
        """Fetch to ``place`` what ``reader`` may read. What it has become is given back open, as its name may lead
        elsewhere by now: the directory is the user's."""
        if not isinstance(source, Path):
            return await self._download(source, place)
        files: list[IO[bytes]] = []
        try:
            await _in_thread(lambda stop: files.append(self._copy(source, place, reader, stop)))
        except asyncio.CancelledError:
            for file in files:
                file.close()
            raise
        return files[0]

    async def _take_from(
        self, cache: FetchCache, uri: UriSpec, source: str | Path, place: _Place, sandbox: int
    ) -> None:
        """By way of the cache; raises ``NoRoom``."""
        user = place.owner
        key = ("" if user is None else user.name, uri.value)

        async def size() -> int:
            if not isinstance(source, Path):
                return await self._announced(source)
            return (await asyncio.to_thread(source.stat)).st_size

        async def bring(to: Path) -> None:
            directory = os.open(to.parent, DIRECTORY)
            try:
                (await self._bring(source, _Place(directory, to.name, None), user)).close()
            finally:
                os.close(directory)

        async with cache.file(key, place.name, size, bring) as cached:
            if uri.extract and not uri.executable and is_archive(place.name):
                if cached.name != place.name:  # Another task calls it otherwise; the name says how it is unpacked.
                    raise NoRoom
                with cached.open("rb") as content:
                    await _in_thread(lambda stop: self._unpack(place.name, content, sandbox, user, stop))
            else:
                # Who may read it was settled when it was brought, for this same user.
                with await self._bring(cached, place, None) as file:
                    if uri.executable:
                        _make_executable(file)

    async def _announced(self, url: str) -> int:
        """How large a download will be. Raises ``NoRoom`` where the server does not say: room cannot be made for it."""
        async with self._requests() as client:
            answer = await client.head(url)
        length = answer.headers.get("content-length", "")
        if answer.status_code != httpx.codes.OK or not length.isdecimal():
            raise NoRoom
        return int(length)

    def _local(self, value: str) -> Path:
        if value.lower().startswith("file://"):
            parts = urlsplit(value)
            if parts.netloc not in ("", "localhost"):
                raise _Refused(f"'{parts.netloc}' is not this machine; a file URI reads file:///path")
            path = Path(unquote(parts.path))
        else:
            path = Path(value)
        if not path.is_absolute():
            if self._frameworks_home is None:
                raise _Refused("a relative path needs the agent's --frameworks_home to begin at")
            path = self._frameworks_home / path
        return path

    def _copy(self, source: Path, place: _Place, reader: User | None, stop: threading.Event) -> IO[bytes]:
        handle = os.open(source, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(handle)
        if not file_modes.S_ISREG(status.st_mode):
            os.close(handle)
            raise _Refused("it is not a regular file")
        with os.fdopen(handle, "rb") as content, ExitStack() as unfinished:
            if reader is not None and not _may_read(reader, status, handle):
                raise _Refused(f"user '{reader.name}' may not read it")
            if status.st_size > self._limits.download_bytes_max:
                raise _Refused(f"it is bigger than {self._limits.download_bytes_max} bytes")
            target = unfinished.enter_context(_create(place))
            while chunk := content.read(_CHUNK_BYTES):
                if stop.is_set():
                    raise _Refused("fetching was stopped")
                target.write(chunk)
            target.flush()
            # By what is open: its name may lead elsewhere by now, as the directory is the user's.
            os.fchmod(target.fileno(), 0o755 if status.st_mode & _EXECUTABLE_BITS else 0o644)
            unfinished.pop_all()
            return target

    async def _download(self, url: str, place: _Place) -> IO[bytes]:
        limits = self._limits
        with ExitStack() as unfinished:
            async with self._requests() as client, client.stream("GET", url) as response:
                if response.status_code != httpx.codes.OK:
                    raise _Refused(f"the server answered {response.status_code} {response.reason_phrase}".rstrip())
                received = 0
                target = unfinished.enter_context(_create(place))
                async for chunk in response.aiter_raw(_CHUNK_BYTES):
                    received += len(chunk)
                    if received > limits.download_bytes_max:
                        raise _Refused(f"it is bigger than {limits.download_bytes_max} bytes")
                    target.write(chunk)
                target.flush()
            unfinished.pop_all()
            return target

    @asynccontextmanager
    async def _requests(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client, and the words for what goes wrong with it."""
        limits = self._limits
        try:
            if self._trust is None:
                self._trust = ssl.create_default_context()  # Slow to make, so only once.
            async with _client(limits, self._trust) as client:
                yield client
        except httpx.TimeoutException as error:
            seconds = (
                limits.connect_seconds_max if isinstance(error, httpx.ConnectTimeout) else limits.stall_seconds_max
            )
            raise _Refused(f"the server was silent for {seconds:g} s") from error
        except httpx.TooManyRedirects as error:
            raise _Refused(f"it was redirected more than {limits.redirects_max} times") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _Refused(str(error) or repr(error)) from error

    def _unpack(self, name: str, archive: IO[bytes], sandbox: int, user: User | None, stop: threading.Event) -> None:
        archive.seek(0)
        extract(name, archive, sandbox, self._limits.archive, stop, user)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file is to be."""

    directory: int
    """A handle that stays open as long as this is used."""
    name: str
    owner: User | None


class _Refused(Exception):
    """Why a URI cannot be had; becomes a :class:`FetchFailed` that names the URI as well."""


@asynccontextmanager
async def _client(limits: FetchLimits, trust: ssl.SSLContext) -> AsyncIterator[httpx.AsyncClient]:
    timeout = httpx.Timeout(limits.stall_seconds_max, connect=limits.connect_seconds_max)
    async with httpx.AsyncClient(
        timeout=timeout,
        verify=trust,
        follow_redirects=True,
        max_redirects=limits.redirects_max,
        headers={"Accept-Encoding": "identity"},  # Bytes are kept as they are sent.
    ) as client:
        yield client


def _place(uri: UriSpec, path: str) -> Sequence[str]:
    """The names of the directories in the sandbox where the file goes, and its own."""
    if uri.output_file is None:
        name = PurePosixPath(path).name
        if not name:
            raise _Refused("it does not name a file; give an output_file")
        return (name,)
    parts = PurePosixPath(uri.output_file).parts
    if uri.output_file.startswith("/") or ".." in parts or not parts or "\0" in uri.output_file:
        raise _Refused(f"output_file '{uri.output_file}' is not a path inside the sandbox")
    return parts


def _make_executable(file: IO[bytes]) -> None:
    handle = file.fileno()
    os.fchmod(handle, os.fstat(handle).st_mode | _EXECUTABLE_BITS)


def _create(place: _Place) -> IO[bytes]:
    """Open a new file in place of whatever file or link has the name."""
    with suppress(FileNotFoundError):
        os.unlink(place.name, dir_fd=place.directory)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    handle = os.open(place.name, flags, 0o644, dir_fd=place.directory)
    give(handle, place.owner)
    return os.fdopen(handle, "w+b")


def _may_read(user: User, status: os.stat_result, handle: int) -> bool:
    """Whether ``user`` may read this file, by the bits of the file and of the directories on the way to it."""
    groups = os.getgrouplist(user.name, user.gid)

    def allowed(of: os.stat_result, bit: int) -> bool:
        if of.st_uid == user.uid:
            return bool(of.st_mode & (bit << 6))
        return bool(of.st_mode & (bit << 3 if of.st_gid in groups else bit))

    # Of what is open: by another name, or by a link that was turned since, it is still this file.
    real = Path(f"/proc/self/fd/{handle}").readlink()
    return allowed(status, 4) and all(allowed(directory.stat(), 1) for directory in real.parents)


async def _in_thread(work: Callable[[threading.Event], None]) -> None:
    """Do blocking work in a thread; a cancellation tells it to stop, and waits until it has."""
    stop = threading.Event()
    working = asyncio.ensure_future(asyncio.to_thread(work, stop))
    try:
        await asyncio.shield(working)
    except asyncio.CancelledError:
        stop.set()
        await asyncio.wait({working})
        if not working.cancelled():
            working.exception()  # It was told to stop; that it did so is no news.
        raise


def _without_password(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return uri
    if "@" not in parts.netloc:
        return uri
    return parts._replace(netloc="***@" + parts.netloc.rpartition("@")[2]).geturl()
