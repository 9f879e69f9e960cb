"""What is compared: most rows of the demonstration, and a redirect."""

from typing import Final

from attrs import evolve

from ..demo import SCENARIOS, Expect, Scenario

ELSEWHERE: Final = "{elsewhere}"
"""In a script: the URL of another server, which answers well."""

_LEFT_OUT: Final = {
    "slow-consumer",  # nobody fails it
    "retry-after-a-day",  # a client that sleeps through the day cannot be woken
    "retries-exhausted",  # takes longer than it says
}

_REDIRECT: Final = Scenario(
    name="redirect",
    title="307 to another origin",
    # A length of zero, so that nobody waits for a body.
    script=f"redirect:location={ELSEWHERE}:body=",
    text="Whoever reads this has sent the question to somebody else.",
    expect=Expect(error="StreamError", words=0),
)

_RENAMED: Final = {
    "gzip": "200, gzip",  # asked for by some
}

ROWS: Final = (
    *(evolve(row, title=_RENAMED.get(row.name, row.title)) for row in SCENARIOS if row.name not in _LEFT_OUT),
    _REDIRECT,
)
