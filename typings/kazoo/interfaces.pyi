from collections.abc import Callable
from typing import Generic, TypeVar

T_co = TypeVar("T_co", covariant=True)

class IAsyncResult(Generic[T_co]):
    exception: BaseException | None
    def rawlink(self, callback: Callable[[IAsyncResult[T_co]], object]) -> None: ...
    def get_nowait(self) -> T_co: ...
