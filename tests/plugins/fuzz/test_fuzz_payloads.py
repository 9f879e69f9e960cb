"""Mutants of events and headers: no exception but the library's own, and no text that a literal reader finds is lost.

Each stream has from one mutated event up to all of them. It goes through the client, the generator and the builder,
strict and not, and each of its mutants through both dialects. A failure names its stream by a number, which makes it
again as ``UNBROKEN_SEED``.
"""

import itertools
import json
import os
import traceback
from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

import pytest

from unbroken import Dialect, Error, Event, Headers, Response
from unbroken.testing import Answer
from unbroken_anthropic import Anthropic, MessageBuilder
from unbroken_openai import OpenAI

from ...pieces import cut
from . import literal
from .consumers import Server, checked
from .mutants import Named, Written, chunks_stream, headers, messages_stream, mutant, responses_stream

MUTANTS = int(os.environ.get("UNBROKEN_FUZZ", "1500"))
"""How many mutated events each API is tried with. Raise it for a longer search by hand."""
FIRST = int(os.environ.get("UNBROKEN_SEED", "0"))
"""The number of the first stream."""

DIALECTS: tuple[Dialect, ...] = (Anthropic(), OpenAI())
Check = Callable[[Random, list[Written], list[Written]], Error | None]
"""Plays a stream. It is given all events, and again those which are mutants, and returns the error at the end."""
STATUSES = (400, 401, 404, 429, 500, 529, 599)


def streams(make: Callable[[Random], list[Named]]) -> Iterable[tuple[str, Random, list[Written], list[Written]]]:
    """Yield streams, each with its name and with the mutants in it, until there were `MUTANTS` of them."""
    number, mutants = FIRST, 0
    while mutants < MUTANTS:
        chance = Random(f"{make.__name__}:{number}")
        events = make(chance)
        chosen = set(chance.sample(range(len(events)), min(len(events), chance.choice([1, 1, 2, 3, 99]))))
        unnamed = chance.random() < 0.15
        whole = [
            mutant(chance, *event) if place in chosen else (event[0], json.dumps(event[1]).encode())
            for place, event in enumerate(events)
        ]
        whole = [("" if unnamed else name, raw) for name, raw in whole]
        yield f"{make.__name__} {number}", chance, whole, [whole[place] for place in sorted(chosen)]
        number, mutants = number + 1, mutants + len(chosen)


def body_of(events: list[Written]) -> bytes:
    blocks = ((f"event: {name}\n" if name else "").encode() + _lines(raw) for name, raw in events)
    return b"".join(block + b"\n" for block in blocks)


def _lines(raw: bytes) -> bytes:
    return b"".join(b"data: " + line + b"\n" for line in raw.replace(b"\r", b" ").split(b"\n"))


def read_by_both(mutants: list[Written], fields: list[tuple[str, str]], chance: Random) -> None:
    """Whatever the dialect is asked about an event or a head, it answers, or raises the error of the stream."""
    head = Response(status_code=chance.choice(STATUSES), headers=Headers(fields), received_at=1_800_000_000.0)
    events = [Event(name or "message", raw) for name, raw in mutants]
    for dialect in DIALECTS:
        dialect.rate_limits(head.headers, head.received_at)
        for event in events:
            dialect.classify(event)
            dialect.usage(event)
            checked(dialect.error_from_event(event))
            for read in (dialect.text, dialect.typed, Event.json):
                try:
                    read(Event(event.type, event.raw)) if read is Event.json else read(event)  # type: ignore[operator]
                except Error as error:
                    checked(error)
        body = chance.choice(events).raw
        checked(dialect.error_from_response(head, body))
        found = dialect.error_from_body(head, body)
        assert found is None or checked(found)


def assert_built(events: list[Event], *, strict: bool) -> Error | None:
    """What the events say is in the message, or the builder has said that it could not use it. Return its first error.

    After an error more may be there: then a message that starts again was not there before.
    """
    builder, first = MessageBuilder(strict=strict), None
    lost: list[bool] = []
    for event in events:
        unused = len(builder.unused)
        try:
            builder.add(event)
        except Error as error:
            first = first or checked(error)
            lost.append(True)
        else:
            lost.append(len(builder.unused) > unused)
    content = builder.snapshot().to_dict()["content"]
    for field in ("text", "thinking"):
        texts = literal.message_texts(((event.type, event.raw) for event in events), field)
        kept = literal.texts(content, field) + "".join(itertools.compress(texts, lost))
        told, found = Counter("".join(texts)), Counter(kept)
        assert told <= found if first else told == found, (strict, field, texts, kept)
    return first


def tried(make: Callable[[Random], list[Named]], check: Check) -> None:
    """Check all streams, and say of each that fails which it is and how. One in five at least must be a success."""
    failed, ends, number = list[str](), dict[str, int](), 0
    for name, chance, written, mutants in streams(make):
        number += 1
        try:
            end = check(chance, written, mutants)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            failed.append(f"{name}: {type(error).__name__}: {str(error)[:300]} in {place.name}, line {place.lineno}")
        else:
            ends[type(end).__name__] = ends.get(type(end).__name__, 0) + 1
    assert not failed, f"{len(failed)} of {number} streams:\n" + "\n".join(failed[:20])
    assert ends["NoneType"] > number / 5, ends


def test_messages_lose_nothing_and_raise_nothing_foreign() -> None:
    """Client, generator and builders agree with the literal reader; a failure comes after the text before it."""
    server = Server(Anthropic())

    def check(chance: Random, written: list[Written], mutants: list[Written]) -> Error | None:
        fields, plain = headers(chance), Answer(body=body_of(written))
        server.text(Answer(headers=[("content-type", "text/event-stream"), *fields], body=plain.body))
        events, pieces, error = server.text(plain)
        found = literal.message_texts((event.type, event.raw) for event in events)
        assert pieces == found[: len(pieces)]
        assert error is not None or len(pieces) == len(found)
        assert server.text(Answer(body=cut(plain.body[0], "pieces")))[1] == pieces
        text, reply, failure = server.reply(plain)
        whole = "".join(found)
        assert whole.startswith(text)
        if reply is not None:
            assert (text, error) == (whole, None)
        assert (reply is None) == (failure is not None)
        assert_built(events, strict=False)
        assert assert_built(events, strict=True) is None or reply is None
        read_by_both(mutants, fields, chance)
        return error

    tried(messages_stream, check)


@pytest.mark.parametrize("asked", [1, 2])
def test_chunks_lose_nothing_and_raise_nothing_foreign(asked: int) -> None:
    """A call with one choice has all texts, whatever their index; one that asked for two those of the first."""
    server = Server(OpenAI(), {"n": asked})

    def check(chance: Random, written: list[Written], mutants: list[Written]) -> Error | None:
        fields, plain = headers(chance), Answer(body=body_of([*written, ("", b"[DONE]")]))
        server.text(Answer(headers=[("content-type", "text/event-stream"), *fields], body=plain.body))
        events, pieces, error = server.text(plain)
        found = [literal.chunk_texts(event.type, event.raw) for event in events]
        for number, (piece, each) in enumerate(zip(pieces, found, strict=False)):
            if asked == 2 or all(len(before or ()) < 2 for before in found[: number + 1]):
                texts = [text for index, text in each or () if asked == 1 or index == 0]
                assert each is None or piece == "".join(texts), (pieces, found)
        assert server.text(Answer(body=cut(plain.body[0], "pieces")))[1] == pieces
        said = server.completion(plain)
        assert server.refused_arguments or said == ("".join(pieces) if error is None else None)
        read_by_both(mutants, fields, chance)
        return error

    tried(chunks_stream, check)


def test_responses_lose_nothing_and_raise_nothing_foreign() -> None:
    """Every delta is text, in order; a text that comes only at the end is there as well."""
    server = Server(OpenAI())

    def check(chance: Random, written: list[Written], mutants: list[Written]) -> Error | None:
        fields = headers(chance)
        events, pieces, error = server.text(Answer(body=body_of(written)))
        assert server.text(Answer(body=cut(body_of(written), "pieces")))[1] == pieces
        found = literal.response_texts((event.type, event.raw) for event in events)
        for piece, (sure, text) in zip(pieces, found, strict=False):
            assert not sure or piece == text, (pieces, found)
        read_by_both(mutants, fields, chance)
        return error

    tried(responses_stream, check)


@pytest.mark.parametrize("make", [messages_stream, chunks_stream, responses_stream])
def test_a_refusal_of_any_form_is_an_error_that_says_so(make: Callable[[Random], list[Named]]) -> None:
    """Mutants as the body of an error status, under mutated headers."""
    server = Server(DIALECTS[make is not messages_stream])

    def check(chance: Random, written: list[Written], mutants: list[Written]) -> None:
        status, body = chance.choice(STATUSES), chance.choice([mutants[0][1], body_of(written)])
        _, pieces, error = server.text(Answer(status=status, headers=headers(chance), body=body))
        assert (pieces, error is None) == ([], False)

    tried(make, check)
