"""Idle connections. The newest one to an origin is used first; the oldest of all is closed first.

There are no locks, for the reasons in `places`: a connection belongs to the thread that takes it out of `_all`, which
is one call into C.
"""

import time
from collections import OrderedDict
from contextlib import suppress
from typing import Final, final

from .connection import Connection
from .route import Key

EXPIRY: Final = 60.0
"""Seconds after which a connection that was not used is closed; there is no timer, it is seen at the next occasion."""


@final
class Idle:
    """The idle connections of a pool, by where they lead."""

    def __init__(self) -> None:
        self._all: OrderedDict[Connection, None] = OrderedDict()
        self._by_key: dict[Key, OrderedDict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._all)

    def put(self, connection: Connection) -> None:
        """Keep `connection`, and close those that have expired."""
        connection.idle_since = now = time.monotonic()
        self._by_key.setdefault(connection.key, OrderedDict())[connection] = None
        self._all[connection] = None
        while (oldest := self._oldest()) is not None and now - oldest.idle_since > EXPIRY:
            self._drop(oldest)

    def take(self, key: Key) -> Connection | None:
        """Return the connection to `key` that was used last, None when there is none that can be used."""
        newest = self._by_key.get(key)
        while newest:
            with suppress(KeyError):  # another thread was faster
                connection, _ = newest.popitem()
                self._all.pop(connection)
                if time.monotonic() - connection.idle_since <= EXPIRY and connection.usable():
                    return connection
                connection.close()
        return None

    def forget(self, key: Key) -> None:
        """Close all connections to `key`: one of them turned out to be closed by the server."""
        for connection in list(self._by_key.get(key, ())):
            self._drop(connection)

    def evict(self) -> bool:
        """Close the oldest connection. Returns whether there was one."""
        oldest = self._oldest()
        if oldest is not None:
            self._drop(oldest)
        return oldest is not None

    def close(self) -> None:
        """Close all."""
        while self.evict():
            pass

    def _oldest(self) -> Connection | None:
        while self._all:
            with suppress(RuntimeError):  # another thread has changed it between the two steps
                return next(iter(self._all), None)
        return None

    def _drop(self, connection: Connection) -> None:
        siblings = self._by_key.get(connection.key)
        if siblings is not None:
            siblings.pop(connection, None)
            if not siblings:
                self._by_key.pop(connection.key, None)
        if self._all.pop(connection, connection) is None:
            connection.close()
