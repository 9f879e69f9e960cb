"""S1 to S10: no token is accepted that PyJWT refuses by the same rules, whatever was changed in it."""

import json
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken_gateway.auth.claims import check_claims
from unbroken_gateway.auth.jwt import Tokens
from unbroken_gateway.auth.key_set import Key, KeySet, parse
from unbroken_gateway.auth.proof import Rejected

from .issuing import (
    AUDIENCE,
    ISSUER,
    LIFETIME,
    NOW,
    PLANS,
    Hands,
    claims,
    issuer,
    jwk,
    jwks,
    made,
    pyjwt_accepts,
    token,
)

RULES = {
    "strict": issuer(),
    "lists-of-audiences": issuer(audience_list=True),
    "no-leeway": issuer(leeway=0.0),
}


class Fixed:
    """The keys of an issuer, without fetching."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys

    async def find(self, kid: str | None, algorithm: str) -> Key:
        key = self.keys.pick(kid, algorithm)
        if key is None:
            raise Rejected("no key")
        return key

    def version(self) -> object:
        return None

    async def aclose(self) -> None:
        """Nothing to close."""


def result(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine that waits for nothing returns."""
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)
    return ended.value.value


def accepted(value: bytes, rules: Any, clock: Hands | None = None) -> bool:
    source = Fixed(parse(jwks(jwk()), rules.algorithms))
    tokens = Tokens([rules], {rules.issuer: source}, PLANS, clock or Hands())

    async def proven() -> bool:
        try:
            await tokens.prove(value)
        except Rejected:
            return False
        return True

    return bool(result(proven()))


TIMES = st.one_of(
    st.integers(NOW - 4000, NOW + 4000),
    st.floats(NOW - 40.0, NOW + 4000.0),
    st.sampled_from([NOW - 30, NOW - 29, NOW + 30, NOW + 31, NOW - 29.5, NOW + 30.5, -0.5, 0, 1e308, True, "1", None]),
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8))
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)


def few(most: int, choices: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return changes of at most so many members: with more, hardly a token would be good."""
    pairs = [st.tuples(st.just(name), values) for name, values in choices.items()]
    return st.lists(st.one_of(pairs), max_size=most).map(dict)


HEADERS = few(
    1,
    {
        "alg": st.sampled_from(["RS256", "none", "None", "HS256", "PS256", "RS512", ""]) | JSON,
        "kid": st.sampled_from(["one", "two", ""]) | JSON,
        "typ": st.sampled_from(["JWT", "jwt", "at+jwt", "logout+jwt"]) | JSON,
        "crit": st.sampled_from([["exp"], ["b64"], []]) | JSON,
        "b64": st.booleans(),
        "jwk": st.just(jwk("RS256-foreign")),
        "jku": st.just("http://127.0.0.1:9/"),
        "x": JSON,
    },
)
CLAIMS = few(
    2,
    {
        "iss": st.sampled_from([ISSUER, ISSUER + "/", [ISSUER]]) | JSON,
        "aud": st.sampled_from([AUDIENCE, [AUDIENCE], [AUDIENCE, "b"], [], [AUDIENCE, 7]]) | JSON,
        "sub": st.sampled_from(["alice", ""]) | JSON,
        "iat": TIMES,
        "exp": TIMES,
        "nbf": TIMES,
        "jti": st.text(max_size=4) | JSON,
        "plan": st.sampled_from(["free", "paid"]),
    },
)


@pytest.mark.parametrize("rules", [pytest.param(rules, id=f"S2-{name}") for name, rules in RULES.items()])
@given(header=HEADERS, changes=CLAIMS, removed=st.sampled_from(["", "", "", *claims()]))
def test_changed_headers_and_claims_are_judged_no_milder_than_by_pyjwt(
    rules: Any, header: dict[str, Any], changes: dict[str, Any], removed: str
) -> None:
    """Each token has a good signature of what it says, so only what it says decides."""
    payload = {name: value for name, value in {**claims(), **changes}.items() if name != removed}
    value = made({"alg": "RS256", "kid": "one", **header}, payload)
    assert not accepted(value, rules) or pyjwt_accepts(value, rules)


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), kind=st.sampled_from(["change", "remove", "insert"]))
def test_s1_a_byte_changed_anywhere_is_never_accepted(at: int, byte: int, kind: str) -> None:
    """No spelling of a token but its own is good."""
    at %= len(GOOD)
    tail = GOOD[at:] if kind == "insert" else GOOD[at + 1 :]
    value = GOOD[:at] + (b"" if kind == "remove" else bytes([byte])) + tail
    assert accepted(value, issuer()) is (value == GOOD)


@given(swap=st.permutations([0, 1, 2]), other=st.sampled_from(["free", "paid"]))
def test_s1_the_parts_of_tokens_cannot_be_mixed(swap: list[int], other: str) -> None:
    """Neither put in another order, nor taken from two tokens."""
    parts = GOOD.split(b".")
    value = b".".join(parts[each] for each in swap)
    assert accepted(value, issuer()) is (value == GOOD)
    mixed = b".".join((parts[0], token(claims(plan=other)).split(b".")[1], parts[2]))
    assert not accepted(mixed, issuer())


@given(raw=st.binary(max_size=200) | st.text("ey.JAB01-_", max_size=200).map(str.encode))
def test_s1_nonsense_is_rejected_and_nothing_else_happens(raw: bytes) -> None:
    """Whatever it is, it is Rejected and no other exception."""
    assert not accepted(raw, issuer())


def test_s4_the_length_is_checked_before_anything_is_decoded() -> None:
    """Here too, whoever calls."""
    assert not accepted(b"." * 8193, issuer())


@given(payload=JSON, header=JSON)
def test_s1_any_json_in_the_place_of_objects(payload: Any, header: Any) -> None:
    """Signed well, and still no token."""
    assert not accepted(made(json.dumps(header).encode(), json.dumps(payload).encode()), issuer())


@given(exp=TIMES, iat=TIMES, nbf=TIMES, now=st.floats(0, 4000))
def test_s8_times_are_judged_no_milder_than_by_pyjwt(exp: Any, iat: Any, nbf: Any, now: float) -> None:
    """At any time, with fractions of seconds on both sides."""
    clock = Hands()
    clock.now = now
    value = made({"alg": "RS256", "kid": "one"}, {**claims(), "exp": exp, "iat": iat, "nbf": nbf})
    assert not accepted(value, issuer(), clock) or pyjwt_accepts(value, issuer(), clock.time())


@given(iat=st.integers(NOW - 4000, NOW + 40), length=st.integers(-5, 4000), now=st.integers(0, 4000))
def test_s8_whole_seconds_are_judged_as_by_pyjwt(iat: int, length: int, now: int) -> None:
    """Neither milder nor harder, where the lifetime is allowed."""
    try:
        check_claims(issuer(), claims(iat=iat, exp=iat + length), NOW + now)
        ours = True
    except Rejected:
        ours = False
    value = made({"alg": "RS256", "kid": "one"}, claims(iat=iat, exp=iat + length))
    assert ours is (pyjwt_accepts(value, issuer(), NOW + now) and 0 < length <= 3600)


def test_the_judges_can_agree() -> None:
    """Otherwise the tests above would prove nothing."""
    assert accepted(GOOD, issuer())
    assert pyjwt_accepts(GOOD, issuer())
    assert LIFETIME < 3600


GOOD = token()
