"""From the request of another client to a call."""

from typing import Any, Final

from attrs import define, field

from unbroken import Clock, Dialect, Headers, Request
from unbroken.errors import ConfigurationError
from unbroken.plain_http import refuse_exposed_credentials
from unbroken.transport import Connections

from ._auto import dialect_called, dialect_name
from ._own_timeouts import OwnTimeouts
from ._warnings import warn_once

OF_THE_HOP: Final = frozenset(
    {"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"}
)
"""The header fields of one connection, which a transport writes itself (RFC 9110 §7.6.1)."""

_RETRIES_ABOVE: Final = "x-stainless-retry-count"
_SIGNED: Final = "AWS4-HMAC-SHA256"


@define(eq=False)
class Requests:
    """Makes of each httpx or httpx2 request what a relay needs."""

    dialect: Dialect | None
    """None chooses it for each request."""
    connections: Connections
    insecure: bool
    _warned: set[str] = field(factory=set[str], init=False)

    def ready(self, request: Any, content: bytes) -> Request:
        """Return `request`, with that `content`, as it is to be sent. Warns once of each thing that is unwise.

        Raises ConfigurationError for a request that cannot be sent.
        """
        made = Request(
            method=request.method,
            url=str(request.url.copy_with(username=None, password=None)),  # the client has made a header of them
            headers=_headers(request),
            content=content,
        )
        if request.headers.get(_RETRIES_ABOVE, "0") not in ("", "0"):
            warn_once(self._warned, "the client above tries again as well: give it max_retries=0")
        if not self.insecure:
            self._warn_of_exposed(made)
        return made

    def meaning(self, request: Any) -> Dialect:
        """Return the dialect of the answer."""
        return self.dialect or dialect_called(dialect_name(request.url.host, request.url.path))

    def _warn_of_exposed(self, made: Request) -> None:
        try:
            refuse_exposed_credentials(made, self.connections)
        except ConfigurationError as error:
            warn_once(self._warned, str(error))


def own_timeouts(request: Any, clock: Clock) -> OwnTimeouts | None:
    """Return the timeouts that the client sets for `request`, None if there are none."""
    given: dict[str, float | None] = request.extensions.get("timeout") or {}
    connect, read = given.get("connect"), given.get("read")
    return None if connect is None and read is None else OwnTimeouts(clock.monotonic, connect, read)


def _headers(request: Any) -> Headers:
    """Return the headers to send: those of the client, and no encoding unless its signature covers that."""
    fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw]
    fields = [(name, value) for name, value in fields if name.lower() not in OF_THE_HOP]
    if not request.headers.get("authorization", "").startswith(_SIGNED):
        fields = [(name, value) for name, value in fields if name.lower() != "accept-encoding"]
        fields.append(("accept-encoding", "identity"))
    return Headers.validated(fields)
