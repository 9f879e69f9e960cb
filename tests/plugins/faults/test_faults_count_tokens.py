"""What the server says at ``/messages/count_tokens``, where nothing is streamed."""

import hashlib
import json

import pytest

from unbroken_faults import Fault, FaultServer, faults

QUESTION = {"model": "claude-test", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def count(ask):
    """Send one request to count tokens and see the answer."""
    return lambda server, body=QUESTION, **more: ask(server, body=body, path="/v1/messages/count_tokens", **more)


@pytest.mark.parametrize("body", [QUESTION, {**QUESTION, "stream": True}], ids=["plain", "asked-to-stream"])
def test_the_count_is_the_estimate_of_the_input(count, body):
    """As JSON, also if the request asks for a stream."""
    with FaultServer() as server:
        seen = count(server, body)
        (reply,) = server.replies
    assert (seen.header("content-type"), seen.header("request-id")) == ("application/json", reply.request_id)
    assert json.loads(seen.body) == {"input_tokens": reply.input_tokens}


def test_the_usage_of_a_fault_is_counted(count):
    """The first of its two numbers."""
    with FaultServer([Fault(usage=(12, 9))]) as server:
        assert json.loads(count(server).body) == {"input_tokens": 12}


@pytest.mark.parametrize("fault", [faults.rate_limited(1), faults.overloaded(), faults.spend_limit()])
def test_refusals_are_those_of_messages(ask, count, fault):
    """In body and headers."""
    with FaultServer(default=fault) as server:
        seen = count(server)
        server.reset()
        assert seen.raw == ask(server, body=QUESTION).raw


@pytest.mark.parametrize(
    ("fault", "ending"),
    [
        pytest.param(faults.cut(after=1, how="close"), "complete", id="behind-the-answer"),
        pytest.param(Fault(after_bytes=5, then="close"), "eof", id="within-the-answer"),
        pytest.param(faults.reset(), "reset", id="reset"),
        pytest.param(faults.silence(), "silence", id="silence"),
    ],
)
def test_a_fault_of_the_connection_meets_a_count_too(count, fault, ending):
    """The answer is one piece."""
    with FaultServer([fault]) as server:
        assert count(server, silence=0.2).ending == ending


def test_events_of_a_faults_own_are_streamed_and_no_error_is_told_in_them(count):
    """There are no errors in a stream that this API does not have."""
    with FaultServer([Fault(events=[b"data: x\n\n"], error="overloaded_error")]) as server:
        assert count(server).body == b"data: x\n\n"


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_only_post_counts(count, method):
    """Anything else is not there."""
    with FaultServer() as server:
        assert count(server, method=method).status == 404


def test_the_same_seed_gives_the_same_bytes(count):
    """Recorded, so that they are those of every other machine too."""
    with FaultServer([Fault(), faults.sliced(), faults.rate_limited(retry_after=1)], seed=7) as server:
        raw = b"".join(count(server).raw for _ in range(3))
    assert hashlib.sha256(raw).hexdigest()[:16] == "cf50d2079c35fad6"
