"""Under which labels a call is counted: few, bounded, and never a secret."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest

from unbroken import Dialect, NetworkError, Plugin, Reject, ServerError, Wait
from unbroken.testing import STALL, Answer, play, sse
from unbroken_circuit_breaker import CircuitBreaker
from unbroken_metrics import Labels, Metrics, PrometheusCollector
from unbroken_metrics._labels import Labels as TheLabels
from unbroken_metrics._labels import model_of, text_of
from unbroken_metrics._tally import MOST, count
from unbroken_retry import Retry
from unbroken_timeout import Timeout

CANARY = "CANARY7f3a9c"
KEY = f"sk-ant-api03-{CANARY}-0123456789"


def label(content):
    return TheLabels.of(("sse", model_of(content), "o")).model


@pytest.mark.parametrize(
    ("content", "model"),
    [
        (b"", "none"),
        (b'{"model":"claude-x","max_tokens":1}', "claude-x"),
        (b'{"model": "claude-x", "max_tokens": 1}', "claude-x"),
        (b'{"messages":[{"model":"no"}],"model":"anthropic/claude:x@1.0+beta"}', "anthropic/claude:x@1.0+beta"),
        (b'{"model":"claude-x"', "claude-x"),
        (b'{"model":""}', "none"),
        (b'{"model":null}', "none"),
        (b'{"model":7}', "none"),
        (b'{"messages":[]}', "none"),
        (b"[1]", "none"),
        (b"\xff\xfe", "none"),
        (b'{"a":' + b"[" * 100_000, "none"),
        (b'{"model":"two words"}', "other"),
        (b'{"model":"' + b"x" * 100 + b'"}', "x" * 100),
        (b'{"model":"' + b"x" * 101 + b'"}', "other"),
        (b'{"model":"' + b"x" * 10_000 + b'"}', "other"),
        (b'{"model":"a\\"b"}', "other"),
        ('{"model":"mod\u00e8le"}'.encode(), "other"),
        (b'{"model":"' + KEY.encode() + b'"}', "other"),
        (b'{"model":"eyJhbGciOiJIUzI1NiJ9.e30.x"}', "other"),
    ],
    ids=lambda value: str(value[:30]),
)
def test_the_model_is_that_of_the_body_if_it_is_a_name(content, model):
    """Compact or spaced, first or last; no body breaks it, and what cannot be a name is not shown."""
    assert label(content) == model


@given(st.dictionaries(st.text(max_size=8) | st.just("model"), st.text(max_size=120), max_size=4), st.booleans())
def test_any_body_gives_a_short_plain_label(body, spaced):
    """The same however the body is written, and always fit for a label."""
    content = json.dumps(body).encode() if spaced else msgspec.json.encode(body)
    found = label(content)
    assert found.isascii()
    assert found.isprintable()
    assert 0 < len(found) <= 100
    wanted = body.get("model", "")
    assert found in {wanted, "other", "none"}
    assert (found == "none") == (wanted in {"", "none"})


@given(st.binary(max_size=40))
def test_no_bytes_break_it(content):
    """Whatever is sent, it is counted somewhere."""
    assert label(content)
    assert label(b'{"model":"' + content)
    assert text_of(content) is not None


def ask(metrics, **call):
    play([Answer(body=sse("x"))], [metrics], **call)


def test_label_sets_are_bounded():
    """What comes after the cap is one series; those that have one keep it."""
    metrics = Metrics(max_series=3)
    for number in range(50):
        ask(metrics, json={"model": f"model-{number}"})
    ask(metrics, json={"model": "model-1"})
    ask(metrics, url="https://elsewhere.example.org/")
    snapshot = metrics.snapshot()
    ended = {each.labels.model: each.totals.ended for each in snapshot.series}
    assert ended == {"model-0": 1, "model-1": 2, "model-2": 1, "other": 48}
    assert snapshot.series[-1].labels == Labels("other", "other", "other")
    assert snapshot.total.ended == 52
    assert len(metrics._book._known) == 3


def test_names_that_are_none_are_not_remembered():
    """Not even as a short cut: they are as many as anybody likes."""
    metrics = Metrics()
    for number in range(100):
        ask(metrics, json={"model": f"two words {number}"})
    assert [each.labels.model for each in metrics.snapshot().series] == ["other"]
    assert len(metrics._book._known) <= 1


def test_names_within_a_series_are_bounded():
    """Classes of errors, plugins, reasons: all after the cap are one."""
    tally = {}
    for number in range(10 * MOST):
        count(tally, f"Error{number}")
    assert len(tally) == MOST + 1
    assert tally["other"] == 9 * MOST


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("https://api.example.org:443", "https://api.example.org:443"),
        ("*", "*"),
        ("tenant-7", "other"),
        (f"https://{CANARY}@api.example.org", "other"),
        (f"https://api.example.org/?key={CANARY}", "other"),
    ],
)
def test_the_key_of_a_circuit_is_shown_only_if_it_is_an_origin(key, shown):
    """A key of one's own making may be a customer or a credential."""
    metrics = Metrics()
    metrics.on_circuit_state_change("default", key, "closed", "open", 5)
    snapshot = metrics.snapshot()
    assert [circuit.key for circuit in snapshot.circuits] == [shown]
    assert CANARY not in json.dumps(snapshot.to_dict())


def test_circuits_that_are_not_shown_are_in_all_their_states_at_once():
    """One open customer is enough for an alert; when all are closed, it is over."""
    metrics = Metrics()
    for key, old, new in (("a", "closed", "open"), ("b", "closed", "open"), ("b", "open", "half_open")):
        metrics.on_circuit_state_change("default", key, old, new, 1)
    assert metrics.snapshot().circuits[0].states == ("half_open", "open")
    for key, old in (("a", "open"), ("b", "half_open")):
        metrics.on_circuit_state_change("default", key, old, "closed", 0)
    assert metrics.snapshot().circuits[0].states == ("closed",)


def test_circuits_are_bounded():
    """However many circuits and keys there are."""
    metrics = Metrics()
    for number in range(3000):
        metrics.on_circuit_state_change(f"circuit-{number % 300}", f"key-{number}", "closed", "open", 1)
        metrics.on_circuit_state_change("default", f"https://host-{number}:443", "closed", "open", 1)
    snapshot = metrics.snapshot()
    assert len(snapshot.circuits) <= 101
    assert sum(each.count for each in snapshot.transitions) == 6000
    assert sum(map(len, metrics._book._circuits._states.values())) <= 101 * 1000


def test_what_cannot_be_encoded_does_not_break_the_exposition():
    """Half a character in an address, a dialect, a plugin's or a circuit's name is a question mark."""

    class Odd(Dialect):
        name = "odd\ud800"

    class Waiting(Plugin):
        name = "waiting\ud800"

        def before_request(self, call, request):
            return Wait(0.1)

    metrics = Metrics()
    play([Answer(body=sse("x"))], [metrics, Waiting()], dialect=Odd(), url="https://h\ud800.example.org/")
    metrics.on_circuit_state_change("c\ud800", "https://h\ud800:1", "closed", "open", 1)
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(metrics))
    text = generate_latest(registry).decode()
    assert 'dialect="odd?"' in text
    assert 'plugin="waiting?"' in text
    assert 'circuit="c?",key="https://h?:1"' in text


class Chatty(Plugin):
    """Waits, or rejects, and says why."""

    name = "chatty"

    def before_request(self, call, request):
        return Wait(0.1, CANARY) if call.attempt == 1 else Reject(ServerError(CANARY))


FAILURES = {
    "status": Answer(status=500, headers={"x-secret": CANARY}, body=CANARY.encode()),
    "network": Answer(failure=NetworkError(CANARY)),
    "stalled": Answer(body=[sse(CANARY), STALL]),
    "page": Answer(headers={"content-type": "text/html"}, body=CANARY.encode()),
}


@pytest.mark.parametrize("reply", FAILURES.values(), ids=[f"E68-{name}" for name in FAILURES])
def test_E68_a_canary_is_in_no_metric(reply):
    """Not from headers, query, body, keys of circuits, reasons or the server's own words."""
    metrics = Metrics()
    ended = []
    metrics.subscribe(ended.append)
    breaker = CircuitBreaker(failure_threshold=1, key=lambda call: f"{call.origin} {CANARY}")
    play(
        lambda _: reply,
        [metrics, Timeout(), Retry(max_retries=1), breaker, Chatty()],
        url=f"https://api.example.org/v1?key={CANARY}#{CANARY}",
        headers={"authorization": f"Bearer {KEY}", "x-api-key": KEY, "cookie": CANARY},
        json={"model": KEY, "api_key": CANARY, "messages": [CANARY]},
        request_id=CANARY,
    )
    registry = CollectorRegistry()
    registry.register(PrometheusCollector(metrics))
    snapshot = metrics.snapshot()
    seen = [generate_latest(registry).decode(), json.dumps(snapshot.to_dict()), repr(snapshot), repr(metrics)]
    assert ended
    assert [text for text in [*seen, *map(repr, ended)] if CANARY in text] == []
    assert bool(snapshot.circuits) == (reply is not FAILURES["page"])
