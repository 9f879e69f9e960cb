"""FAULTS 68 and 69: what must never be seen, and what must never be interpreted."""

import json
import logging
import pickle
import traceback
from pathlib import Path

import msgspec
import pytest

from unbroken import AsyncClient, Client, Error, GiveUp, NetworkError, Plugin, Reject, ServerError, Wait
from unbroken.messages import Timeouts
from unbroken.secrets import clear_locals
from unbroken.testing import STALL, Answer, FakeClock, ScriptedTransport, sse
from unbroken_anthropic import Anthropic
from unbroken_fallback import Fallback, Target
from unbroken_logging import Logging
from unbroken_retry import Retry
from unbroken_timeout import Timeout

from ..locals import local_variables

CANARY = "CANARY7f3a9c"
KEY = f"sk-ant-api03-{CANARY}-0123456789"
SECRETS = {
    "authorization": f"Bearer {KEY}",
    "proxy-authorization": f"Basic {CANARY}",
    "x-api-key": KEY,
    "cookie": f"session={CANARY}",
    "x-goog-api-key": CANARY,
    "x-anything-else": CANARY,
}
CREDENTIALS = [name for name in SECRETS if name != "x-anything-else"]  # what a user may allow by mistake
URL = f"https://api.example.org/v1/messages?key={CANARY}&access_token={CANARY}#{CANARY}"
PROMPT = {"messages": [{"role": "user", "content": CANARY}], "api_key": CANARY}
SET = {"set-cookie": f"session={CANARY}", "x-internal-token": CANARY, "request-id": "req-of-server"}
STREAM = {"content-type": "text/event-stream", **SET}

START = ("message_start", {"type": "message_start", "message": {"id": CANARY}})
DELTA = ("content_block_delta", {"delta": {"type": "text_delta", "text": CANARY}})
STOP = ("message_stop", {"type": "message_stop"})
# A server that says what it was sent, as debugging proxies do.
ECHO = msgspec.json.encode({"error": {"type": "api_error", "message": f"bad headers: Authorization: Bearer {KEY}"}})
PAGE = f"<html><title>{KEY}</title> Bearer {KEY}".encode()


class Meddling(Plugin):
    """Does `answer` at `hook`."""

    name = "meddling"

    def __init__(self, hook, answer):
        super().__init__()
        self.hook, self._answer = hook, answer

    def _at(self, hook, call, payload):
        return self._answer(call, payload) if hook == self.hook else None

    def before_request(self, call, request):
        return self._at("before_request", call, request)

    def on_event(self, call, event):
        return self._at("on_event", call, event)

    def should_retry(self, call, error):
        return self._at("should_retry", call, error)


def blow_up(call, payload):
    raise ValueError


TARGETS = [
    Target(url=f"https://eu.example.org/v1?sig={CANARY}", keys=({"x-api-key": KEY},)),
    Target(headers={"authorization": f"Bearer {KEY}", "x-other": CANARY}, body={"user": CANARY}),
]
ELSEWHERE = Fallback(targets=TARGETS, cooldown=0)

FAILURES = {
    **{
        f"status-{status}": (Answer(status=status, headers=SET, body=ECHO), [])
        for status in (400, 401, 404, 429, 500, 529)
    },
    "page": (Answer(headers={"content-type": "text/html", **SET}, body=PAGE), []),
    "json": (Answer(headers={"content-type": "application/json", **SET}, body=ECHO), []),
    "error-page": (Answer(status=502, headers=SET, body=PAGE), []),
    "no-stream": (Answer(status=204, headers=SET), []),
    "redirect": (Answer(status=307, headers={"location": f"https://evil.example.org/?{CANARY}", **SET}), []),
    "encoded": (Answer(headers={**STREAM, "content-encoding": "gzip"}), []),
    "smuggled": (Answer(headers={**STREAM, "content-length": "1", "transfer-encoding": "chunked"}), []),
    "too-many-fields": (Answer(headers=[*STREAM.items(), *[("x-more", CANARY)] * 300]), []),
    "refused": (Answer(failure=NetworkError("connection refused")), []),
    "connect-timeout": (Answer(connect=STALL), []),
    "first-event-timeout": (Answer(headers=STREAM, body=[sse(START), STALL]), []),
    "idle-timeout": (Answer(headers=STREAM, body=[sse(START, DELTA), STALL]), []),
    "reset": (Answer(headers=STREAM, body=[sse(START, DELTA), NetworkError("reset")]), []),
    "truncated": (Answer(headers=STREAM, body=sse(START, DELTA)), []),
    "error-event": (Answer(headers=STREAM, body=b"event: error\ndata: " + ECHO + b"\n\n"), []),
    "error-event-late": (
        Answer(headers=STREAM, body=sse(DELTA) + b"event: error\ndata: " + ECHO + b"\n\n"),
        [],
    ),
    "too-large": (Answer(headers=STREAM, body=[sse(DELTA), b"data: " + CANARY.encode() * 99]), []),
    "plugin-raises": (Answer(headers=STREAM, body=sse(DELTA)), [Meddling("on_event", blow_up)]),
    "plugin-rejects": (
        Answer(),
        [Meddling("before_request", lambda call, request: Reject(ServerError("full")))],
    ),
    "plugin-waits": (Answer(), [Meddling("before_request", lambda call, request: Wait(999.0, reason="full"))]),
    "plugin-gives-up": (
        Answer(status=500),
        [Meddling("should_retry", lambda call, error: GiveUp(ServerError("no")))],
    ),
    "falls-back": (Answer(status=500, headers=SET, body=ECHO), [ELSEWHERE]),
    "wrong-type": (
        Answer(headers=STREAM, body=sse(DELTA)),
        [Meddling("on_event", lambda call, event: event.data)],
    ),
}


def faces(error: BaseException) -> list[str]:
    """Everything that an error shows of itself."""
    return [
        str(error),
        repr(error),
        repr(vars(error)),
        repr(error.args),
        pickle.dumps(error).decode("latin-1"),
        "".join(traceback.format_exception(error)),
        repr(getattr(error, "attempts", ())),
    ]


@pytest.mark.parametrize("json_lines", [False, True], ids=["text", "json"])
@pytest.mark.parametrize("failure", [pytest.param(name, id=f"E68-{name}") for name in FAILURES])
def test_E68_a_canary_is_seen_nowhere(fake_clock, tmp_path, caplog, capfd, failure, json_lines):
    """Secrets in every header, key field and query; the server repeats them; then everything fails."""
    reply, plugins = FAILURES[failure]
    log = tmp_path / "log"
    logger = Logging(level="TRACE", events=True, json=json_lines, sink=str(log), allow_headers=CREDENTIALS)
    transport = ScriptedTransport(lambda _: reply, fake_clock)
    client = Client(
        [logger, *plugins, Timeout(total=300), Retry(max_retries=1)],
        headers=SECRETS,
        transport=transport,
        clock=fake_clock,
        dialect=Anthropic(),
        max_event_size=500,
    )
    caplog.set_level(logging.DEBUG)
    stream = client.stream("POST", URL, headers={"x-call-key": CANARY}, json=PROMPT, timeouts=Timeouts(total=300))
    shown = []
    with pytest.raises(Error) as caught, stream:
        shown.extend(map(repr, stream))
    assert logger.flush()
    logger.close()
    call = stream._engine.call
    seen = [
        *faces(caught.value),
        *shown,
        log.read_text(),
        caplog.text,
        *capfd.readouterr(),
        *map(
            repr,
            (stream, client, client.describe(), call, call.request, call.current, call.response, transport),
        ),
        *map(repr, (stream.outcome, stream.history, stream.usage, logger)),
        *(repr(request) for request in transport.requests),
    ]
    assert [text for text in seen if CANARY in text] == []
    assert log.stat().st_size > 0
    headers = call.request.headers
    assert headers["x-api-key"] == KEY
    variables = local_variables(caught.value, without=str(Path(__file__).parent))
    assert [where for where, value in variables if CANARY in value] == []


HOSTILE = "<red>{0.__class__} %s %(x)s \x1b[31m\r\nFAKE 2026-01-01 ERROR \u2028 \x00 {"


@pytest.mark.parametrize("json_lines", [False, True], ids=["E69-text", "E69-json"])
def test_E69_hostile_values_are_one_line_and_literal(play, fake_clock, tmp_path, json_lines):
    """In the error's words and type, the response's id, an event's name and id, a plugin's reason."""
    log = tmp_path / "log"
    logger = Logging(level="TRACE", events=True, json=json_lines, sink=str(log))
    body = msgspec.json.encode({"error": {"type": HOSTILE, "message": HOSTILE}, "request_id": HOSTILE})
    head = {"content-type": "text/event-stream", "request-id": "<red>{0.__class__}"}
    content = b'event: content_block_delta\ndata: {"delta": {"type": "text_delta", "text": "x"}}\n\n'
    hostile_event = f"event: <red>{{0.__class__}}\x1b[31m\nid: {HOSTILE.partition(chr(13))[0]}\ndata: x\n\n".encode()
    answers = iter([Wait(0.5, reason=HOSTILE)])
    played = play(
        [
            Answer(status=500, headers=head, body=body),
            Answer(headers=head, body=[content, hostile_event, NetworkError(HOSTILE)]),
        ],
        [logger, Meddling("before_request", lambda call, request: next(answers, None)), Retry()],
        dialect=Anthropic(),
        request_id="<red>{0.__class__}%s",
    )
    assert isinstance(played.error, NetworkError)
    assert logger.flush()
    logger.close()
    text = log.read_text()
    assert text.isprintable() or {c for c in text if not c.isprintable()} == {"\n"}
    lines = text.splitlines()
    kinds = [
        "attempt started",
        "waiting",
        "attempt ended",
        "retrying",
        "attempt started",
        "event",
        "event",
        "attempt ended",
    ]
    assert len(lines) == len(kinds) + 1
    assert all(kind in line for kind, line in zip([*kinds, "call ended"], lines, strict=True))
    assert all("<red>{0.__class__}%s" in line for line in lines)
    assert not any(line.startswith("FAKE") for line in lines)
    if json_lines:
        assert all(isinstance(json.loads(line), dict) for line in lines)


REFUSED = {
    "header": {"headers": {"x-api-key": f"{KEY}\n"}},
    "url": {"url": f"https://user:{KEY}@api.example.org:x/?key={KEY}"},
    "scheme": {"url": f"ftp://api.example.org/?key={KEY}"},
    "json": {"json": {"api_key": KEY, "of": object()}},
    "both": {"json": {"api_key": KEY}, "content": KEY.encode()},
    "id": {"request_id": f"{KEY}\n", "headers": SECRETS},
}


@pytest.mark.parametrize("kind", [Client, AsyncClient], ids=["sync", "async"])
@pytest.mark.parametrize("arguments", [pytest.param(each, id=f"G85-{name}") for name, each in REFUSED.items()])
def test_G85_a_refused_call_shows_none_of_its_arguments(kind, arguments):
    """In words or in the local variables of its frames, which error trackers collect."""
    client = kind([], transport=ScriptedTransport([], FakeClock()), dialect="sse", headers=SECRETS)
    with pytest.raises((Error, TypeError)) as caught:
        client.stream("POST", **({"url": URL} | arguments))
    expect_no_secret(caught.value)


@pytest.mark.parametrize("kind", [Client, AsyncClient], ids=["sync", "async"])
@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"headers": {"authorization": f"Bearer {KEY}\n"}}, id="G85-header"),
        pytest.param({"headers": SECRETS, "proxy": f"http://user:{KEY}@proxy.example.org:x"}, id="G85-proxy"),
        pytest.param({"headers": SECRETS, "max_event_size": -1}, id="G85-another-argument"),
        pytest.param({"headers": SECRETS, "dialect": KEY}, id="G85-dialect"),
    ],
)
def test_G85_a_refused_client_shows_none_of_its_arguments(kind, arguments):
    """The user's own frames are the user's."""
    with pytest.raises(Error) as caught:
        kind([], **arguments)
    expect_no_secret(caught.value)


def expect_no_secret(error):
    variables = local_variables(error, without=str(Path(__file__).parent))
    assert [where for where, value in variables if CANARY in value] == []
    assert [text for text in (str(error), repr(error), repr(vars(error))) if CANARY in text] == []


def test_G85_a_chain_longer_than_the_stack_is_cleared():
    """An application may have raised within thousands of handlers before."""
    error = first = NetworkError("x")
    for _ in range(5_000):
        error.__context__ = NetworkError("x")
        error = error.__context__
    error.__context__ = first  # and in a circle
    clear_locals(first)
