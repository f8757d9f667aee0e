from collections.abc import Callable

class KazooRetry:
    def __init__(
        self,
        max_tries: int = ...,
        delay: float = ...,
        backoff: float = ...,
        max_delay: float = ...,
        sleep_func: Callable[[float], object] = ...,
    ) -> None: ...
