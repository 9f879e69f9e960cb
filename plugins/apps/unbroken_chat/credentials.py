"""Who is asking. Credentials are put on a request in the transport: no plugin, log record or error ever sees them."""

import inspect
import threading
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, Final, cast

import anyio
from attrs import define

from unbroken import (
    AsyncExchange,
    AsyncTransport,
    AuthenticationError,
    Call,
    Error,
    Exchange,
    Headers,
    Key,
    Opening,
    Plugin,
    Request,
    Transport,
    TryAgain,
)
from unbroken.decisions import ShouldRetry
from unbroken.validators import refused

TokenProvider = Callable[[], str | Awaitable[str]]
Refresh = Callable[[], str | Awaitable[str | None] | None]

PATIENCE: Final = 30.0
"""Seconds that a function which is awaited may take for a token. One that blocks cannot be interrupted."""


class Credentials(Plugin):
    """Sends a key or a token, a fresh one with each attempt where a function provides it.

    It is sent as `header`, behind `scheme`. A request that has that header already keeps its own. What the function
    raises, unless it is an Error, becomes an AuthenticationError that names no more than its class.
    """

    name: ClassVar[str] = "credentials"

    def __init__(self, header: str, value: str | TokenProvider, *, scheme: str = "") -> None:
        super().__init__()
        self._header, self._scheme = header, scheme
        self._provider: TokenProvider | None = None
        self._fields = Headers()
        if callable(value):
            self._provider = value
        else:
            self._fields = self._checked(value)

    def wrap_transport(self, transport: Transport) -> Transport:
        """Put the credentials on each request."""
        return _Transport(self._put, transport)

    def wrap_async_transport(self, transport: AsyncTransport) -> AsyncTransport:
        """Put the credentials on each request."""
        return _AsyncTransport(self._aput, transport)

    def _put(self, request: Request) -> Request:
        if self._header in request.headers:
            return request
        provider = self._provider
        return request.with_headers(self._fields if provider is None else self._checked(_asked(provider)))

    async def _aput(self, request: Request) -> Request:
        if self._header in request.headers:
            return request
        provider = self._provider
        return request.with_headers(self._fields if provider is None else self._checked(await _awaited(provider)))

    def _checked(self, token: Any) -> Headers:
        return _fields(self._header, self._scheme, token)

    def __repr__(self) -> str:
        return f"<Credentials {self._header}: ***>"


_GENERATION: Key[int] = Key("refresh-auth.generation")
_REFRESHED: Key[bool] = Key("refresh-auth.refreshed")


class RefreshAuth(Plugin):
    """Refreshes credentials that the server refuses, and tries again once: ``RefreshAuth(refresh)``.

    `refresh` is called before the next attempt, once for all calls that were refused with the same credentials; for an
    `AsyncClient` it may be a coroutine function. A text that it returns is sent as bearer token from then on, in place
    of the one given at first; None says that the token provider has a new one now. A 403 is no matter of refreshing.
    What `refresh` raises, unless it is an Error, becomes an AuthenticationError that names its class.
    """

    name: ClassVar[str] = "refresh-auth"

    def __init__(self, refresh: Refresh) -> None:
        super().__init__()
        if not callable(refresh):
            raise refused("refresh", f"must be a function, not {type(refresh).__name__}")
        self._refresh = refresh
        self._fields: Headers | None = None
        self._generation = 0
        self._stale = -1
        """The generation of credentials that was refused."""
        self._refreshing = threading.Lock()

    def before_request(self, call: Call, request: Request) -> None:
        """Note with which credentials the attempt is made."""
        call.set(_GENERATION, self._generation)

    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        """Ask for another attempt, the first time that the credentials are refused."""
        if not isinstance(error, AuthenticationError) or error.is_local or error.status_code == 403:
            return None
        if call.get(_REFRESHED):
            return None
        call.set(_REFRESHED, True)
        if call.get(_GENERATION) == self._generation:
            self._stale = self._generation
        return TryAgain(0.0, reason="with refreshed credentials")

    def wrap_transport(self, transport: Transport) -> Transport:
        """Refresh before sending."""
        return _Transport(self._put, transport)

    def wrap_async_transport(self, transport: AsyncTransport) -> AsyncTransport:
        """Refresh before sending."""
        refreshing = anyio.Lock()

        async def put(request: Request) -> Request:
            if self._is_stale:
                async with refreshing:
                    if self._is_stale:
                        self._renew(await _awaited(self._refresh))
            return self._with(request)

        return _AsyncTransport(put, transport)

    def _put(self, request: Request) -> Request:
        if self._is_stale:
            with self._refreshing:
                if self._is_stale:
                    self._renew(_asked(self._refresh))
        return self._with(request)

    @property
    def _is_stale(self) -> bool:
        return self._stale == self._generation

    def _renew(self, token: str | None) -> None:
        if token is not None:
            self._fields = _fields("Authorization", "Bearer ", token)
        self._generation += 1

    def _with(self, request: Request) -> Request:
        return request if self._fields is None else request.with_headers(self._fields)

    def __repr__(self) -> str:
        return "<RefreshAuth>"


class RequestId(Plugin):
    """Sends the id of the call as ``X-Request-ID``, the same with every attempt, for the logs of the backend."""

    name: ClassVar[str] = "request-id"

    def before_request(self, call: Call, request: Request) -> Request:
        """Put the id on the request."""
        return request.with_headers({"X-Request-ID": call.id})


@define(eq=False, repr=False)
class _Transport:
    put: Callable[[Request], Request]
    inner: Transport

    def open(self, request: Request, opening: Opening) -> Exchange:
        return self.inner.open(self.put(request), opening)

    def close(self) -> None:
        self.inner.close()


@define(eq=False, repr=False)
class _AsyncTransport:
    put: Callable[[Request], Awaitable[Request]]
    inner: AsyncTransport

    async def open(self, request: Request, opening: Opening) -> AsyncExchange:
        return await self.inner.open(await self.put(request), opening)

    async def aclose(self) -> None:
        await self.inner.aclose()


def _fields(header: str, scheme: str, token: Any) -> Headers:
    if not isinstance(token, str) or not token:
        raise refused("token", f"must be a text that is not empty, not {type(token).__name__}")
    return Headers.validated({header: f"{scheme}{token}"})


def _asked(function: Callable[[], Any]) -> Any:
    try:
        token = function()
    except Error:
        raise
    except Exception as error:
        raise _failed(function, f"raised {type(error).__name__}") from error
    if inspect.isawaitable(token):
        if inspect.iscoroutine(token):
            token.close()  # or it would warn that it was never awaited
        raise _failed(function, "has to be awaited, which only the async client does")
    return token


async def _awaited(function: Callable[[], Any]) -> Any:
    try:
        token = function()
        if inspect.isawaitable(token):
            with anyio.fail_after(PATIENCE):
                token = await token
    except Error:
        raise
    except TimeoutError as error:
        raise _failed(function, "took too long") from error
    except Exception as error:
        raise _failed(function, f"raised {type(error).__name__}") from error
    return token


def _failed(function: Callable[[], Any], what: str) -> AuthenticationError:
    name = cast("str", getattr(function, "__name__", type(function).__name__))
    return AuthenticationError(f"no credentials: {name} {what}", is_local=True)
