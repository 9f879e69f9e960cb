"""The dialect keeps the contract of dialects, for a call that may be repeated and for one of a tool."""

from unbroken.errors import ServerError, ValidationError
from unbroken.testing import RecordedError, Recording, check_dialect
from unbroken_mcp import MCP

from .talk import CALL, LIST, SAID, URL, events, failed, notification, result

KEEPALIVES = (b": ping\n\n", events({}))


def test_the_dialect_keeps_the_contract():
    """Errors are JSON-RPC errors, which have no HTTP form but the same class."""
    recording = Recording(
        pieces=(events(notification()), events(notification("notifications/message")), events(result(**SAID))),
        text="3",
        url=URL,
        request=LIST,
        keepalives=KEEPALIVES,
        errors=(
            RecordedError(data=events(failed(-32603)), error=ServerError, status=500),
            RecordedError(data=events(failed(-32602)), error=ValidationError, status=400),
        ),
    )
    check_dialect(MCP(), recording)


def test_so_it_does_for_a_tool_that_may_run_again():
    check_dialect(
        MCP(repeatable_tools=("add",)),
        Recording(pieces=(events(result(**SAID)),), text="3", url=URL, request=CALL, keepalives=KEEPALIVES),
    )
