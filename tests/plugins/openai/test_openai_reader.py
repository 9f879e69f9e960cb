"""The state of one attempt: what a reader keeps of the events before."""

from typing import Any

import pytest
from attrs import define

from unbroken import ConfigurationError, Event, Request, Response
from unbroken.dialect import CONTENT, ERROR, HIDDEN, KEEPALIVE, TERMINAL
from unbroken_openai import OpenAI
from unbroken_openai._choices import _MOST_INDICES
from unbroken_openai._silence import _MOST_OPEN

DONE = Event("message", b"[DONE]")


@define
class View:
    """What a reader may see of its call."""

    current: Request
    id: str = "req_1"
    response: Response | None = None


def reader(body: Any = None, **settings: Any) -> Any:
    request = Request.build("POST", "https://api.example.org/v1/chat/completions", json=body or {"stream": True})
    return OpenAI(**settings).reader(View(request))


def chunk(content: str = "", finish_reason: str | None = None, index: Any = 0, **fields: Any) -> Event:
    choice = {"index": index, "delta": {"content": content}, "finish_reason": finish_reason}
    return Event.make("message", {"choices": [choice], **fields})


def test_the_text_does_not_depend_on_what_was_read_with_it():
    """Events that were classified before the text of the first was asked for change nothing (W4)."""
    both = Event.make("message", {"choices": [{"index": index, "delta": {"content": "AB"[index]}} for index in (0, 1)]})
    events = [chunk("a", index=1), chunk("b", index=1), both, chunk("c", index=0), chunk("d", index=1)]
    ahead, one_by_one = reader(), reader()
    kinds = [ahead.classify(event) for event in events]
    together = [ahead.text(event) for event in events]
    assert [(one_by_one.classify(event), one_by_one.text(event)) for event in events] == [
        *zip(kinds, together, strict=True)
    ]
    assert together == ["a", "b", "A", "c", None]


def test_each_attempt_begins_anew():
    """The finish_reason of one attempt proves nothing for the next."""
    dialect = OpenAI()
    view = View(Request.build("POST", "https://api.example.org/"))
    first, second = dialect.reader(view), dialect.reader(view)
    first.classify(chunk("a", "stop"))
    assert (first.complete_at_end(), second.complete_at_end()) == (True, False)
    assert (first.classify(DONE), second.classify(DONE)) == (TERMINAL | HIDDEN, ERROR)


@pytest.mark.parametrize(
    ("n", "text"),
    [(2, None), (1, "B"), (None, "B"), ("2", "B"), ([2], "B")],
    ids=repr,
)
def test_the_request_says_whether_there_are_several_choices(n: Any, text: str | None):
    """Then a choice with another index is not the first one; an odd `n` says nothing."""
    several = reader({"n": n})
    event = chunk("B", index=1)
    several.classify(event)
    assert several.text(event) == text


def test_the_word_n_in_a_message_says_nothing():
    """Only the field of the request counts."""
    one = reader({"messages": [{"content": '"n": 2'}, {"n": 2}]})
    event = chunk("B", index=1)
    one.classify(event)
    assert one.text(event) == "B"


def test_indices_without_end_are_not_all_kept():
    """Some servers count the tokens in it."""
    counting = reader()
    for index in range(2 * _MOST_INDICES):
        assert counting.classify(chunk("a", index=index)) == CONTENT
    assert len(counting._choices.seen) == _MOST_INDICES
    counting.classify(chunk(finish_reason="stop", index=2 * _MOST_INDICES))
    assert counting.complete_at_end()


def test_a_number_that_is_too_large_for_a_float_breaks_nothing():
    """In a field that nobody asks for."""
    seen = reader()
    raw = b'{"choices":[{"index":0,"delta":{"content":"%s"},"logprobs":1e999}]}'
    seen.classify(chunk("a"))
    assert seen.classify(Event("message", raw % b"b")) == CONTENT
    assert seen.text(Event("message", raw % b"b")) == "b"
    assert seen.classify(Event("message", raw % b"")) == KEEPALIVE


def item(name: str, type: Any, index: Any = None, id: Any = None, **fields: Any) -> Event:
    data = {"output_index": index, "item": {"type": type, "id": id}, **fields}
    return Event.make(f"response.output_item.{name}", data)


def test_of_several_open_items_the_last_decides():
    """A message within the work of a tool is not silent; the tool is, as soon as the message is complete."""
    openai, seen = reader(), []
    for name, type, index in (
        ("added", "image_generation_call", 0),
        ("added", "message", 1),
        ("done", "message", 1),
        ("added", "function_call", 2),
        ("done", "image_generation_call", 0),
        ("done", "function_call", 2),
    ):
        openai.classify(item(name, type, index))
        seen.append(openai.quiet)
    assert seen == [True, False, True, True, True, False]


@pytest.mark.parametrize(
    ("opened", "closed"),
    [
        pytest.param({"index": 3, "id": "a"}, {"index": 3, "id": "b"}, id="a-new-id-in-each-event"),
        pytest.param({"id": "a"}, {"id": "a"}, id="no-place"),
        pytest.param({}, {}, id="neither"),
        pytest.param({"index": "3", "id": [1]}, {"index": {}, "id": 7}, id="odd"),
    ],
)
def test_an_item_is_closed_by_its_place_or_its_id(opened: Any, closed: Any):
    """As servers give them."""
    openai = reader()
    openai.classify(item("added", "reasoning", **opened))
    openai.classify(item("done", "message", index=77))
    openai.classify(Event("response.output_item.done", b"{"))
    assert openai.quiet
    openai.classify(item("done", "reasoning", **closed))
    assert not openai.quiet


def test_items_without_end_are_not_all_kept():
    """A server that closes none of them costs no memory without bound."""
    openai = reader()
    for index in range(2 * _MOST_OPEN):
        openai.classify(item("added", "reasoning", index))
    assert (openai.quiet, len(openai._items._open)) == (True, _MOST_OPEN)


@pytest.mark.parametrize("odd", [None, 7, True, "x", ["thinking"], {"thinking": []}, [], {}], ids=repr)
def test_odd_values_say_nothing_about_silence(odd: Any):
    """And raise nothing."""
    openai = reader()
    for choice in (
        odd,
        {"delta": odd},
        {"message": odd},
        {"delta": {"content": [odd]}},
        {"delta": {"content": [{"type": odd}]}},
        {"delta": {"content": "a"}, "index": odd},
    ):
        openai.classify(Event.make("message", {"choices": [choice]}))
        openai.classify(chunk("a"))
        assert not openai.quiet
    openai.classify(item("added", odd, index=odd, id=odd))
    openai.classify(item("done", odd, index=odd, id=odd))
    assert not openai.quiet


def test_by_itself_an_event_says_nothing_about_silence():
    """A dialect has no state."""
    assert OpenAI().quiet is False


@pytest.mark.parametrize("error", [True, 7, ["x"]], ids=repr)
def test_an_error_of_an_odd_form_is_an_error(error: Any):
    """Whatever it is, it is not null."""
    event = Event.make("message", {"error": error})
    assert reader().classify(event) & ERROR
    assert OpenAI().error_from_event(event).message == "the server reported an error"


def test_the_proof_is_one_of_two():
    """A misspelt setting is refused."""
    assert (OpenAI().proof, OpenAI(proof="done").proof) == ("finish_reason", "done")
    with pytest.raises(ConfigurationError, match="proof"):
        OpenAI(proof="DONE")  # type: ignore[arg-type]


def test_a_reader_shows_nothing_of_the_stream():
    """It is a local variable of the engine, and so in reports that show those."""
    openai = reader()
    openai.classify(item("added", "reasoning", id="canary"))
    openai.text(Event.make("response.output_text.delta", {"item_id": "canary", "delta": "x"}))
    assert "canary" not in repr(openai)
