"""The dialect at work in the engine: whole streams, in every backend, without sockets, and cut at every byte."""

import json
import os
from random import Random
from typing import Any

import pytest

from unbroken import Client, ConfigurationError, Usage
from unbroken.errors import OverloadedError, TimeoutError, TruncatedStreamError, ValidationError
from unbroken.testing import BACKENDS, STALL, Answer, FakeClock, ScriptedTransport, play
from unbroken_ollama import Ollama
from unbroken_retry import Retry

from ...cutting import read
from .ollama_lines import BASE, HELLO, NDJSON, PULL, answer, body, chat, end, generated, random_lines

LONG = os.environ.get("UNBROKEN_LONG") == "1"
CALLS = 2000 if LONG else 200
CUTS = 2 * 10**5 if LONG else 5000
SEED = int(os.environ.get("UNBROKEN_SEED", "0"))
BUSY = {"error": "server busy, please try again.  maximum pending requests exceeded"}


def run(*answers: Answer, path: str = "/api/chat", **options: Any) -> Any:
    return play([*answers], [Retry()], dialect=Ollama(), url=BASE + path, **options)


def text(events: Any) -> str:
    return "".join(Ollama().text(event) or "" for event in events)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["", *Ollama().media_types, "application/json; charset=utf-8"])
def test_a_complete_answer_is_delivered_as_it_came(kind, backend):
    """Whatever a proxy calls it."""
    played = run(answer(*HELLO, kind=kind), backend=backend)
    assert (played.error, played.outcome.status, [event.json() for event in played.events]) == (None, "success", HELLO)
    assert text(played.events) == "Hello"
    assert played.usage == Usage(input_tokens=9, output_tokens=2, final=True)


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("/api/generate", [generated("Hel"), generated("lo"), end()]),
        ("/api/generate", [end("load")]),
        ("/api/generate", [end("unload")]),
        ("/api/pull", PULL),
    ],
    ids=["generate", "load", "unload", "pull"],
)
def test_other_endpoints(path, lines):
    """A single line may lack its line end, as JSON does."""
    whole = body(*lines).removesuffix(b"\n")
    played = run(Answer(headers={"content-type": "application/json"}, body=whole), path=path)
    assert (played.error, len(played.events)) == (None, len(lines))


def test_the_proof_of_an_answer_does_not_end_a_job():
    assert type(run(answer(*PULL[:2], {"done": True}), path="/api/pull").error) is TruncatedStreamError
    assert type(run(answer(chat("a"), {"status": "success"})).error) is TruncatedStreamError


def test_an_error_before_the_first_content_is_retried_unseen():
    played = run(answer(chat(), BUSY), answer(BUSY, status=503, kind="application/json"), answer(*HELLO))
    assert (played.error, played.attempts, text(played.events)) == (None, 3, "Hello")
    assert [each.error for each in played.history] == ["OverloadedError"] * 2


def test_an_error_after_content_is_raised():
    played = run(answer(chat("Hel"), BUSY))
    assert (type(played.error), text(played.events), len(played.requests)) == (OverloadedError, "Hel", 1)


def test_an_error_as_json_under_200_is_raised():
    played = run(answer({"error": "model 'x' not found"}, kind="application/json"))
    assert (type(played.error), len(played.requests)) == (ValidationError, 1)


def test_a_model_may_take_minutes_to_load():
    """Nothing comes until it is loaded; lines that say nothing do not prolong the wait."""
    slow = Answer(headers={"content-type": NDJSON}, body=(590.0, body(*HELLO)))
    assert run(slow).error is None
    dead = Answer(headers={"content-type": NDJSON}, body=(*(body(chat()), 59.0) * 20, STALL))
    failed = run(dead, dead)
    assert (type(failed.error), failed.failure.timeout) == (TimeoutError, "first_event")


@pytest.mark.parametrize(("first", "fails"), [(chat(thinking="a"), False), (chat("a"), True)], ids=["thinking", "text"])
def test_silence_behind_thinking_is_normal(first, fails):
    played = run(Answer(headers={"content-type": NDJSON}, body=(body(first), 300.0, body(*HELLO))))
    assert (played.error is not None) is fails


def sender(*answers: Answer) -> tuple[Client, ScriptedTransport]:
    clock = FakeClock()
    transport = ScriptedTransport([*answers], clock)
    return Client([], dialect="ollama", clock=clock, transport=transport), transport


def test_a_whole_answer():
    client, transport = sender(answer(end(response="Hello"), kind="application/json"))
    got = client.send("POST", f"{BASE}/api/generate", json={"model": "m", "stream": False})
    assert (got.json()["response"], got.usage) == ("Hello", Usage(input_tokens=9, output_tokens=2, final=True))
    with pytest.raises(ConfigurationError, match='use `stream` for it, or add "stream": false'):
        client.send("POST", f"{BASE}/api/generate", json={"model": "m"})
    assert len(transport.requests) == 1


def test_a_whole_answer_that_is_an_error():
    client, _ = sender(answer({"error": "unauthorized"}, kind="application/json"))
    with pytest.raises(Exception, match="unauthorized"):
        client.send("GET", f"{BASE}/api/tags")


def test_no_cut_is_taken_for_the_end_and_no_text_is_lost_or_doubled():
    """With a retry: what is delivered is all of the second answer, or a beginning of the first and an error."""
    random, calls = Random(SEED), 0
    while calls < CALLS:
        lines = random_lines(random)
        data = body(*lines)
        said = text(run(answer(*lines)).events)
        for at in random.sample(range(len(data)), min(len(data), 100)):
            cut = Answer(headers={"content-type": NDJSON}, body=cut_at(data, at, random))
            played = run(cut, answer(*lines))
            heard, proven = text(played.events), at == len(data) - 1  # but for the last line end, all is there
            if played.error is None:
                assert (heard, played.attempts) == (said, 1 if proven else 2)
            else:
                assert type(played.error) is TruncatedStreamError
                assert (played.attempts, said.startswith(heard), proven) == (1, True, False)
            calls += 1


def test_every_cut_is_seen():
    """At each byte, and there in two pieces: a success is the whole text, anything else a beginning of it."""
    random, cuts, dialect = Random(SEED + 1), 0, Ollama()
    while cuts < CUTS:
        data = body(*random_lines(random))
        failure, said, _ = read(dialect, f"{BASE}/api/chat", NDJSON, [data])
        assert failure is None
        for at in range(len(data)):
            failure, heard, _ = read(dialect, f"{BASE}/api/chat", NDJSON, cut_at(data, at, random))
            assert (failure is None) is (at == len(data) - 1)
            assert said.startswith(heard) if failure else heard == said
            cuts += 1


def cut_at(data: bytes, at: int, random: Random) -> tuple[bytes, ...]:
    split = random.randint(0, at)
    return tuple(filter(None, (data[:split], data[split:at])))


def test_lines_survive_any_split():
    """Each byte alone."""
    data = body(*HELLO)
    split = Answer(headers={"content-type": NDJSON}, body=tuple(bytes([byte]) for byte in data))
    assert [event.json() for event in run(split).events] == [json.loads(line) for line in data.splitlines()]
