from typing import NamedTuple

class KazooState(str):
    SUSPENDED: KazooState
    CONNECTED: KazooState
    LOST: KazooState

class KeeperState(str):
    AUTH_FAILED: KeeperState

class WatchedEvent(NamedTuple):
    type: str
    state: str
    path: str | None

class ZnodeStat(NamedTuple):
    czxid: int
    mzxid: int
    ephemeralOwner: int
