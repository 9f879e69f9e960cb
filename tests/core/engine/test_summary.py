"""What a reader has kept of the answer as a whole."""

from unbroken import Plugin, Summary
from unbroken.testing import Answer, sse

from ..kit import Talk

GOOD = Answer(body=sse(("content_block_delta", "{}"), ("message_stop", "{}")))


class Looks(Plugin):
    """Looks at the summary at the end, and before the first attempt."""

    name = "looks"

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_finish(self, call, outcome):
        self.seen.append(call.summary)


class Reader:
    """Knows one thing about the answer."""

    quiet = False

    def __init__(self, dialect, model):
        self.classify, self.text, self.complete_at_end = dialect.classify, dialect.text, dialect.complete_at_end
        self.summary = Summary(model=model)


class Knowing(Talk):
    """Has a reader for each attempt."""

    def reader(self, call):
        return Reader(self, call.current.headers["x-model"])


def test_the_summary_is_that_of_the_reader_of_the_last_attempt(play):
    """It is asked for when somebody wants it."""
    looks = Looks()
    play([GOOD], [looks], dialect=Knowing(), headers={"x-model": "m"})
    assert looks.seen == [Summary(model="m")]


def test_a_dialect_that_tells_nothing_has_no_summary(play):
    """As most readers do."""
    looks = Looks()
    play([GOOD], [looks], dialect=Talk())
    assert looks.seen == [None]
