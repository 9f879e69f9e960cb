"""The messages of JSON-RPC 2.0, and what a request asks for (https://www.jsonrpc.org/specification)."""

from typing import Any, Final

from attrs import frozen

from unbroken.error_bodies import as_list, as_object
from unbroken.errors import StreamError
from unbroken.messages import Event, Request

Id = str | float
"""The id of a request. ``"1"`` is another id than ``1``."""

LISTEN: Final = "subscriptions/listen"
CALL: Final = "tools/call"
_STATELESS: Final = "2026-07-28"
"""The revision from which on there are no sessions, no ids of events and no resumption."""
# Those that read, or of which a second one changes nothing more.
_SAFE: Final = frozenset(
    {
        "completion/complete",
        "initialize",
        "logging/setLevel",
        "ping",
        "prompts/get",
        "prompts/list",
        "resources/list",
        "resources/read",
        "resources/subscribe",
        "resources/templates/list",
        "resources/unsubscribe",
        "server/discover",
        "subscriptions/listen",
        "tasks/get",
        "tasks/list",
        "tasks/result",
        "tools/list",
    }
)


@frozen
class Asked:
    """What the content of a request is."""

    ids: tuple[Id, ...] = ()
    """The ids of the JSON-RPC requests in it: one, or several in a batch."""
    methods: tuple[str, ...] = ()
    """The methods of the requests and notifications in it, and an empty one for anything else."""
    tools: tuple[str, ...] = ()
    """The tools that it calls."""

    @property
    def listens(self) -> bool:
        """Whether the answer is a feed."""
        return LISTEN in self.methods

    def repeatable(self, tools: frozenset[str]) -> bool:
        """Return whether nothing in it may not be done twice. `tools` are those that may be called twice."""
        safe = all(method in _SAFE or method == CALL or method.startswith("notifications/") for method in self.methods)
        return bool(self.methods) and safe and tools.issuperset(self.tools)


def asked(request: Request) -> Asked:
    """Return what `request` asks for. Never raises."""
    try:
        messages = messages_of(request.json()) if request.method == "POST" else []
    except (ValueError, RecursionError):
        return Asked()
    methods = tuple(method_of(message) or "" for message in messages)
    requests = [message for message in messages if method_of(message) is not None]
    ids = tuple(id for message in requests if (id := id_of(message)) is not None)
    calls = [as_object(message.get("params")).get("name") for message in requests if message["method"] == CALL]
    return Asked(ids, methods, tuple(name if isinstance(name, str) else "" for name in calls))


def messages_of(value: Any) -> list[dict[str, Any]]:
    """Return the messages in `value`: it is one, or a batch (revision 2025-03-26 and before)."""
    return [message for message in map(as_object, as_list(value)) if message]


def messages_in(event: Event) -> list[dict[str, Any]]:
    """Return the messages in `event`. Never raises."""
    try:
        return messages_of(event.json())
    except StreamError:
        return []


def id_of(message: dict[str, Any]) -> Id | None:
    """Return the id of `message`, None without a valid one."""
    id = message.get("id")
    return id if isinstance(id, str | int | float) and not isinstance(id, bool) else None


def method_of(message: dict[str, Any]) -> str | None:
    """Return the method of a request or notification, None for a response."""
    method = message.get("method")
    return method if isinstance(method, str) else None


def is_stateless(request: Request) -> bool:
    """Return whether `request` is of a revision without sessions and resumption."""
    return request.headers.get("mcp-protocol-version", "") >= _STATELESS
