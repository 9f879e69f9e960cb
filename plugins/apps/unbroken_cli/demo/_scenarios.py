"""The rows of the demonstration, as data."""

from typing import Final

from attrs import field, frozen

from unbroken.errors import TimeoutName

FIRST_EVENT: Final = 0.5
IDLE: Final = 0.5
QUIET: Final = 2.0
"""The three timeouts that expire in the demonstration, in seconds."""


@frozen(kw_only=True)
class Expect:
    """How a call must end. The default is a complete answer at the first attempt."""

    error: str | None = None
    """The class of the error that the consumer gets."""
    timeout: TimeoutName | None = None
    """Which timeout the error names."""
    status_code: int | None = None
    retry_after: float | None = None
    """The ``retry_after`` of the error, in seconds."""
    attempts: int = 1
    words: int | None = None
    """How many words are delivered, each once and from the beginning; None: all of them."""
    at_least: float = 0.0
    """Seconds that the call must take: a timeout, or a wait that the server asked for."""
    at_most: float = 4.0
    """Seconds. Generous for slow machines; it only has to tell an end from a hang."""
    closed: bool = False
    """Whether the client must close the connection because it cannot be used again."""


@frozen(kw_only=True)
class Scenario:
    """One call: what the server does, the text it intends to send, and how the call must end."""

    name: str
    """Used by ``--only`` and in the JSON document."""
    title: str
    script: str
    """A script of `unbroken_faults`, one fault per request."""
    text: str
    """The text that the server intends to send in each answer."""
    pause: float = 0.0
    """Seconds that the consumer spends on its third word."""
    expect: Expect = field(factory=Expect)


def thinking(*, pings: int | None) -> str:
    """Return the script of a model that thinks, pings every 50 ms, `pings` times or forever, and then answers."""
    times = "null" if pings is None else pings
    return f"pings:after=6:interval=0.05:times={times}:thinking=Let me see."


_THOUGHT: Final = "I thought for longer than I may stay silent in a sentence, and you let me."
_LOST: Final = "You will never know what I was thinking about"


@frozen
class Chapter:
    """Rows that belong together."""

    title: str
    scenarios: tuple[Scenario, ...]


SERVED: Final = Chapter(
    "Nothing is wrong, although it may look so",
    (
        Scenario(
            name="no-fault",
            title="no fault",
            script="ok",
            text="This is how it should be: one request, one answer, every word of it, once.",
        ),
        Scenario(
            name="slow-consumer",
            title="a slow consumer",
            script="ok",
            text="Take as long as you like over a word: the timeouts run only while you wait for me.",
            pause=IDLE + 0.3,
            expect=Expect(at_least=IDLE + 0.3),
        ),
        Scenario(
            name="thinks",
            title="a model that thinks",
            script=thinking(pings=13),
            text=_THOUGHT,
            expect=Expect(at_least=IDLE),
        ),
        Scenario(
            name="socket-kept-open",
            title="complete, but kept open",
            script="keep_open",
            text="I have said all that there is to say, and yet I stay on the line.",
            expect=Expect(closed=True),
        ),
    ),
)

RETRIED: Final = Chapter(
    "Before the first word: tried again, the consumer never notices",
    (
        Scenario(
            name="rate-limited",
            title="429, Retry-After: 0.3",
            script="429:retry_after=0.3, ok",
            text="You waited exactly as long as I had asked, so here is your answer.",
            expect=Expect(attempts=2, at_least=0.3),
        ),
        Scenario(
            name="overloaded",
            title="529 overloaded, twice",
            script="529, 529, ok",
            text="Too much to do, twice over; but you backed off, and now I have time.",
            expect=Expect(attempts=3),
        ),
        Scenario(
            name="error-first",
            title="200, then an error event",
            script="error_first, ok",
            text="A status of 200 is a promise, not a proof. This one is kept.",
            expect=Expect(attempts=2),
        ),
        Scenario(
            name="reset",
            title="connection reset",
            script="reset, ok",
            text="My plug was pulled before I could open my mouth. Good that you asked again.",
            expect=Expect(attempts=2),
        ),
        Scenario(
            name="cut-before-text",
            title="cut after the preamble",
            script="cut:after=3, ok",
            text="You heard me clear my throat twice and never knew, for nothing had been said.",
            expect=Expect(attempts=2),
        ),
        Scenario(
            name="silence",
            title="silence, no headers",
            script="silence, ok",
            text="No word from me, and no headers either; the first-event timeout did not wait for ever.",
            expect=Expect(attempts=2, at_least=FIRST_EVENT),
        ),
        Scenario(
            name="silent-stream",
            title="silence after headers",
            script="stall:after=0, ok",
            text="Headers are cheap. What counts is the first word, and this is it.",
            expect=Expect(attempts=2, at_least=FIRST_EVENT),
        ),
        Scenario(
            name="pings-only",
            title="nothing but pings",
            script="pings:after=3:interval=0.05, ok",
            text="Bytes flowed all the time, and every one of them said nothing.",
            expect=Expect(attempts=2, at_least=FIRST_EVENT),
        ),
    ),
)

SURFACED: Final = Chapter(
    "After the first word: nothing is repeated, what was said stands",
    (
        Scenario(
            name="stall",
            title="stall mid-stream",
            script="stall:after=9",
            text="I was about to tell you how this sentence ends, but then",
            expect=Expect(error="TimeoutError", timeout="idle", words=6, at_least=IDLE, closed=True),
        ),
        Scenario(
            name="pings-midway",
            title="only pings mid-stream",
            script="pings:after=10:interval=0.05",
            text="A heartbeat tells you that I live, not that I will ever go on talking",
            expect=Expect(error="TimeoutError", timeout="idle", words=7, at_least=IDLE, closed=True),
        ),
        Scenario(
            name="pings-in-thought",
            title="only pings in thought",
            script=thinking(pings=None),
            text=_LOST,
            expect=Expect(error="TimeoutError", timeout="quiet", words=0, at_least=QUIET, closed=True),
        ),
        Scenario(
            name="cut",
            title="cut politely",
            script="cut:after=9",
            text="The body ended by the book, so most would say it was complete",
            expect=Expect(error="TruncatedStreamError", words=6),
        ),
        Scenario(
            name="cut-rudely",
            title="cut without a word",
            script="cut:after=8:how=close",
            text="The line went dead before I could finish this",
            expect=Expect(error="NetworkError", words=5, closed=True),
        ),
        Scenario(
            name="error-midway",
            title="error event mid-stream",
            script="error_after:after=7",
            text="Sorry, too many people want something from me",
            expect=Expect(error="OverloadedError", words=4, closed=True),
        ),
        Scenario(
            name="no-terminal-event",
            title="no terminal event",
            script="cut:after=-2",
            text="All words are here, but nothing here proves it.",
            expect=Expect(error="TruncatedStreamError"),
        ),
    ),
)

REFUSED: Final = Chapter(
    "Nothing to hope for: one typed error, in good time",
    (
        Scenario(
            name="captive-portal",
            title="200, a page of HTML",
            script="captive_portal",
            text="",
            expect=Expect(error="ContentTypeError"),
        ),
        Scenario(
            name="gzip",
            title="200, gzip unasked",
            script="gzip",
            text="Two hundred kilobytes of this can be two hundred megabytes of text.",
            expect=Expect(error="StreamError", words=0, closed=True),
        ),
        Scenario(
            name="bad-key",
            title="401",
            script="401",
            text="",
            expect=Expect(error="AuthenticationError", status_code=401),
        ),
        Scenario(
            name="retry-after-a-day",
            title="429, Retry-After: 86400",
            script="429:retry_after=86400",
            text="",
            expect=Expect(error="RateLimitError", status_code=429, retry_after=86400.0),
        ),
        Scenario(
            name="retries-exhausted",
            title="529 for ever",
            script="9*529",
            text="",
            expect=Expect(error="OverloadedError", status_code=529, attempts=4),
        ),
    ),
)

CHAPTERS: Final = (SERVED, RETRIED, SURFACED, REFUSED)
SCENARIOS: Final = tuple(scenario for chapter in CHAPTERS for scenario in chapter.scenarios)
