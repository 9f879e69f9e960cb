"""Which state a gateway has."""

import time
from collections.abc import Callable
from typing import Final, Literal

from unbroken.errors import ConfigurationError

from . import State
from .local import Local
from .memory import MemoryState
from .resilient import Closed

REDIS: Final = ("redis://", "rediss://", "unix://")
SQLITE: Final = "sqlite:"


def _ignore(operation: str) -> None:
    """Count nothing."""


def open_state(
    url: str,
    *,
    workers: int = 1,
    on_state_failure: Literal["closed", "local"] = "closed",
    on_failure: Callable[[str], None] = _ignore,
    now: Callable[[], float] = time.time,
) -> State:
    """Return the state of `url`: ``memory``, ``sqlite:PATH`` or the URL of a Redis.

    `workers` is the number of processes, on all machines, that share the limits; `on_failure` is called with the name
    of each operation that a shared state did not do. `now`, in Unix seconds, is for the memory. Redis may be down at
    the start. Raises ConfigurationError.
    """
    if url == "memory":
        if workers > 1:
            raise ConfigurationError(f'state = "memory" is of one worker, not of {workers}: use "sqlite:PATH" or Redis')
        return MemoryState(now)
    shared = _shared(url)
    if on_state_failure == "local":
        return Local(shared, on_failure, workers=workers)
    return Closed(shared, on_failure)


def _shared(url: str) -> State:
    kind, _, path = url.partition(":")
    if kind == "sqlite":
        if path in ("", ":memory:"):
            raise ConfigurationError("state: sqlite: needs the path of a file, such as sqlite:gateway.db")
        from .sqlite import SQLiteState

        return SQLiteState(path)
    if url.startswith(REDIS):
        try:
            from .redis import RedisState
        except ImportError:
            raise ConfigurationError("state: Redis needs the extra: pip install 'unbroken[gateway]'") from None
        return RedisState(url)
    raise ConfigurationError(
        f'state: {kind!r} is none of "memory", "sqlite:PATH" and a URL that begins with redis://, rediss:// or unix://'
    )
