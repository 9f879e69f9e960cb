"""Calls that are not streamed, against real sockets: over the wire, httpx and httpx2."""

from typing import Any

import pytest

import unbroken
from unbroken.headers import user_agent
from unbroken.messages import Timeouts
from unbroken_faults import Fault, FaultServer, faults
from unbroken_retry import Retry

pytestmark = pytest.mark.over_httpx

PATH = "/v1/messages"
CUT = [
    pytest.param(Fault(after_bytes=40, then="close", framing="content-length"), id="short-content-length"),
    pytest.param(Fault(after_bytes=40, then="close", framing="chunked"), id="no-last-chunk"),
    pytest.param(Fault(after_bytes=40, then="reset"), id="reset"),
    pytest.param(Fault(after_bytes=40, then="end", framing="close"), id="close-delimited"),
    pytest.param(Fault(after_bytes=40, then="end", framing="chunked"), id="half-the-json-in-good-framing"),
    pytest.param(Fault(after_bytes=40, then="stall"), id="stalled"),
    pytest.param(faults.overloaded(), id="overloaded"),
]


@pytest.mark.parametrize("fault", CUT)
def test_a_broken_answer_is_asked_for_again(connect: Any, fault: Fault) -> None:
    """The program gets the whole one, and the connection of the broken one is not used again."""
    caller = connect(plugins=[Retry(initial_delay=0.01)])
    with FaultServer([fault]) as server:
        answer = caller.send(server.url + PATH, timeouts=Timeouts(idle=0.3))
        assert answer.json()["content"][0]["text"]
        assert (answer.json()["stop_reason"], answer.attempts, answer.usage.final) == ("end_turn", 2, True)
        assert [request.json() for request in server.requests] == [{}, {}]
        assert server.requests[0].headers["accept"] == "*/*"
        assert server.requests[0].headers["user-agent"] == user_agent()


@pytest.mark.parametrize("fault", CUT)
def test_an_answer_that_stays_broken_is_one_error(caller: Any, fault: Fault) -> None:
    """Never half an answer."""
    with FaultServer([fault]) as server, pytest.raises(unbroken.Error) as caught:
        caller.send(server.url + PATH, timeouts=Timeouts(idle=0.3))
    assert (caught.value.delivered, len(caught.value.history)) == (False, 1)


def test_a_connection_serves_one_answer_after_the_other(caller: Any) -> None:
    """Streams too."""
    with FaultServer() as server:
        for _ in range(3):
            assert caller.send(server.url + PATH).status_code == 200
            caller.call(server.url + PATH).succeeded()
        assert {request.connection for request in server.requests} == {1}


def test_a_large_file_arrives_whole(caller: Any, raw: Any) -> None:
    """In many reads, and with any bytes."""
    body = bytes(range(256)) * 40_000

    def serve(client: Any, number: int) -> None:
        raw.request(client)
        client.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        raw.some(client)

    assert caller.send(raw.server(serve).url).content == body
