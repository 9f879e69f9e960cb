"""Any sequence of calls, failures and waits, against a model that says the same in the plainest way."""

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from unbroken import Request
from unbroken.testing import Answer, FakeClock, play
from unbroken_fallback import Fallback, Target

from .servers import WHOLE, host, status, url, with_key

COOLDOWN = 60.0
# Target and key of each place, in order. The first has the caller's own key.
PLACES = [("api", None), ("eu", "a"), ("eu", "b"), ("us", "c")]
ANSWERS = {
    "whole": WHOLE,
    "500": status(500),
    "500-hint": status(500, retry_after="20"),
    "429": status(429),
    "429-hint": status(429, retry_after="90"),
    "401": status(401),
    "400": status(400),
}
ANSWER = st.sampled_from(["whole", "500", "500", "500-hint", "429", "429", "429-hint", "401", "400"])


class Gateway(RuleBasedStateMachine):
    """A policy beside its model: until when each target and each key are passed over."""

    def __init__(self) -> None:
        super().__init__()
        targets = [Target(url=url("eu"), keys=with_key("a", "b")), Target(url=url("us"), keys=with_key("c"))]
        self.fallback = Fallback(targets=targets, cooldown=COOLDOWN)
        self.clock = FakeClock()
        self.until: dict[object, float] = {}

    def free(self, place: tuple[str, str | None]) -> float:
        return max(self.until.get(place[0], -math.inf), self.until.get(place, -math.inf))

    def first(self) -> tuple[str, str | None]:
        now = self.clock.monotonic()
        ready = [place for place in PLACES if self.free(place) <= now]
        return ready[0] if ready else min(PLACES, key=self.free)

    def cool(self, place: tuple[str, str | None], answer: str) -> None:
        now = self.clock.monotonic()
        seconds = {"500-hint": 20.0, "429-hint": 90.0}.get(answer, COOLDOWN)
        seconds = math.inf if answer == "401" and place[1] else seconds
        name = place[0] if answer.startswith("500") else place
        self.until[name] = max(self.until.get(name, -math.inf), now + seconds)

    def expected(self, answers: dict[tuple[str, str | None], str]) -> tuple[list[tuple[str, str | None]], str]:
        """Return where a call goes, and what its last answer is."""
        place, went, failed = self.first(), list[tuple[str, str | None]](), set[str]()
        while True:
            went.append(place)
            answer = answers[place]
            if answer in {"whole", "400"}:
                return went, answer
            self.cool(place, answer)
            left = [each for each in PLACES if each not in went and self.free(each) <= self.clock.monotonic()]
            if answer.startswith("500"):
                failed.add(place[0])
            left = [each for each in left if each[0] not in failed]
            left.sort(key=lambda each: each[0] != place[0])
            if not left:
                return went, answer
            place = left[0]

    @rule(answers=st.tuples(*[ANSWER] * len(PLACES)))
    def call(self, answers: tuple[str, ...]) -> None:
        by_place = dict(zip(PLACES, answers, strict=True))
        went, last = self.expected(by_place)

        def answer(request: Request) -> Answer:
            return ANSWERS[by_place[host(request), request.headers.get("x-api-key")]]

        played = play(answer, [self.fallback], clock=self.clock)
        assert [(host(request), request.headers.get("x-api-key")) for request in played.requests] == went
        assert (played.error is None) == (last == "whole")
        if last != "whole":
            assert played.failure.status_code == int(last.partition("-")[0])
        assert len(went) == len(set(went)) <= len(PLACES)

    @rule(seconds=st.sampled_from([1, 19, 20, 59, 60, 90]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def reset(self) -> None:
        self.fallback.reset()
        self.until.clear()

    @invariant()
    def as_many_are_passed_over(self) -> None:
        now = self.clock.monotonic()
        assert len(self.fallback.snapshot()) == len(
            # The target and the only key of it have one name.
            {each[0] if each in [PLACES[0], PLACES[3]] else each for each, until in self.until.items() if until > now}
        )


def test_any_sequence_goes_where_the_model_goes() -> None:
    """Cool-downs, refused keys, returns: each call, in order."""
    run_state_machine_as_test(Gateway, settings=settings(max_examples=60, stateful_step_count=25))
