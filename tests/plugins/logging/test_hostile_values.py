"""E68: no canary in any record. E69: no value leaves its line, and none is ever formatted."""

import json
import logging

import pytest

from unbroken import errors
from unbroken.call import Outcome
from unbroken.decisions import GiveUp, Reject, Replay, TryAgain, Wait
from unbroken.errors import CircuitOpenError, Error
from unbroken.headers import Headers
from unbroken.messages import Event, Response

CANARY = "CANARY7c1fQ"
SECRETS = {
    "header": f"sent authorization: Bearer {CANARY}",
    "key": f"invalid x-api-key: {CANARY}",
    "known shape": f"no such key sk-ant-api03-{CANARY}",
    "query": f"POST https://api.example.org/v1?api_key={CANARY}&x=1 failed",
    "user info": f"cannot reach https://user:{CANARY}@proxy.example.org:8080",
    "cookie": f"cookie: a=1; session={CANARY}",
    "json": f'{{"authorization": "Bearer {CANARY}", "model": "m"}}',
}
CLASSES = [value for value in vars(errors).values() if isinstance(value, type)]
ERRORS = [value for value in CLASSES if issubclass(value, Error)]
SINKS = [{}, {"sink": "stdout"}, {"sink": "stdout", "json": True}, {"sink": "stdlib"}]
HOSTILE = {
    "crlf": "a\r\nb 2026-01-01 ERROR forged",
    "ansi": "\x1b[31mred\x1b[0m\x1b]0;title\x07",
    "c1": "\x85\x9b31m",
    "unicode line ends": "a\u2028b\u2029c",
    "direction": "\u202egnp.exe",
    "surrogate": "\ud800",
    "nul": "a\x00b",
    "braces": "{} {0} {message} {extra} }{",
    "attributes": "{0.__class__} {self.__init__.__globals__}",
    "markup": "<red>text</red> </> <",
    "percent": "%s %(name)s %",
    "quote": 'a" error="forged',
}


def everything(plugin, call, text):
    """Send `text` through every hook, in every place that takes text from outside."""
    error = Error(text, response_id=text, kind=text, status_code=500)
    failure = Outcome(status="failure", error=error, attempts=1, duration=1.0)
    plugin.before_request(call, call.request)
    plugin.on_event(call, Event(text, b"data", text))
    plugin.after_request(call, failure)
    decisions = [
        Wait(2, text),
        Reject(error),
        TryAgain(1, reason=text),
        GiveUp(error, text),
        GiveUp(reason=text),
    ]
    for decision in [*decisions, Replay([Event(text)])]:
        plugin.on_decision(call, decision, text)
    refusal = CircuitOpenError(text)
    refusal.circuit, refusal.key = text, text
    plugin.on_decision(call, Reject(refusal), text)
    plugin.on_circuit_state_change(circuit=text, key=text, old=text, new=text, failure_count=1)
    plugin.on_finish(call, failure)
    assert plugin.flush(30)
    assert plugin.failed == 0
    return 12


def lines_of(entries, capsys, caplog):
    return [str(entry) for entry in entries] or capsys.readouterr().out.splitlines() or caplog.messages


@pytest.mark.parametrize("sink", SINKS, ids=str)
@pytest.mark.parametrize("text", SECRETS.values(), ids=SECRETS)
def test_e68_no_record_has_a_secret(make_plugin, make_call, entries, capsys, caplog, sink, text):
    """Of no kind, in no place, neither in the line nor in the fields bound to it."""
    caplog.set_level(logging.DEBUG, "unbroken")
    headers = {
        "Authorization": f"Bearer {CANARY}",
        "X-Api-Key": CANARY,
        "Cookie": f"a={CANARY}",
        "X-Note": text,
    }
    call = make_call(id=text, **headers)
    call.response = Response(status_code=500, headers=Headers({"set-cookie": CANARY, "x-note": text}))
    allowed = frozenset({*headers, "set-cookie"})
    plugin = make_plugin(level="DEBUG", events=True, allow_headers=allowed, **sink)
    count = everything(plugin, call, text)
    lines = lines_of(entries, capsys, caplog)
    assert len(lines) == count
    assert CANARY not in "".join(lines)
    assert CANARY not in repr([entry.record for entry in entries])
    assert CANARY not in repr([record.__dict__ for record in caplog.records])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_e68_no_kind_of_error_brings_a_secret(make_plugin, call, entries, error):
    """Nor do the query and the headers of the request."""
    plugin = make_plugin(level="DEBUG")
    outcome = Outcome(status="failure", error=error(SECRETS["query"]), attempts=1, duration=1.0)
    plugin.after_request(call, outcome)
    plugin.on_finish(call, outcome)
    assert plugin.flush(30)
    assert [entry.record["extra"]["error"] for entry in entries] == [error.__name__] * 2
    assert "CANARY" not in "".join(entries)


@pytest.mark.parametrize("sink", SINKS, ids=str)
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_e69_every_record_is_one_literal_line(make_plugin, make_call, entries, capsys, caplog, sink, text):
    """Request id, error, event type, reason, plugin: as they are, with control characters escaped."""
    caplog.set_level(logging.DEBUG, "unbroken")
    plugin = make_plugin(level="DEBUG", events=True, **sink)
    count = everything(plugin, make_call(id=text), text)
    lines = lines_of(entries, capsys, caplog)
    assert len(lines) == count
    shown = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)
    for line in lines:
        assert line.rstrip("\n").isprintable()
        fields = json.loads(line) if "json" in sink else {}
        found = [fields[name] for name in ("request_id", "circuit", "key") if name in fields]
        assert all(shown in text for text in found or [line.replace('\\"', '"')])
        assert '" error="forged' not in line
