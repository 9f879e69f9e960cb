"""API keys and tokens. The transport adds them to a request, so no plugin, log record or error contains them."""

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
"""A function that returns a token. Only the async handlers accept a coroutine function."""
Refresh = Callable[[], str | Awaitable[str | None] | None]

PATIENCE: Final = 30.0
"""The timeout in seconds of a coroutine function that returns a token. A sync function cannot be interrupted."""


class _OfOwnRequests(Plugin):
    """Knows the origins to which the caller sends requests. Credentials go to no other: a fallback has its own."""

    def __init__(self) -> None:
        super().__init__()
        self._origins: frozenset[str] = frozenset()

    def before_request(self, call: Call, request: Request) -> None:
        """Remember where the caller sends this request."""
        if call.request.origin not in self._origins:
            self._origins |= {call.request.origin}


class Credentials(_OfOwnRequests):
    """Send a key or a token in `header`, after `scheme`. If `value` is a function, it is called for each attempt.

    A request that already has the header keeps its own; one that a policy sends to another origin gets none. An
    exception of the function becomes an AuthenticationError that contains only the class name of the exception; an
    `unbroken.Error` is raised unchanged.
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
        """Add the credentials to each request."""
        return _Transport(self._put, transport)

    def wrap_async_transport(self, transport: AsyncTransport) -> AsyncTransport:
        """Add the credentials to each request."""
        return _AsyncTransport(self._aput, transport)

    def _put(self, request: Request) -> Request:
        if self._header in request.headers or request.origin not in self._origins:
            return request
        provider = self._provider
        return request.with_headers(self._fields if provider is None else self._checked(_asked(provider)))

    async def _aput(self, request: Request) -> Request:
        if self._header in request.headers or request.origin not in self._origins:
            return request
        provider = self._provider
        return request.with_headers(self._fields if provider is None else self._checked(await _awaited(provider)))

    def _checked(self, token: Any) -> Headers:
        return _fields(self._header, self._scheme, token)

    def __repr__(self) -> str:
        return f"<Credentials {self._header}: ***>"


_GENERATION: Key[int] = Key("refresh-auth.generation")
_REFRESHED: Key[bool] = Key("refresh-auth.refreshed")


class RefreshAuth(_OfOwnRequests):
    """Refresh credentials after a 401 and try again once: ``RefreshAuth(refresh)``.

    `refresh` is called before the next attempt, once for all calls that failed with the same credentials. With an
    `AsyncClient` it may be a coroutine function. If it returns text, that text is the bearer token of all later
    requests. If it returns None, the token provider is expected to return a new token. A 403 is not retried. An
    exception of `refresh` becomes an AuthenticationError with its class name; an `unbroken.Error` is raised unchanged.
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
        """The generation of the credentials that the server refused."""
        self._refreshing = threading.Lock()

    def before_request(self, call: Call, request: Request) -> None:
        """Remember which generation of credentials the attempt uses."""
        super().before_request(call, request)
        call.set(_GENERATION, self._generation)

    def should_retry(self, call: Call, error: Error) -> ShouldRetry:
        """Ask for another attempt the first time that the server refuses the credentials."""
        if not isinstance(error, AuthenticationError) or error.is_local or error.status_code == 403:
            return None
        if call.current.origin != call.request.origin:  # those of a fallback
            return None
        if call.get(_REFRESHED):
            return None
        call.set(_REFRESHED, True)
        if call.get(_GENERATION) == self._generation:
            self._stale = self._generation
        return TryAgain(0.0, reason="with refreshed credentials")

    def wrap_transport(self, transport: Transport) -> Transport:
        """Refresh the credentials, if the server refused them, before a request is sent."""
        return _Transport(self._put, transport)

    def wrap_async_transport(self, transport: AsyncTransport) -> AsyncTransport:
        """Refresh the credentials, if the server refused them, before a request is sent."""
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
        fields = self._fields if request.origin in self._origins else None
        return request if fields is None else request.with_headers(fields)

    def __repr__(self) -> str:
        return "<RefreshAuth>"


class RequestId(Plugin):
    """Send the id of the call as ``X-Request-ID``, the same for all its attempts, so that the backend can log it."""

    name: ClassVar[str] = "request-id"

    def before_request(self, call: Call, request: Request) -> Request:
        """Add the id to the request."""
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
            token.close()  # otherwise Python warns that it was never awaited
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
