"""S5 and S6: how the keys of an issuer are fetched, kept and replaced."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from unbroken import NetworkError
from unbroken.testing import STALL, Answer
from unbroken_gateway.auth import authenticator
from unbroken_gateway.auth.authenticator import Authenticator
from unbroken_gateway.auth.fetching import DEADLINE, MAX_DOCUMENT
from unbroken_gateway.auth.jwks import COOLDOWN, FRESH, STALE
from unbroken_gateway.auth.key_set import MAX_KEYS
from unbroken_gateway.replies.errors import Problem, no_credential, unavailable
from unbroken_gateway.values import Principal

from .conftest import JSON, Door, document, knock
from .issuing import NOW, URL, bearer, claims, jwk, jwks, token

HEAD = {**JSON, "location": "https://evil.example.com/jwks"}
OLD, NEW = jwk(), jwk("RS256-new", kid="two")
FAILURES: dict[str, Answer] = {
    "S5-status-500": Answer(status=500, headers=JSON, body=jwks(OLD)),
    "S5-status-404": Answer(status=404, headers=JSON, body=jwks(OLD)),
    "S5-status-204": Answer(status=204, headers=JSON),
    **{f"S5-redirect-{code}": Answer(status=code, headers=HEAD, body=jwks(OLD)) for code in (301, 302, 303, 307, 308)},
    "S5-over-64-KiB": Answer(headers=JSON, body=[jwks(OLD), b" " * MAX_DOCUMENT]),
    "S5-endless": Answer(headers=JSON, body=[b" " * 1000] * 1000),
    "S5-too-many-keys": Answer(headers=JSON, body=jwks(*[OLD] * (MAX_KEYS + 1))),
    "S5-no-json": Answer(headers=JSON, body=b"<html>"),
    "S5-list": Answer(headers=JSON, body=b"[]"),
    "S5-no-keys-member": Answer(headers=JSON, body=b"{}"),
    "S5-keys-is-no-list": Answer(headers=JSON, body=b'{"keys":{}}'),
    "S5-empty": Answer(headers=JSON),
    "S5-no-connection": Answer(failure=NetworkError("refused")),
    "S5-cut": Answer(headers=JSON, body=[jwks(OLD)[:50], NetworkError("reset")]),
    "S5-silent": Answer(latency=STALL),
    "S5-stalls": Answer(headers=JSON, body=[jwks(OLD)[:50], STALL]),
    "S5-drips": Answer(headers=JSON, body=[item for _ in range(100) for item in (b" ", 1.0)]),
}


def long(start: float, **header: Any) -> bytes:
    """Return a good token that is made `start` seconds after the beginning."""
    return token(claims(iat=int(NOW + start), exp=int(NOW + start) + 600), **header)


@pytest.mark.parametrize("answer", [pytest.param(answer, id=name) for name, answer in FAILURES.items()])
def test_a_failed_fetch_is_a_503_and_no_principal(door: Door, answer: Answer) -> None:
    """It asked once, followed nothing, kept no connection, and says when it will ask again."""
    door.answer = lambda request: answer
    problem = door.ask_one(token())
    assert isinstance(problem, Problem)
    assert (problem.name, problem.should_retry) == ("unavailable", True)
    assert problem.retry_after == pytest.approx(COOLDOWN, abs=DEADLINE + 0.1)
    assert door.fetched == [URL]
    assert door.transport.open_exchanges == 0
    assert door.clock.monotonic() <= 1000.0 + DEADLINE


def test_s5_exactly_64_kib_are_read(door: Door) -> None:
    door.answer = lambda request: Answer(headers=JSON, body=jwks(OLD).ljust(MAX_DOCUMENT))
    assert isinstance(door.ask_one(token()), Principal)


def test_s5_one_fetch_serves_all_who_wait(door: Door) -> None:
    """A hundred requests at once are one request to the issuer."""
    door.answer = lambda request: Answer(headers=JSON, body=jwks(OLD), latency=1.0)

    async def visit(made: Authenticator) -> list[Any]:
        return await asyncio.gather(*(knock(made, bearer(token())) for _ in range(100)))

    assert all(isinstance(each, Principal) for each in door.run(visit))
    assert door.fetched == [URL]


def test_s5_who_leaves_does_not_end_the_fetch_of_the_others(door: Door) -> None:
    door.answer = lambda request: Answer(headers=JSON, body=jwks(OLD), latency=1.0)

    async def visit(made: Authenticator) -> Any:
        first, second = (asyncio.create_task(knock(made, bearer(token()))) for _ in range(2))
        await asyncio.sleep(0.5)
        first.cancel()
        return await second

    assert isinstance(door.run(visit), Principal)
    assert door.fetched == [URL]


@pytest.mark.parametrize("answer", [document(OLD), FAILURES["S5-no-json"], document(NEW)], ids=["same", "bad", "other"])
def test_s5_unknown_keys_cause_one_fetch_per_cooldown(door: Door, answer: Answer) -> None:
    """Whatever the issuer answers, 100 s of invented names are four fetches."""
    door.answer = lambda request: answer

    async def visit(made: Authenticator) -> None:
        for number in range(100):
            await knock(made, bearer(long(number, kid=f"invented-{number}")), peer=f"198.51.100.{number}")
            await asyncio.sleep(1.0)

    door.run(visit)
    assert [at - 1000.0 for at in door.transport.sent_at] == [0.0, 30.0, 60.0, 90.0]


def after(door: Door, seconds: float, make: Callable[..., bytes] = long, **header: Any) -> Any:
    """Return what comes of a first token, then of another after `seconds`, whose fetch fails."""

    async def visit(made: Authenticator) -> Any:
        assert isinstance(await knock(made, bearer(token())), Principal)
        door.answer = lambda request: FAILURES["S5-status-500"]
        await asyncio.sleep(seconds)
        seen = await knock(made, bearer(make(seconds, **header)))
        await asyncio.sleep(DEADLINE)  # for a fetch in the background
        return seen

    return door.run(visit)


def test_s5_keys_live_on_for_an_hour_when_the_issuer_fails(door: Door) -> None:
    assert isinstance(after(door, STALE), Principal)
    assert len(door.fetched) == 2  # in the background


def test_s5_keys_of_more_than_an_hour_are_not_used(door: Door) -> None:
    assert after(door, STALE + 1) == unavailable(COOLDOWN)


def test_s5_a_token_that_was_proven_is_not_good_for_longer_than_its_keys(door: Door) -> None:
    """The cache of tokens does not make old keys younger."""

    async def visit(made: Authenticator) -> list[Any]:
        await knock(made, bearer(token()))
        door.answer = lambda request: FAILURES["S5-status-500"]
        await asyncio.sleep(STALE - 1)
        same = bearer(long(STALE))
        seen = [await knock(made, same)]
        await asyncio.sleep(2)
        return [*seen, await knock(made, same)]

    good, late = door.run(visit)
    assert isinstance(good, Principal)
    assert isinstance(late, Problem)
    assert late.status == 503


def test_s5_an_unknown_key_is_a_503_while_the_issuer_fails(door: Door) -> None:
    """Whether it is a new key of the issuer cannot be told."""
    seen = after(door, COOLDOWN, kid="two")
    assert (seen.status, seen.retry_after) == (503, COOLDOWN)


def test_s5_fresh_keys_are_not_fetched_again(door: Door) -> None:
    after(door, FRESH)
    assert len(door.fetched) == 1


def test_s5_the_request_names_no_one_and_takes_no_encoding(door: Door) -> None:
    door.ask(token())
    (request,) = door.transport.requests
    assert (request.method, request.content) == ("GET", b"")
    assert request.headers["accept-encoding"] == "identity"
    assert "authorization" not in request.headers


def rotate(door: Door, steps: list[tuple[float, Answer]], ask: Callable[[float], list[bytes]], end: float) -> list[Any]:
    """Return what comes of `ask` each second, while the issuer changes its keys at the times of `steps`."""

    async def visit(made: Authenticator) -> list[Any]:
        seen: list[Any] = []
        for second in range(int(end)):
            now = [answer for at, answer in steps if at <= second][-1]
            door.answer = lambda request, now=now: now
            seen += [await knock(made, bearer(each)) for each in ask(second)]
            await asyncio.sleep(1.0)
        return seen

    return door.run(visit)


def test_s6_rotation_has_no_failures(door: Door) -> None:
    """The new key is published, then used, then the old one is withdrawn: both are good meanwhile."""
    steps = [(0.0, document(OLD)), (100.0, document(OLD, NEW)), (500.0, document(NEW))]

    def ask(second: float) -> list[bytes]:
        old = [long(second)] if second < 500 else []
        new = [long(second, key="RS256-new", kid="two")] if second >= 100 else []
        return old + new

    seen = rotate(door, steps, ask, 700)
    assert all(isinstance(each, Principal) for each in seen)
    assert 3 <= len(door.fetched) <= 700 / FRESH + 2


def test_s6_a_withdrawn_key_stops_being_good(door: Door) -> None:
    """At the next fetch, also for a token that is remembered."""
    same = long(FRESH - 10)

    async def visit(made: Authenticator) -> list[Any]:
        await knock(made, bearer(token()))
        await asyncio.sleep(FRESH - 5)
        seen = [await knock(made, bearer(same))]
        door.answer = lambda request: document(NEW)
        await knock(made, bearer(long(FRESH, key="RS256-new", kid="two")))
        return [*seen, await knock(made, bearer(same))]

    good, late = door.run(visit)
    assert isinstance(good, Principal)
    assert late == no_credential()


def test_s6_an_issuer_that_withdraws_all_keys_is_believed(door: Door) -> None:
    door.answer = lambda request: Answer(headers=JSON, body=jwks())
    assert door.ask_one(token()) == no_credential()


def test_s5_a_fetch_under_way_ends_with_the_authenticator(door: Door) -> None:
    door.answer = lambda request: Answer(latency=4.0)

    async def visit(made: Authenticator) -> Any:
        waiting = asyncio.create_task(knock(made, bearer(token())))
        await asyncio.sleep(1.0)
        await made.aclose()
        return await waiting

    seen = door.run(visit)
    assert seen.status == 503
    assert door.clock.monotonic() == 1001.0


def test_s5_its_own_transport_is_closed(monkeypatch: pytest.MonkeyPatch, door: Door) -> None:
    """One that is given is left to its owner."""
    door.ask(token())
    assert not door.transport.closed
    own = door.transport
    monkeypatch.setattr(authenticator, "_wire", lambda: own)

    async def never(principal: Principal) -> bool:
        return False

    async def visit(made: Authenticator) -> None:
        await Authenticator(door.settings, revoked=never, clock=door.clock).aclose()

    door.run(visit)
    assert own.closed
