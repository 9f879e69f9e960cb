import io
import json
import sys
from types import SimpleNamespace

import pytest

import unbroken
import unbroken_cli.stream as cli_stream
from unbroken import Attempt, GiveUp, RateLimitError, Timeouts, Wait
from unbroken_cli._failure import failure_block
from unbroken_cli._progress import Progress
from unbroken_cli.stream import StreamRequest, stream
from unbroken_faults import Fault, faults
from unbroken_timeout import Timeout

BODY = '{"model": "m", "stream": true, "messages": []}'
TEXT = "Water runs downhill."
QUIET = ["--plugins", "retry"]


@pytest.fixture
def url(server) -> str:
    return f"{server.url}/v1/messages"


@pytest.fixture
def ask(invoke, url):
    """Stream one conversation in Anthropic's dialect."""

    def call(*arguments: str, **options):
        return invoke("stream", url, "--dialect", "anthropic", "--json-body", BODY, *arguments, **options)

    return call


def test_text_is_printed_where_the_dialect_knows_it(ask, server):
    """Nothing but the words, exactly, and exit code 0."""
    server.push(faults.ok(TEXT))
    result = ask()
    assert (result.exit_code, result.stdout, result.stderr) == (0, TEXT, "")


def test_a_body_makes_it_a_post_of_json(ask, server):
    """The body goes out as it was given."""
    ask()
    assert server.requests[0].method == "POST"
    assert server.requests[0].headers["content-type"] == "application/json"
    assert server.requests[0].body == BODY.encode()


def test_plain_events_are_printed_as_they_came(invoke, url, server):
    """Without a body it is a GET, without a dialect the events are shown."""
    server.push(Fault(events=(b"data: one\ndata: two\n\n", b"event: tick\ndata: 3\n\n")))
    result = invoke("stream", url)
    assert server.requests[0].method == "GET"
    assert result.stdout == "data: one\ndata: two\n\nevent: tick\ndata: 3\n\n"


def test_text_of_plain_events_is_a_line_each(invoke, url, server):
    """`--text` leaves the framing away."""
    server.push(Fault(events=(b"data: one\n\n", b"event: tick\ndata: 3\n\n")))
    assert invoke("stream", url, "--text").stdout == "one\n3\n"


def test_json_is_one_line_per_event(invoke, url, server):
    """Data that is JSON is JSON, all else is text."""
    server.push(Fault(events=(b'id: 7\ndata: {"a": 1}\n\n', b"event: tick\ndata: {\n\n")))
    first, second = map(json.loads, invoke("stream", url, "--json").stdout.splitlines())
    assert (first["type"], first["data"], first["id"]) == ("message", {"a": 1}, "7")
    assert (second["type"], second["data"]) == ("tick", "{")
    assert first["request_id"] == second["request_id"]


def test_raw_shows_preamble_and_pings(ask):
    """`--raw` hides nothing that the client delivers."""
    assert "event: ping\n" in ask("--raw").stdout


def test_headers_and_method_are_sent(invoke, url, server):
    """`--header` can be repeated; a content type of one's own stays."""
    invoke("stream", url, "--method", "put", "-H", "X-One: 1", "-H", "content-type: text/x", "--json-body", "1")
    request = server.requests[0]
    assert (request.method, request.headers["x-one"], request.headers["content-type"]) == ("PUT", "1", "text/x")


@pytest.mark.parametrize("source", ["file", "stdin"])
def test_a_body_can_come_from_elsewhere(invoke, url, server, nowhere, source):
    """`@file` and `-` are read."""
    (nowhere / "body.json").write_text(BODY)
    given, fed = ("@body.json", None) if source == "file" else ("-", BODY)
    assert invoke("stream", url, "--json-body", given, input=fed).exit_code == 0
    assert server.requests[0].body == BODY.encode()


def test_a_failure_is_a_readable_block_on_standard_error(ask, server):
    """Class, message, both ids, phase, each attempt with what followed, a hint; exit code 1."""
    server.push(faults.status(429, retry_after=0), faults.status(401))
    result = ask(*QUIET)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("AuthenticationError: HTTP 401")
    for words in ("request   req_", "the server's: req_01", "phase     headers", "1. RateLimitError 429: retry waited"):
        assert words in result.stderr
    assert "2. AuthenticationError 401\n" in result.stderr
    assert "hint      the server refused the credentials" in result.stderr


def test_what_was_delivered_stays_when_the_stream_is_cut(ask, server):
    """The text so far is on standard output, the error on standard error."""
    server.push(faults.cut(after=5))
    result = ask()
    assert result.exit_code == 1
    assert len(result.stdout.split()) == 2
    assert result.stderr.startswith("TruncatedStreamError")


def test_credentials_are_never_printed(ask, server):
    """Not even when the server repeats them."""
    secret = "canary-4711-secret"
    server.push(Fault(status=400, message=f"you sent {secret}"))
    result = ask("-H", f"Authorization: Bearer {secret}")
    assert server.requests[0].headers["authorization"] == f"Bearer {secret}"
    assert secret not in result.stdout + result.stderr
    assert "you sent ***" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["--header", "no colon canary-secret"],
        ["--json-body", "{"],
        ["--json-body", "@missing.json"],
        ["--raw", "--json"],
        ["--plugins", "tiemout"],
        ["--dialect", "klingon"],
        ["-H", "X-One: a\nb"],
    ],
    ids=["header", "json", "file", "forms", "plugin", "dialect", "injection"],
)
def test_bad_usage_is_exit_code_2_and_sends_nothing(invoke, url, server, arguments):
    """What is wrong with the command line is said before anything is sent, and repeats no secret."""
    result = invoke("stream", url, *arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert "canary" not in result.stdout + result.stderr
    assert server.requests == []


def test_a_bad_address_is_exit_code_2(invoke):
    """An address that is none is a matter of usage."""
    result = invoke("stream", "ftp://example.org")
    assert result.exit_code == 2
    assert "must start with http" in result.stderr


def test_interrupting_cancels_cleanly(ask, server, monkeypatch):
    """Ctrl-C is exit code 130, and the connection is closed."""
    server.push(faults.stall(after=5))

    def interrupt(text: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_stream, "_write", interrupt)
    result = ask()
    assert (result.exit_code, result.stderr) == (130, "cancelled\n")
    server.wait_idle()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_no_escape_sequences_from_the_server(server, url, monkeypatch):
    """What a server says cannot clear a screen; the prompt gets a line of its own."""
    server.push(Fault(events=(b"data: \x1b[2Jgone\n\n",)))
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert stream(StreamRequest(method="GET", url=url, form="text")) == 0
    assert sys.stdout.getvalue() == "�[2Jgone\n\n"


def test_a_hint_of_the_server_is_part_of_the_block():
    """How long the server wants to be left alone, and who gave up why."""
    error = RateLimitError("slow down", retry_after=86400.0)
    error.history = (
        Attempt(number=1, error="RateLimitError", status_code=429, decided_by="retry", reason="over the cap"),
    )
    block = failure_block(error)
    assert "wait      86400 s" in block
    assert "1. RateLimitError 429: retry gave up (over the cap)" in block


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        (unbroken.TruncatedStreamError, "what was printed is incomplete"),
        (unbroken.TimeoutError, "the timeouts are settings"),
        (unbroken.NetworkError, "is the address right"),
        (unbroken.AuthenticationError, "the server refused the credentials"),
        (unbroken.QuotaExceededError, "waiting does not help"),
        (unbroken.RateLimitError, "the server refuses more requests for now"),
        (unbroken.ValidationError, "the request itself is wrong"),
        (unbroken.OverloadedError, "the server failed"),
        (unbroken.ContentTypeError, "this is no event stream"),
        (unbroken.EventTooLargeError, "an event is larger"),
        (unbroken.StreamError, "what the server sends makes no sense"),
        (unbroken.CircuitOpenError, "the circuit breaker protects the server"),
        (unbroken.PluginError, "a plugin has a bug"),
    ],
)
def test_the_hint_is_that_of_the_most_precise_class(kind, hint):
    """A rate limit and a spent account are not told alike."""
    assert f"\n  hint      {hint}" in failure_block(kind("odd"))


def test_an_error_of_no_known_class_has_no_hint():
    """There is no advice for an error of an unknown kind."""
    from unbroken import Error

    assert failure_block(Error("odd")) == "Error: odd\n"


def test_verbose_says_what_is_waited_for(ask, server):
    """On standard error, a line for each step with the time since the beginning; the answer is as without."""
    server.push(faults.status(503), faults.ok(TEXT))
    result = ask("-v", "--plugins", "retry")
    assert (result.exit_code, result.stdout) == (0, TEXT)
    told = [line.partition(" s  ")[2] for line in result.stderr.splitlines()]
    assert [line for line in told if not line.startswith("ServerError, retry tries again in")] == [
        f"attempt 1: POST {server.url}, waiting for the head",
        "HTTP 503, waiting for the first event",
        f"attempt 2: POST {server.url}, waiting for the head",
        "HTTP 200, waiting for the first event",
        "first event: content_block_delta",
        next(line for line in told if line.startswith("success: ")),
    ]
    assert len(told) == 7


def test_verbose_says_why_a_policy_waits(invoke, url, server, nowhere):
    """As the limiter does before the second call of its second."""
    told = []
    progress = Progress(told.append)
    call = SimpleNamespace(now=lambda: 3.5, started_at=1.0)
    progress.on_decision(call, Wait(2.0, "rate limit"), "rate-limit")
    progress.on_decision(call, GiveUp(), "retry")
    assert told == ["   2.50 s  waiting 2.0 s, as rate-limit asks\n"]


@pytest.mark.parametrize(
    ("fault", "option", "timeout"),
    [
        pytest.param(faults.silence(), "--timeout", "first_event", id="first-event"),
        pytest.param(faults.stall(after=5), "--timeout", "idle", id="idle"),
        pytest.param(faults.stall(after=5), "--total", "total", id="total"),
    ],
)
@pytest.mark.parametrize("plugins", ["", "timeout"], ids=["bare", "plugin"])
def test_timeouts_are_options(ask, server, fault, option, timeout, plugins):
    """They go before the settings of the plugin, whose other timeouts stay."""
    server.push(fault)
    result = ask(option, "0.2", "--plugins", plugins)
    assert result.exit_code == 1
    assert f"({timeout} timeout)" in result.stderr


def test_timeout_is_for_every_silence():
    """Who says how long to wait does not mean ten minutes while the model thinks."""
    request = StreamRequest(method="GET", url="", timeout=3.0)
    expected = Timeouts(first_event=3.0, idle=3.0, quiet=3.0)
    assert cli_stream._timeouts(request, [Timeout(quiet=900)]) == expected
    assert cli_stream._timeouts(request, []) == expected


def test_the_other_timeouts_stay_as_they_are_set(monkeypatch):
    """Those of the plugin, or the default ones."""
    request = StreamRequest(method="GET", url="http://127.0.0.1/", total=9.0)
    assert cli_stream._timeouts(request, [Timeout(connect=1.5, idle=7.0)]) == Timeouts(connect=1.5, idle=7.0, total=9.0)
    assert cli_stream._timeouts(request, []) == Timeouts(total=9.0)
    assert cli_stream._timeouts(StreamRequest(method="GET", url=""), [Timeout()]) is None


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("localhost:8000/x", "'localhost:8000/x' must start with http:// or https://"),
        ("ftp://example.org/x?key=canary-4711", "'ftp://example.org/x' must start with http:// or https://"),
        ("http://me:canary-4711@example.org:x/", "'example.org:x/'"),
    ],
)
def test_a_wrong_url_is_quoted_as_it_was_typed(invoke, typed, shown):
    """But for what may be secret in it."""
    result = invoke("stream", typed)
    words = " ".join(result.stderr.replace("│", "").split())
    assert result.exit_code == 2
    assert shown in words
    assert "canary" not in words


@pytest.mark.parametrize(("body", "hinted"), [('{"model": "m"}', True), ('{"stream": true}', False), ("[]", False)])
def test_a_json_answer_to_a_request_for_none_is_explained(invoke, url, server, body, hinted):
    """The commonest cause of one: the request did not ask for a stream."""
    answer = Fault(content_type="application/json", events=(b'{"id": 1}',))
    server.push(answer)
    result = invoke("stream", url, "--json-body", body, "--plugins", "")
    assert result.stderr.startswith("ContentTypeError")
    assert ('it has no "stream": true' in result.stderr) == hinted
