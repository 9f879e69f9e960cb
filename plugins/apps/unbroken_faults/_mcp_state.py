"""What an MCP server remembers: calls, sessions, streams. All of it follows from the requests until now."""

from ._conversation import Earlier, Speech
from ._fault import Fault
from ._mcp_call import RESUME, SESSION, Call
from ._mcp_tools import run
from ._requests import ReceivedRequest

PATH = "/mcp"


def result_of(request: ReceivedRequest, fault: Fault, text: str, earlier: Earlier) -> str:
    """Return what the tool says; empty if `request` calls none, or is refused."""
    call = Call(request)
    if call.tool is None or request.method != "POST" or fault.status != 200:
        return ""
    if fault.text is not None:
        return fault.text
    return run(call, text, sum(reply.model == call.tool for _, reply in _past(earlier) if reply.result))


def is_open(session: str, earlier: Earlier) -> bool:
    """Return whether `session` was begun and is not deleted."""
    past = _past(earlier)
    if any(request.method == "DELETE" and request.headers.get(SESSION) == session for request, _ in past):
        return False
    return any(reply.id == session and Call(request).method == "initialize" for request, reply in past)


def resumed(request: ReceivedRequest, earlier: Earlier) -> tuple[ReceivedRequest, Speech, int] | None:
    """Return the request whose stream `request` resumes, its reply, and how many of its events the client has.

    None: ``Last-Event-ID`` is none of an event that was sent.
    """
    number, _, index = request.headers.get(RESUME, "").partition("-")
    if not (number.isdecimal() and index.isdecimal() and len(number + index) < 20):
        return None
    past = (entry for entry in _past(earlier) if entry[0].number == int(number))
    return next(((each, reply, int(index) + 1) for each, reply in past), None)


def _past(earlier: Earlier) -> list[tuple[ReceivedRequest, Speech]]:
    return [entry for entry in earlier() if entry[0].path.endswith(PATH)]
