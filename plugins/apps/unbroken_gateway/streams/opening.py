"""Opens the log that the settings name."""

from pathlib import Path

from unbroken.clock import Clock

from ..config.settings import Resume
from ..state.opening import REDIS, SQLITE
from . import DEADLINE, StreamLog
from .memory import MemoryLog
from .redis import RedisLog
from .sealing import SealedLog, sealing_key
from .sqlite import SQLiteLog


def open_log(url: str, settings: Resume, *, clock: Clock | None = None, deadline: float = DEADLINE) -> StreamLog:
    """Return the log at `url`: ``memory``, ``sqlite:PATH``, or a ``redis://``, ``rediss://`` or ``unix://`` URL.

    The logs of ``sqlite:gateway.db`` are in ``gateway-streams.db`` beside it, so that writing them does not hold up
    the state. Raises ValueError for another URL or a bad encryption key, sqlite3.Error and OSError for a bad file.
    """
    key = None if settings.encryption_key is None else sealing_key(settings.encryption_key)
    log: StreamLog
    if url == "memory":
        log = MemoryLog(settings.max_bytes, clock)
    elif url.startswith(SQLITE):
        path = Path(url.removeprefix(SQLITE))
        log = SQLiteLog(path.with_stem(f"{path.stem}-streams"), settings.max_bytes, clock, deadline)
    elif url.startswith(REDIS):
        log = RedisLog(url, settings.max_bytes, deadline)
    else:
        raise ValueError(f"the state must be memory, sqlite:PATH or a redis:// URL, not {url.partition(':')[0]!r}")
    return log if key is None else SealedLog(log, key)
