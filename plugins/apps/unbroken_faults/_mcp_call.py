"""A message of the Model Context Protocol as it was received."""

from typing import Any, Final, cast

from attrs import Factory, field, frozen

from ._conversation import body_of
from ._requests import ReceivedRequest

HANDSHAKE: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
"""The revisions with sessions, oldest first. Only the last one has priming events."""
MODERN: Final = ("2026-07-28",)
"""The revisions without sessions."""
SESSION: Final = "mcp-session-id"
RESUME: Final = "last-event-id"
_VERSION: Final = "mcp-protocol-version"


@frozen
class Call:
    """A JSON-RPC message. Any JSON may be in any place; what is not valid there counts as missing."""

    request: ReceivedRequest
    body: dict[str, Any] = field(
        init=False, repr=False, default=Factory(lambda self: body_of(self.request), takes_self=True)
    )

    @property
    def method(self) -> str | None:
        """The method; None for what is no request and no notification."""
        method = self.body.get("method")
        return method if isinstance(method, str) else None

    @property
    def id(self) -> str | int | None:
        """The id; None for what has no valid one."""
        return _name(self.body.get("id"))

    @property
    def params(self) -> dict[str, Any]:
        """The parameters; empty if there are none."""
        return _object(self.body.get("params"))

    @property
    def token(self) -> str | int | None:
        """The progress token; None if the client wants no progress."""
        return _name(_object(self.params.get("_meta")).get("progressToken"))

    @property
    def logs(self) -> bool:
        """Whether log messages may be sent: always with sessions, otherwise if the client wants them."""
        return not self.modern or "io.modelcontextprotocol/logLevel" in _object(self.params.get("_meta"))

    @property
    def tool(self) -> str | None:
        """The name of the tool that is called; None if none is."""
        name = self.params.get("name")
        return name if self.method == "tools/call" and isinstance(name, str) else None

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the tool; empty if there are none."""
        return _object(self.params.get("arguments"))

    @property
    def version(self) -> str:
        """The revision of the protocol: what the client names, or the newest with sessions."""
        named = self.params.get("protocolVersion") if self.method == "initialize" else None
        version = named or self.request.headers.get(_VERSION)
        return str(version) if version in (*HANDSHAKE, *MODERN) else HANDSHAKE[-1]

    @property
    def modern(self) -> bool:
        """Whether the revision has no sessions."""
        return self.version in MODERN and self.method != "initialize"

    @property
    def resumable(self) -> bool:
        """Whether streams begin with a priming event, and their events have ids."""
        return self.version == HANDSHAKE[-1]

    @property
    def is_request(self) -> bool:
        """Whether an answer is wanted."""
        return self.method is not None and self.id is not None

    @property
    def is_one_way(self) -> bool:
        """Whether this is a notification, or a response of the client."""
        notifies = self.method is not None and "id" not in self.body
        return notifies or (self.method is None and bool({"result", "error"} & self.body.keys()))


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _name(value: Any) -> str | int | None:
    return value if isinstance(value, str | int) and not isinstance(value, bool) else None
