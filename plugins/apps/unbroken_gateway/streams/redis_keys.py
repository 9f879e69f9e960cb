"""The names of a stream's keys in Redis, and the clients of Redis."""

import math
from typing import Any


def log_key(id: str) -> str:
    """Return the key of the frames of the stream `id`."""
    return f"unbroken:{{{id}}}:log"


def keys(id: str) -> list[str]:
    """Return all keys of a stream in the order of the scripts. One hash tag keeps them on one server."""
    return [f"unbroken:{{{id}}}:{part}" for part in ("log", "meta", "lease", "readers", "marks")]


def client(url: str, connections: int) -> Any:
    """Return a client that neither retries nor has timeouts of its own: its callers bound each operation.

    A command waits for a free connection. One that is cancelled closes its connection, so no later command gets its
    answer. Raises ValueError for a bad URL.
    """
    import redis.asyncio
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool: Any = redis.asyncio.BlockingConnectionPool
    options = {"timeout": None, "socket_timeout": None, "socket_connect_timeout": None, "protocol": 2}
    retry = Retry(NoBackoff(), 0)
    return redis.asyncio.Redis.from_pool(pool.from_url(url, max_connections=connections, retry=retry, **options))


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds, rounded up."""
    return math.ceil(seconds * 1000)
