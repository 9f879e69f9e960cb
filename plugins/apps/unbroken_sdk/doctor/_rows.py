"""The faults that a client is examined with, as data."""

import json
from typing import Final

from attrs import frozen

ELSEWHERE: Final = "{elsewhere}"
"""Stands in a script for the URL of another server, which answers without faults."""

_CUT_JSON: Final = json.dumps([{"framing": "close", "after_bytes": 60, "then": "close"}, "ok"])


@frozen(kw_only=True)
class Row:
    """One call: what the server does, and the text that it intends to send."""

    name: str
    title: str
    script: str
    """A script of `unbroken_faults`, one fault per request."""
    text: str = ""
    """The text of each answer; empty where there is none."""
    waits: bool = False
    """Whether the fault is one of time: only here the call gets short timeouts, and is stopped soon if it hangs."""
    plain: bool = False
    """Whether the call asks for plain JSON instead of a stream."""


CONTROL: Final = Row(
    name="no-fault", title="no fault", script="ok", text="One request, one answer, every word of it, once."
)
"""The first row. A client that fails here cannot be examined."""

FAULTS: Final = (
    Row(
        name="socket-kept-open",
        title="complete, but kept open",
        script="keep_open",
        text="I have said all that there is to say, and yet I stay on the line.",
        waits=True,
    ),
    Row(
        name="rate-limited",
        title="429, Retry-After: 0.3",
        script="429:retry_after=0.3, ok",
        text="You waited as long as I had asked, so here is your answer.",
    ),
    Row(
        name="retry-after-a-day",
        title="429, Retry-After: a day",
        script="9*429:retry_after=86400",
        waits=True,
    ),
    Row(name="spend-limit", title="429, spend limit", script="9*spend_limit"),
    Row(
        name="overloaded",
        title="529 overloaded, twice",
        script="529, 529, ok",
        text="Too much to do, twice over; but you backed off, and now I have time.",
    ),
    Row(
        name="error-first",
        title="200, then an error event",
        script="error_first, ok",
        text="A status of 200 is a promise, not a proof. This one is kept.",
    ),
    Row(
        name="reset",
        title="connection reset",
        script="reset, ok",
        text="My plug was pulled before I could open my mouth. Good that you asked again.",
    ),
    Row(
        name="cut-before-text",
        title="cut after the preamble",
        script="cut:after=3, ok",
        text="You heard me clear my throat and never knew, for nothing had been said.",
    ),
    Row(
        name="silence",
        title="silence, no headers",
        script="silence, ok",
        text="No word from me, and no headers either; you did not wait forever.",
        waits=True,
    ),
    Row(
        name="silent-stream",
        title="silence after headers",
        script="stall:after=0, ok",
        text="Headers are cheap. What counts is the first word, and this is it.",
        waits=True,
    ),
    Row(
        name="pings-only",
        title="nothing but pings",
        script="pings:after=3:interval=0.05, ok",
        text="Bytes flowed all the time, and every one of them said nothing.",
        waits=True,
    ),
    Row(
        name="stall",
        title="stall mid-stream",
        script="stall:after=9",
        text="I was about to tell you how this sentence ends, but then",
        waits=True,
    ),
    Row(
        name="pings-midway",
        title="only pings mid-stream",
        script="pings:after=10:interval=0.05",
        text="A heartbeat tells you that I live, not that I will ever go on talking",
        waits=True,
    ),
    Row(
        name="cut",
        title="cut politely",
        script="cut:after=9",
        text="The body ended by the book, so most would say it was complete",
    ),
    Row(
        name="cut-rudely",
        title="cut without a word",
        script="cut:after=8:how=close",
        text="The line went dead before I could finish this",
    ),
    Row(
        name="error-midway",
        title="error event mid-stream",
        script="error_after:after=7",
        text="Sorry, too many people want something from me",
    ),
    Row(name="captive-portal", title="200, a page of HTML", script="captive_portal"),
    Row(
        name="gzip",
        title="200, gzip",
        script="gzip",
        text="Two hundred kilobytes of this can be two hundred megabytes of text.",
    ),
    Row(
        name="redirect",
        title="307 to another origin",
        script=f"redirect:location={ELSEWHERE}:body=",  # an empty body, so that no client waits for one
        text="If you read this, your question went to another server.",
    ),
    Row(
        name="json-cut",
        title="plain JSON, cut",
        script=_CUT_JSON,
        text="No length was promised, so only the JSON can show that there was more.",
        plain=True,
    ),
)

ROWS: Final = (CONTROL, *FAULTS)
