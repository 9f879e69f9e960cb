"""httpx and httpx2 as one: the same names in two packages, each with a pool (httpcore, httpcore2) of its own."""

import functools
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any, Final, Literal

import h11
from attrs import frozen

Name = Literal["httpx", "httpx2"]

CORES: Final[dict[Name, str]] = {"httpx": "httpcore", "httpx2": "httpcore2"}


@frozen
class Library:
    """One of the two libraries."""

    name: Name
    httpx: Any
    """The module ``httpx`` or ``httpx2``."""
    core: Any
    """The module ``httpcore`` or ``httpcore2``."""
    body_class: Any
    """A request body that an upload which is cancelled does not leave half-way."""
    unusable: tuple[type[Exception], ...]
    """What is wrong with the request itself."""
    failures: tuple[type[Exception], ...]
    """What can happen on the network, `unusable` included."""
    timeouts: tuple[type[Exception], ...]
    """A deadline that was passed; not the one of the pool."""
    full: tuple[type[Exception], ...]
    """No connection became free in time."""
    opening_failures: tuple[type[Exception], ...]
    """What can only happen before a connection stands."""

    @property
    def known(self) -> tuple[type[Exception], ...]:
        """Return everything that `translated` knows."""
        return (*self.full, *self.timeouts, *self.failures)


@functools.cache
def library(name: Name) -> Library:
    """Return the library. Raises ImportError, which names the extra, where it is not installed."""
    try:
        httpx, core = import_module(name), import_module(CORES[name])
    except ModuleNotFoundError as error:
        if error.name not in {name, CORES[name]}:
            raise
        message = f"the package {name} is not installed; an extra brings it: pip install 'unbroken[{name}]'"
        raise ImportError(message, name=error.name) from None
    unusable = (
        h11.LocalProtocolError,
        core.LocalProtocolError,
        core.UnsupportedProtocol,
        httpx.LocalProtocolError,
        httpx.UnsupportedProtocol,
        httpx.InvalidURL,
        UnicodeError,  # of a host that IDNA cannot encode
    )
    return Library(
        name=name,
        httpx=httpx,
        core=core,
        body_class=type("Content", (_Content, httpx.ByteStream), {}),
        unusable=unusable,
        failures=(
            *(core.NetworkError, core.ProtocolError, core.ProxyError),
            *(httpx.NetworkError, httpx.ProtocolError, httpx.ProxyError),
            OSError,  # ssl.SSLError within a stream, which httpcore does not translate under asyncio
            *unusable,
        ),
        timeouts=(
            *(core.ConnectTimeout, core.ReadTimeout, core.WriteTimeout),
            *(httpx.ConnectTimeout, httpx.ReadTimeout, httpx.WriteTimeout),
        ),
        full=(core.PoolTimeout, httpx.PoolTimeout),
        opening_failures=(httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ConnectError, httpx.ProxyError),
    )


class _Content:
    """Over an httpx.ByteStream, whose own async iterator is a generator."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
        self._left = [content]

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()
