"""The private names of httpx and httpcore that this package uses: all of them, and only here.

A version that lacks one is named by `tests/plugins/httpx/test_private_names.py`. Everything else in this package goes
through public names; ``inner=`` needs none of these.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Final

PRIVATE: Final = {
    "transport": ("_pool",),
    "pool": (
        "_assign_requests_to_connections",
        "_connections",
        "_network_backend",
        "_optional_thread_lock",
        "_requests",
        "create_connection",
    ),
    "pool request": ("assign_to_connection", "connection", "request"),
    "connection": ("_connection",),  # also of a SOCKS proxy, until there is a way to the server
    "tunnel": ("_connected",),
    "body": ("_connection",),
    "HTTP/1.1 connection": ("_h11_state", "_receive_event"),
}
"""By the object that has them: ``transport`` is httpx's, the others are httpcore's."""


def pool_of(transport: Any) -> Any:
    """Return httpcore's pool of a transport of httpx."""
    return transport._pool


def connections_of(pool: Any) -> Iterable[Any]:
    """Return the connections of a pool, those that are being opened included."""
    return list(pool._connections)


def requests_of(pool: Any) -> Iterable[Any]:
    """Return the requests of a pool, waiting and under way."""
    return list(pool._requests)


def take_over(pool: Any, requests: list[Any], connect: Callable[[Any, Callable[[Any], Any]], Any]) -> None:
    """Make `pool` keep its requests in `requests` and its connections by `connect`.

    `connect` gets an origin and a function that makes httpcore's connection, over the network backend that is made
    from the pool's own. Both are called under the pool's lock.
    """
    create, backend = pool.create_connection, pool._network_backend

    def create_connection(origin: Any) -> Any:
        def create_over(make_backend: Callable[[Any], Any]) -> Any:
            pool._network_backend = make_backend(backend)
            return create(origin)

        return connect(origin, create_over)

    pool.create_connection = create_connection
    pool._requests = requests


def lock_of(pool: Any) -> AbstractContextManager[Any]:
    """Return the lock under which the books of a pool are kept."""
    lock: AbstractContextManager[Any] = pool._optional_thread_lock
    return lock


def forget(pool: Any, over: Callable[[Any], bool]) -> None:
    """Take the requests for which `over` is true out of a pool. Needs its lock."""
    for each in requests_of(pool):
        if over(each.request):
            pool._requests.remove(each)


def reassigned(pool: Any) -> Iterable[Any]:
    """Give the free connections of a pool to its waiting requests; return those to be closed. Needs its lock."""
    closing: Iterable[Any] = pool._assign_requests_to_connections()
    return closing


def leads_to_the_server(connection: Any) -> bool:
    """Whether a connection stands; a proxy is spoken to before that."""
    return getattr(connection, "_connected", True) and getattr(connection, "_connection", True) is not None


def next_event_of(stream: Any) -> Callable[[], Any]:
    """Return the function that returns h11's next event of a response, or a coroutine that does."""
    receive: Callable[[], Any] = stream._connection._receive_event
    return receive


def nothing_behind(stream: Any) -> bool:
    """Whether no byte came behind the end of a body: httpcore would take it for the next response."""
    return bool(stream._connection._h11_state.trailing_data == (b"", False))
