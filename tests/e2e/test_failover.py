"""Sixteen ways in which the first upstream of a gateway fails, streamed and plain by one table (R16).

Every call ends whole from the second target or, after content, in one typed error; never in part of an answer that
calls itself a success.
"""

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import trustme
from attrs import field, frozen

import unbroken
from unbroken.messages import Timeouts
from unbroken.registry import resolve_dialect
from unbroken_fallback import Fallback, Target
from unbroken_faults import Fault, FaultServer, faults
from unbroken_retry import Retry
from unbroken_sdk import protect

pytestmark = pytest.mark.in_matrix

Way = Literal["stream", "plain"]
PATHS = {"anthropic": "/v1/messages", "openai": "/v1/chat/completions"}
QUICK = Timeouts(connect=5, first_event=0.3, idle=0.3, total=20)
JSON = "application/json"


@frozen(kw_only=True)
class Failure:
    """How the first target fails, and what the history says of it."""

    stream: Fault | None = None
    plain: Fault | None = None
    """None: the same as streamed."""
    server: Literal["faults", "nobody", "tls"] = "faults"
    error: type[unbroken.Error]
    """The class of the failure, or what the classes of both ways have in common."""
    after_content: type[unbroken.Error] | None = None
    """The class of the error of a stream that has begun; a plain answer is held, so it moves on."""
    attempts: int = field(default=2)
    """At the first target, with one retry."""

    def fault(self, way: Way) -> Fault:
        return (self.plain if way == "plain" else None) or self.stream or Fault()


def error_object(kind: bytes) -> Fault:
    """A failure that is told inside a 200."""
    return Fault(body=b'{"type":"error","error":{"type":"%b","message":"no"}}' % kind, content_type=JSON)


FAILURES = {
    "connect-refused": Failure(server="nobody", error=unbroken.NetworkError),
    "tls": Failure(server="tls", error=unbroken.NetworkError, attempts=1),
    "401": Failure(stream=faults.status(401), error=unbroken.AuthenticationError, attempts=1),
    "403": Failure(stream=faults.status(403), error=unbroken.AuthenticationError, attempts=1),
    "429": Failure(stream=faults.rate_limited(), error=unbroken.RateLimitError),
    "429-with-hint": Failure(stream=faults.rate_limited(retry_after=600), error=unbroken.RateLimitError, attempts=1),
    "500": Failure(stream=faults.server_error(), error=unbroken.ServerError),
    "529": Failure(stream=faults.overloaded(), error=unbroken.OverloadedError),
    "slow-head": Failure(stream=Fault(latency=60), error=unbroken.TimeoutError, attempts=1),
    "silence": Failure(stream=faults.stall(after=0), error=unbroken.TimeoutError, attempts=1),
    "cut-before-content": Failure(
        stream=faults.cut(after=2), plain=Fault(after_bytes=0, then="close"), error=unbroken.NetworkError
    ),
    "cut-after-content": Failure(
        stream=faults.cut(after=-3),
        plain=Fault(after_bytes=60, then="close"),
        error=unbroken.NetworkError,
        after_content=unbroken.TruncatedStreamError,
    ),
    "error-event-first": Failure(
        stream=faults.error_first(), plain=error_object(b"overloaded_error"), error=unbroken.OverloadedError
    ),
    "error-event-later": Failure(
        stream=faults.error_after(after=-3),
        plain=error_object(b"api_error"),
        error=unbroken.ServerError,
        after_content=unbroken.OverloadedError,
    ),
    "garbage": Failure(
        stream=faults.not_http(),
        plain=Fault(body=b"{garbage", content_type=JSON, framing="chunked"),
        error=unbroken.Error,
    ),
    "wrong-content-type": Failure(stream=faults.captive_portal(), error=unbroken.ContentTypeError, attempts=1),
    "empty-answer": Failure(
        stream=Fault(body=b"", content_type="text/event-stream", framing="chunked"),
        plain=Fault(body=b"", content_type=JSON, framing="chunked"),
        error=unbroken.Error,
    ),
}


@contextlib.contextmanager
def first_target(failure: Failure, way: Way) -> Iterator[tuple[str, Callable[[], int]]]:
    """Serve the failure. Yields the base URL, and a function that returns how many requests arrived."""
    if failure.server == "nobody":
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            yield f"http://127.0.0.1:{nobody.getsockname()[1]}", lambda: 0
        return
    context = None
    if failure.server == "tls":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    with FaultServer(default=failure.fault(way), ssl_context=context) as server:
        yield server.url, lambda: len(server.requests)


def text_of(dialect: str, way: Way, outcome: Any) -> str:
    """Return the text of an answer: of the events, or of the JSON."""
    if way == "plain":
        said = outcome.json()
        return str(said["content"][0]["text"] if dialect == "anthropic" else said["choices"][0]["message"]["content"])
    return "".join(resolve_dialect(dialect).text(event) or "" for event in outcome.events)


def called(caller: Any, way: Way, url: str, **call: Any) -> Any:
    """Make a call. Returns what is whole of it; raises its error."""
    if way == "plain":
        accept = {"accept": JSON}  # without it a page of HTML is an answer like any other
        return caller.send(url, json={"model": "m", "messages": []}, headers=accept, timeouts=QUICK, **call)
    seen = caller.call(url, json={"model": "m", "messages": [], "stream": True}, timeouts=QUICK, **call)
    if seen.error is not None:
        raise seen.error
    return seen.succeeded()


@pytest.mark.parametrize("way", ["stream", "plain"])
@pytest.mark.parametrize("dialect", PATHS)
@pytest.mark.parametrize("failure", FAILURES.values(), ids=[f"R16-{name}" for name in FAILURES])
def test_a_failing_target_is_left_for_the_next(connect: Any, failure: Failure, dialect: str, way: Way) -> None:
    """Whole from the second target, with its own key and its own model; or one typed error after content."""
    with first_target(failure, way) as (url, requests), FaultServer() as second:
        target = Target(url=second.url, body={"model": "theirs"}, keys=({"x-api-key": "theirs"},), name="second")
        retry = Retry(max_retries=1, initial_delay=0.01, jitter=0)
        caller = connect(plugins=[Fallback(targets=[target]), retry], dialect=dialect, headers={"x-api-key": "mine"})
        if failure.after_content is not None and way == "stream":
            with pytest.raises(failure.after_content) as caught:
                called(caller, way, url + PATHS[dialect])
            assert caught.value.delivered
            assert (requests(), second.requests, caught.value.attempts) == (1, [], 1)
            return
        answer = called(caller, way, url + PATHS[dialect])
        assert text_of(dialect, way, answer) == second.replies[0].text
        (request,) = second.requests
        assert (request.json()["model"], request.headers["x-api-key"]) == ("theirs", "theirs")
        history = answer.history if way == "plain" else answer.stream.history
        assert history[-1].reason.startswith("to second")
        assert len(history) == failure.attempts
        assert issubclass(getattr(unbroken, history[-1].error), failure.error)
        assert requests() in {0, len(history)}


@pytest.mark.parametrize("way", ["stream", "plain"])
@pytest.mark.parametrize("dialect", PATHS)
def test_R17_a_malformed_request_is_sent_once(connect: Any, dialect: str, way: Way) -> None:
    """Whatever stands behind: no retries, no other target, no other key."""
    with FaultServer(default=faults.status(400)) as first, FaultServer() as second:
        target = Target(url=second.url, keys=({"x-api-key": "a"}, {"x-api-key": "b"}))
        caller = connect(plugins=[Fallback(targets=[target]), Retry()], dialect=dialect)
        with pytest.raises(unbroken.ValidationError):
            called(caller, way, first.url + PATHS[dialect])
        assert (len(first.requests), len(second.requests)) == (1, 0)


@pytest.mark.parametrize("way", ["stream", "plain"])
def test_R17_attempts_are_bounded_over_the_whole_graph(connect: Any, way: Way) -> None:
    """Two targets that name each other, and all of them down: so many requests and no more."""
    down = faults.server_error()
    with FaultServer(default=down) as first, FaultServer(default=down) as second:
        targets = [
            Target(url=second.url, keys=({"x-api-key": "a"}, {"x-api-key": "b"})),
            Target(url=first.url),
            Target(body={"model": "other"}),
        ]
        retry = Retry(max_retries=2, initial_delay=0.0, max_delay=0.0)
        caller = connect(plugins=[Fallback(targets=targets), retry])
        with pytest.raises(unbroken.ServerError) as caught:
            called(caller, way, first.url + PATHS["anthropic"])
        assert caught.value.attempts == 4 * 3
        assert (len(first.requests), len(second.requests)) == (9, 3)


def test_no_credential_of_one_target_reaches_another(connect: Any) -> None:
    """Not in any request that arrived, wherever the call went."""
    sent = {"authorization": "Bearer own-1", "x-api-key": "own-2", "cookie": "session=own-3", "x-plain": "all"}
    down = faults.server_error()
    with FaultServer(default=down) as first, FaultServer(default=down) as second, FaultServer() as third:
        targets = [
            Target(url=second.url, keys=({"x-api-key": "second"},)),
            Target(url=third.url, headers={"api-key": "third"}),
        ]
        caller = connect(plugins=[Fallback(targets=targets)], headers=sent)
        caller.call(f"{first.url}/v1/messages?beta=true&key=own-4").succeeded()
        (one,), (two,), (three,) = first.requests, second.requests, third.requests
    assert "own-4" in one.query
    for request, own in ((two, "second"), (three, "third")):
        shown = f"{request.raw_headers!r} {request.query}"
        assert "own-" not in shown
        assert own in shown
        assert request.headers["x-plain"] == "all"
        assert request.query == "beta=true"
    assert "second" not in f"{three.raw_headers!r}"


@pytest.mark.wire_only
def test_a_call_of_an_sdk_moves_on_too() -> None:
    """Without a word of its own: the program still has the first address, the first key and the first model."""
    import anthropic

    with FaultServer(default=faults.overloaded()) as first, FaultServer() as second:
        target = Target(url=second.url, body={"model": "theirs"}, keys=({"x-api-key": "theirs"},))
        policies = [Fallback(targets=[target]), Retry(max_retries=0)]
        with protect(anthropic.Anthropic(base_url=first.url, api_key="mine", max_retries=0), policies) as client:
            said = {"model": "mine", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}
            with client.messages.stream(**said) as stream:
                assert stream.get_final_text() == second.replies[0].text
            assert client.messages.create(**said).content[0].text == second.replies[1].text
        assert len(first.requests) == 1  # the second call went past it
        assert {request.headers["x-api-key"] for request in second.requests} == {"theirs"}
        assert {request.headers["host"] for request in second.requests} == {second.url.removeprefix("http://")}
