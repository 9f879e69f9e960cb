"""S7, S9, S10, S11, S27: one credential, one answer, and no way around either."""

import asyncio
import hashlib
from typing import Any

import pytest

from unbroken_gateway.auth import authenticator, jwt
from unbroken_gateway.auth.addresses import MAX_ADDRESSES, PERIOD, Throttle, client_address, networks
from unbroken_gateway.auth.authenticator import Authenticator
from unbroken_gateway.auth.jwt import REUSE
from unbroken_gateway.replies.errors import Problem, Refused, no_credential, too_many_bad_credentials, unavailable
from unbroken_gateway.state import StateUnavailable
from unbroken_gateway.values import Principal

from .conftest import PEER, Door, document, knock
from .issuing import NOW, bearer, claims, issuer, jwk, made, settings, token

DEVELOPMENT = "dev-q7Zk2mVw9sLxT4bYhN8cRfJ3gPdA6uEo1iQ"


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Note each token whose signature is verified."""
    seen: list[bytes] = []
    inner = jwt.jws.deserialize_compact

    def noting(value: bytes, *args: Any, **kwargs: Any) -> Any:
        seen.append(value)
        return inner(value, *args, **kwargs)

    monkeypatch.setattr(jwt.jws, "deserialize_compact", noting)
    return seen


# S7: revocation

REVOKED: dict[str, Any] = {
    "S7-jti": lambda principal: principal.credential_id == "t1",
    "S7-sub": lambda principal: principal.user == "https://id.example.com|alice",
    "S7-kid": lambda principal: principal.key_id == "one",
    "S7-issued-before": lambda principal: principal.issued_at < NOW + 1,
}


@pytest.mark.parametrize("revoked", [pytest.param(revoked, id=name) for name, revoked in REVOKED.items()])
def test_a_revoked_credential_is_refused_at_the_next_request(door: Door, revoked: Any) -> None:
    """Though its proof is remembered. What is not revoked goes on."""
    good, other = token(), token(claims(jti="t2", sub="bob", iat=NOW + 1), kid=None)

    async def visit(made: Authenticator) -> list[Any]:
        before = [await knock(made, bearer(each)) for each in (good, other)]
        door.revoked = revoked
        return before + [await knock(made, bearer(each)) for each in (good, other)]

    first, second, third, fourth = door.run(visit)
    assert isinstance(first, Principal)
    assert isinstance(second, Principal)
    assert third == no_credential()
    assert fourth == second


# S9: the cache


def test_s9_a_proof_is_remembered_for_a_while(door: Door, verified: list[bytes]) -> None:
    good = token()

    async def visit(made: Authenticator) -> None:
        for _ in range(int(REUSE)):
            assert isinstance(await knock(made, bearer(good)), Principal)
            await asyncio.sleep(1.0)
        assert verified == [good]
        await knock(made, bearer(good))
        assert verified == [good, good]

    door.run(visit)


def test_s9_a_token_with_a_remembered_beginning_is_verified_itself(door: Door, verified: list[bytes]) -> None:
    """CVE-2026-35030: the key of the cache is the hash of all of it, the signature included."""
    good = token()
    changed = good[:-10] + (b"AAAAAAAAAA" if good[-10:] != b"AAAAAAAAAA" else b"BBBBBBBBBB")
    seen = door.ask(good, changed, good)
    assert [type(each) for each in seen] == [Principal, Problem, Principal]
    assert verified == [good, changed]


def test_s9_the_cache_holds_hashes_of_whole_tokens(door: Door) -> None:
    good = token()

    async def visit(made: Authenticator) -> list[bytes]:
        await knock(made, bearer(good))
        return list(made._known)

    assert door.run(visit) == [hashlib.sha256(good).digest()]


def test_s9_a_remembered_token_ends_when_it_ends(door: Door) -> None:
    """Not when the cache would forget it."""
    good = token(claims(iat=NOW - 600, exp=NOW + 10))

    async def visit(made: Authenticator) -> list[Any]:
        seen = []
        for _ in range(2):
            seen.append(await knock(made, bearer(good)))
            await asyncio.sleep(39)
            seen.append(await knock(made, bearer(good)))
            await asyncio.sleep(1)
        return seen

    first, second, third, _ = door.run(visit)
    assert first == second
    assert isinstance(first, Principal)
    assert third == no_credential()


def test_s9_the_cache_is_bounded(door: Door, monkeypatch: pytest.MonkeyPatch, verified: list[bytes]) -> None:
    """The token that was used longest ago goes first."""
    monkeypatch.setattr(authenticator, "MAX_KNOWN", 2)
    one, two, three = (token(claims(jti=str(number))) for number in range(3))
    door.ask(one, two, one, three, one, two)
    assert verified == [one, two, three, two]


# S10: one credential

A, B = b"Bearer " + token(), token()
HEADERS: dict[str, list[tuple[bytes, bytes]]] = {
    "S10-none": [(b"accept", b"*/*")],
    "S10-both": [(b"authorization", A), (b"x-api-key", B)],
    "S10-both-the-same": [(b"x-api-key", B), (b"authorization", A)],
    "S10-two-bearers": [(b"authorization", A), (b"authorization", A)],
    "S10-two-keys": [(b"x-api-key", B), (b"x-api-key", B)],
    "S10-two-of-other-case": [(b"x-api-key", B), (b"X-Api-Key", B)],
    "S10-an-empty-one-beside": [(b"authorization", A), (b"x-api-key", b"")],
    "S10-empty-bearer": [(b"authorization", b"Bearer ")],
    "S10-only-the-scheme": [(b"authorization", b"Bearer")],
    "S10-empty-key": [(b"x-api-key", b"")],
    "S10-blank-key": [(b"x-api-key", b" ")],
    "S10-basic": [(b"authorization", b"Basic YWxpY2U6")],
    "S10-no-scheme": [(b"authorization", B)],
    "S10-two-in-one-line": [(b"authorization", A + b", " + A)],
    "S10-two-words": [(b"authorization", A + b" x")],
    "S10-scheme-in-the-key": [(b"x-api-key", A)],
    "S10-tab": [(b"authorization", A.replace(b" ", b"\t"))],
    "S10-newline": [(b"authorization", A + b"\n")],
    "S10-null": [(b"x-api-key", B + b"\0")],
    "S10-not-ascii": [(b"x-api-key", B + b"\xc3\xa9")],
    "S10-other-header": [(b"x-api-token", B), (b"cookie", b"token=" + B), (b"proxy-authorization", A)],
}
GOOD_HEADERS: dict[str, list[tuple[bytes, bytes]]] = {
    "S10-bearer": [(b"authorization", A)],
    "S10-key": [(b"x-api-key", B)],
    "S10-lower-case-scheme": [(b"authorization", A.replace(b"Bearer", b"bearer"))],
    "S10-spaces": [(b"authorization", A.replace(b" ", b"   "))],
    "S10-upper-case-name": [(b"X-API-Key", B)],
}


@pytest.mark.parametrize("headers", [pytest.param(headers, id=name) for name, headers in HEADERS.items()])
def test_not_exactly_one_credential_is_refused(door: Door, headers: Any) -> None:
    """Even if each of them is good."""
    assert door.run(lambda made: knock(made, headers)) == no_credential()


@pytest.mark.parametrize("headers", [pytest.param(headers, id=name) for name, headers in GOOD_HEADERS.items()])
def test_exactly_one_credential_is_taken(door: Door, headers: Any) -> None:
    """In the header of either vendor's SDK."""
    assert isinstance(door.run(lambda made: knock(made, headers)), Principal)


# S11: failures


@pytest.mark.parametrize("error", [StateUnavailable(), RuntimeError("bug"), OSError(), TimeoutError(), KeyError("x")])
def test_s11_a_state_that_fails_is_a_503(door: Door, error: Exception) -> None:
    """CVE-2026-59822: there is no principal by default."""

    def fails(principal: Principal) -> bool:
        raise error

    door.revoked = fails
    assert door.ask(token(), token()) == [unavailable()] * 2


@pytest.mark.parametrize("place", ["check_claims", "principal_of", "_parsed", "_claims_registry"])
def test_s11_a_bug_in_any_step_is_a_503(door: Door, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def bug(*args: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(jwt, place, bug)
    assert door.ask_one(token()) == unavailable()


def test_s11_a_cancelled_request_is_cancelled(door: Door) -> None:
    """And not answered."""
    door.answer = lambda request: document()

    async def never(principal: Principal) -> bool:
        return await asyncio.Event().wait()

    async def visit(made: Authenticator) -> None:
        made._revoked = never
        waiting = asyncio.create_task(made.authenticate(bearer(token()), PEER))
        await asyncio.sleep(1.0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    door.run(visit)


def test_s11_failures_do_not_count_as_bad_credentials(door: Door) -> None:
    door.revoked = lambda principal: 1 / 0 > 1
    assert door.ask(*[token()] * 30) == [unavailable()] * 30


# S27: the limit of bad credentials


@pytest.mark.parametrize(
    "bad",
    [b"x", b"..", b"ubk_x", token(kid="two"), token(key="RS256-foreign"), token(claims(exp=NOW - 300, iat=NOW - 600))],
    ids=["word", "dots", "key", "unknown-kid", "signature", "expired"],
)
def test_s27_all_bad_credentials_get_the_same_answer(door: Door, bad: bytes) -> None:
    problem = door.ask_one(bad)
    assert problem == no_credential()
    assert isinstance(problem, Problem)
    assert (problem.status, problem.should_retry, problem.retry_after) == (401, False, None)


def test_s27_an_address_gets_429_after_too_many(door: Door) -> None:
    """It says when, and then it is true."""

    async def visit(made: Authenticator) -> list[Any]:
        seen = []
        for _ in range(23):
            seen.append(await knock(made, bearer("bad")))
            await asyncio.sleep(1.0)
        await asyncio.sleep(seen[-1].retry_after - 1.0)
        return [*seen, await knock(made, bearer("bad")), await knock(made, bearer("bad"))]

    seen = door.run(visit)
    assert seen[:20] == [no_credential()] * 20
    assert seen[20:23] == [too_many_bad_credentials(PERIOD - 20 - more) for more in range(3)]
    assert seen[23] == no_credential()
    assert seen[24] == too_many_bad_credentials(1.0)


def test_s27_nothing_is_checked_for_such_an_address(door: Door, verified: list[bytes]) -> None:
    """Not even a token that would be good."""
    seen = door.ask(*["bad"] * 20, token())
    assert seen[-1] == too_many_bad_credentials(PERIOD)
    assert verified == []


def test_s27_who_was_let_in_before_still_is(door: Door) -> None:
    """An office or a proxy is one address for many: its users are not shut out by one of them."""
    good = token()

    async def visit(made: Authenticator) -> Any:
        await knock(made, bearer(good))
        for _ in range(30):
            await knock(made, bearer("bad"))
        await asyncio.sleep(REUSE - 59)
        return await knock(made, bearer(good))

    assert isinstance(door.run(visit), Principal)


def test_s27_other_addresses_are_not_limited(door: Door) -> None:
    async def visit(made: Authenticator) -> Any:
        for _ in range(30):
            await knock(made, bearer("bad"))
        return await knock(made, bearer(token()), "203.0.113.8")

    assert isinstance(door.run(visit), Principal)


def test_s27_the_limit_is_a_setting(door: Door) -> None:
    door.settings = settings(issuer(), bad_credentials=1)
    assert door.ask("bad", "bad") == [no_credential(), too_many_bad_credentials(PERIOD)]


def test_s27_the_addresses_are_bounded() -> None:
    """The one that was seen longest ago goes first."""
    throttle = Throttle(1)
    for number in range(MAX_ADDRESSES + 1):
        throttle.note(str(number), 0.0)
    assert throttle.wait("0", 0.0) == 0.0
    assert throttle.wait("1", 0.0) == PERIOD
    assert len(throttle._seen) == MAX_ADDRESSES


FORWARDED: dict[str, tuple[str, list[bytes], str]] = {
    "S27-direct": ("203.0.113.7", [], "203.0.113.7"),
    "S27-untrusted-peer": ("203.0.113.7", [b"198.51.100.1"], "203.0.113.7"),
    "S27-trusted-peer": ("10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
    "S27-invented-in-front": ("10.0.0.1", [b"192.0.2.1, 198.51.100.1"], "198.51.100.1"),
    "S27-two-proxies": ("10.0.0.1", [b"198.51.100.1, 10.0.0.2"], "198.51.100.1"),
    "S27-two-lines": ("10.0.0.1", [b"192.0.2.1, 198.51.100.1", b"10.0.0.2"], "198.51.100.1"),
    "S27-only-proxies": ("10.0.0.1", [b"10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    "S27-nonsense": ("10.0.0.1", [b"198.51.100.1, unknown"], "10.0.0.1"),
    "S27-empty": ("10.0.0.1", [b""], "10.0.0.1"),
    "S27-no-header": ("10.0.0.1", [], "10.0.0.1"),
    "S27-port": ("10.0.0.1", [b"198.51.100.1:4711"], "198.51.100.1"),
    "S27-ipv6-with-port": ("10.0.0.1", [b"[2001:db8:1:2::3]:443"], "2001:db8:1:2::/64"),
    "S27-ipv6": ("2001:db8:1:2:3:4:5:6", [], "2001:db8:1:2::/64"),
    "S27-mapped": ("::ffff:203.0.113.7", [], "203.0.113.7"),
    "S27-mapped-proxy": ("::ffff:10.0.0.1", [b"198.51.100.1"], "198.51.100.1"),
    "S27-zone": ("fe80::1%eth0", [], "fe80::/64"),
    "S27-unix": ("unix", [b"198.51.100.1"], "unix"),
    "S27-many-hops": ("10.0.0.1", [b"198.51.100.1" + b",10.0.0.2" * 40], "10.0.0.2"),
}


@pytest.mark.parametrize(("peer", "lines", "address"), [pytest.param(*row, id=name) for name, row in FORWARDED.items()])
def test_the_address_is_that_which_a_trusted_proxy_saw(peer: str, lines: list[bytes], address: str) -> None:
    headers = [(b"accept", b"*/*"), *((b"x-forwarded-for", line) for line in lines)]
    assert client_address(headers, peer, networks(["10.0.0.0/8", "fd00::/8"])) == address


def test_s27_without_trusted_proxies_the_header_counts_for_nothing(door: Door) -> None:
    """Otherwise each request could have an address of its own."""

    async def visit(made: Authenticator) -> list[Any]:
        seen = []
        for number in range(21):
            forwarded = (b"x-forwarded-for", f"198.51.100.{number}".encode())
            seen.append(await knock(made, [*bearer("bad"), forwarded]))
        return seen

    assert door.run(visit)[-1].status == 429


def test_s27_behind_a_trusted_proxy_clients_are_counted_apart(door: Door) -> None:
    door.settings = settings(issuer(), trusted_proxies=(PEER,), bad_credentials=1)

    async def visit(made: Authenticator) -> list[Any]:
        lines = [(b"x-forwarded-for", f"198.51.100.{number}".encode()) for number in (1, 2, 1)]
        return [await knock(made, [*bearer("bad"), line]) for line in lines]

    assert [each.status for each in door.run(visit)] == [401, 401, 429]


# The development token


def test_r24_the_development_token_is_a_principal_of_its_own(door: Door) -> None:
    door.settings = settings(development_token=DEVELOPMENT, development_plan="free")
    seen = door.ask(DEVELOPMENT, DEVELOPMENT, DEVELOPMENT + "x", DEVELOPMENT[:-1], token(), b"ubk_x")
    assert seen[0] == seen[1] == Principal(id="development", issuer="development", plan="free")
    assert seen[2:] == [no_credential()] * 4


def test_a_refusal_is_an_exception_of_the_gateway(door: Door) -> None:
    async def visit(made: Authenticator) -> None:
        with pytest.raises(Refused, match="no_credential"):
            await made.authenticate(bearer("bad"), PEER)

    door.run(visit)


def test_keys_of_another_issuer_are_not_asked(door: Door) -> None:
    """Its tokens are refused before anything is fetched."""
    door.answer = lambda request: document(jwk())
    assert door.ask_one(made({"alg": "RS256", "kid": "one"}, claims(iss="other"))) == no_credential()
    assert door.fetched == []
