"""S1 to S4 and S8: which tokens are good, with PyJWT as the second opinion on every one."""

import base64
import hashlib
import hmac
import json
import logging
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from joserfc.errors import UnsupportedAlgorithmError

from unbroken.testing import Answer
from unbroken_gateway.auth.claims import check_claims
from unbroken_gateway.auth.jwt import Registry
from unbroken_gateway.auth.proof import Rejected
from unbroken_gateway.replies.errors import no_credential
from unbroken_gateway.values import Principal

from .conftest import Door, document
from .issuing import (
    ALGORITHMS,
    ISSUER,
    LIFETIME,
    NOW,
    SECRET,
    URL,
    claims,
    encoded,
    issuer,
    jwk,
    jwks,
    made,
    private,
    pyjwt_accepts,
    settings,
    token,
)

CANARY = "http://127.0.0.1:9/canary"


def public_pem() -> bytes:
    return (
        private().public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


def hs_with_the_public_key() -> bytes:
    """The confusion of algorithms: HMAC with the text of the public key."""
    message = encoded({"alg": "HS256", "kid": "one"}) + b"." + encoded(claims())
    return message + b"." + encoded(hmac.digest(public_pem(), message, hashlib.sha256))


def own_key_in_the_header() -> bytes:
    return token(key="RS256-foreign", jwk=jwk("RS256-foreign"), kid=None)


BAD: dict[str, Any] = {
    "S1-alg-none": ("an algorithm", lambda: encoded({"alg": "none"}) + b"." + encoded(claims()) + b"."),
    "S1-alg-none-signed": ("an algorithm", lambda: token(alg="none")),
    "S1-alg-None": ("an algorithm", lambda: token(alg="None")),
    "S1-alg-missing": ("an algorithm", lambda: token(alg=None)),
    "S1-alg-list": ("an algorithm", lambda: token(alg=["RS256"])),
    "S1-alg-other-hash": ("an algorithm", lambda: made({"alg": "RS512", "kid": "one"}, claims(), "RS512")),
    "S1-alg-pss-with-the-same-key": ("an algorithm", lambda: token(alg="PS256")),
    "S1-alg-unknown": ("an algorithm", lambda: token(alg="XX256")),
    "S1-hs-confusion": ("an algorithm", hs_with_the_public_key),
    "S1-jwk": ("a header parameter", own_key_in_the_header),
    "S1-jwk-good-signature": ("a header parameter", lambda: token(jwk=jwk())),
    "S1-jku": ("a header parameter", lambda: token(key="RS256-foreign", jku=CANARY)),
    "S1-jku-good-signature": ("a header parameter", lambda: token(jku=CANARY)),
    "S1-x5u": ("a header parameter", lambda: token(x5u=CANARY)),
    "S1-x5c": ("a header parameter", lambda: token(x5c=["MIIB"])),
    "S1-crit": ("a header parameter", lambda: token(crit=["exp"], exp=NOW)),
    "S1-crit-b64": ("a header parameter", lambda: token(crit=["b64"], b64=True)),
    "S1-b64": ("a header parameter", lambda: token(b64=True)),
    "S1-typ-other": ("another type", lambda: token(typ="logout+jwt")),
    "S1-typ-number": ("another type", lambda: token(typ=7)),
    "S1-foreign-key": ("BadSignature", lambda: token(key="RS256-foreign")),
    "S1-no-signature": ("BadSignature", lambda: token().rpartition(b".")[0] + b"."),
    "S1-cut-signature": ("BadSignature", lambda: token()[:-8]),
    "S2-no-iss": ("an issuer", lambda: token(claims(iss=None))),
    "S2-no-aud": ("another audience", lambda: token(claims(aud=None))),
    "S2-no-sub": ("sub is not", lambda: token(claims(sub=None))),
    "S2-no-exp": ("exp is not", lambda: token(claims(exp=None))),
    "S2-no-iat": ("iat is not", lambda: token(claims(iat=None))),
    "S2-null-exp": ("exp is not", lambda: made({"alg": "RS256", "kid": "one"}, {**claims(), "exp": None})),
    "S2-null-jti": ("jti is not", lambda: made({"alg": "RS256", "kid": "one"}, {**claims(), "jti": None})),
    "S2-null-nbf": ("nbf is not", lambda: made({"alg": "RS256", "kid": "one"}, {**claims(), "nbf": None})),
    "S2-other-iss": ("an issuer", lambda: token(claims(iss="https://evil.example.com"))),
    "S2-iss-list": ("an issuer", lambda: token(claims(iss=[ISSUER]))),
    "S2-iss-with-slash": ("an issuer", lambda: token(claims(iss=ISSUER + "/"))),
    "S2-other-aud": ("another audience", lambda: token(claims(aud="another"))),
    "S2-aud-list": ("another audience", lambda: token(claims(aud=["gateway"]))),
    "S2-aud-number": ("another audience", lambda: token(claims(aud=7))),
    "S2-aud-empty": ("another audience", lambda: token(claims(aud=""))),
    "S2-sub-number": ("sub is not", lambda: token(claims(sub=7))),
    "S2-sub-empty": ("sub is not", lambda: token(claims(sub=""))),
    "S2-sub-control": ("sub is not", lambda: token(claims(sub="a\nb"))),
    "S2-sub-long": ("sub is not", lambda: token(claims(sub="a" * 256))),
    "S2-exp-text": ("exp is not", lambda: token(claims(exp=str(NOW + 60)))),
    "S2-exp-true": ("exp is not", lambda: token(claims(exp=True))),
    "S2-exp-1e308": ("exp is not", lambda: token(claims(exp=1e308))),
    "S2-exp-1e400": (
        "exp is not",
        lambda: made(
            {"alg": "RS256", "kid": "one"},
            json.dumps(claims()).replace(f'"exp": {NOW + LIFETIME}', '"exp": 1e400').encode(),
        ),
    ),
    "S2-exp-digits": (
        "not JSON",
        lambda: made(
            {"alg": "RS256", "kid": "one"},
            json.dumps(claims()).replace(f'"exp": {NOW + LIFETIME}', '"exp": ' + "9" * 4400).encode(),
        ),
    ),
    "S2-exp-negative": ("exp is not", lambda: token(claims(exp=-1))),
    "S2-exp-before-iat": ("a lifetime", lambda: token(claims(exp=NOW + 10, iat=NOW + 20))),
    "S2-iat-text": ("iat is not", lambda: token(claims(iat=str(NOW)))),
    "S2-long-lived": ("a lifetime", lambda: token(claims(exp=NOW + 3601))),
    "S2-old-and-long-lived": ("a lifetime", lambda: token(claims(iat=NOW - 3600, exp=NOW + 60))),
    "S2-jti-number": ("jti is not", lambda: token(claims(jti=7))),
    "S2-NaN": ("not JSON", lambda: made({"alg": "RS256", "kid": "one"}, json.dumps(claims(x=float("nan"))).encode())),
    "S2-exp-twice": (
        "not JSON",
        lambda: made({"alg": "RS256", "kid": "one"}, json.dumps(claims())[:-1].encode() + b', "exp": 1e9}'),
    ),
    "S2-alg-twice": ("not JSON", lambda: made(b'{"alg":"none","alg":"RS256","kid":"one"}', claims())),
    "S2-deep": ("not JSON", lambda: made({"alg": "RS256", "kid": "one"}, b"[" * 5000 + b"]" * 100)),
    "S2-list": ("not an object", lambda: made({"alg": "RS256", "kid": "one"}, b"[]")),
    "S2-not-json": ("not JSON", lambda: made({"alg": "RS256", "kid": "one"}, b"alice")),
    "S2-not-utf8": ("not JSON", lambda: made({"alg": "RS256", "kid": "one"}, b'{"sub":"\xff"}')),
    "S2-unknown-plan": ("no plan", lambda: token(claims(plan="root"))),
    "S2-plan-list": ("no plan", lambda: token(claims(plan=["free"]))),
    "S2-scope-number": ("scopes that", lambda: token(claims(scope=7))),
    "S2-scope-many": ("scopes that", lambda: token(claims(scope=" ".join(map(str, range(65)))))),
    "S2-scope-of-numbers": ("a scope is", lambda: token(claims(scope=[7]))),
    "S3-unknown-kid": ("a key that", lambda: token(kid="two")),
    "S3-kid-number": ("kid is not", lambda: token(kid=1)),
    "S3-kid-empty": ("kid is not", lambda: token(kid="")),
    "S3-kid-path": ("a key that", lambda: token(kid="../../etc/passwd")),
    "S3-kid-null": ("kid is not", lambda: made({"alg": "RS256", "kid": None}, claims())),
    "S4-8193-bytes": ("not exactly one", lambda: padded(8193)),
    "S8-expired-by-the-leeway": ("expired", lambda: token(claims(iat=NOW - 600, exp=NOW - 30))),
    "S8-issued-after-the-leeway": ("not yet", lambda: token(claims(iat=NOW + 31))),
    "S8-not-before-after-the-leeway": ("not yet", lambda: token(claims(nbf=NOW + 31))),
    "form-four-parts": ("not three", lambda: token() + b".e30"),
    "form-padding": ("not exactly one", lambda: token().replace(b".", b"=.", 1)),
    "form-empty-parts": ("not JSON", lambda: b".."),
    "form-not-canonical": ("BadSignature", lambda: not_canonical()),
}
GOOD: dict[str, Any] = {
    "S1-plain": token,
    "S1-access-token": lambda: token(typ="at+JWT"),
    "S1-full-media-type": lambda: token(typ="application/jwt"),
    "S1-no-typ": lambda: token(typ=None),
    "S1-unknown-parameter": lambda: token(cat="x", x5t="abc"),
    "S2-whole-lifetime": lambda: token(claims(exp=NOW + 3600)),
    "S2-exp-fraction": lambda: token(claims(exp=NOW + 60.75)),
    "S2-no-jti": lambda: token(claims(jti=None)),
    "S3-kid": token,
    "S3-no-kid-one-key": lambda: token(kid=None),
    "S4-8192-bytes": lambda: padded(8192),
    "S8-expired-within-the-leeway": lambda: token(claims(iat=NOW - 600, exp=NOW - 29)),
    "S8-issued-within-the-leeway": lambda: token(claims(iat=NOW + 30)),
    "S8-not-before-within-the-leeway": lambda: token(claims(nbf=NOW + 30)),
}


def padded(size: int) -> bytes:
    """Return a good token of `size` bytes, found by its filling: base64 makes four of three."""
    filling = 0
    while len(found := token(claims(x="a" * filling), cat="a" * (filling % 7))) < size:
        filling += max((size - len(found)) * 3 // 4 - 6, 1)
    return found if len(found) == size else _padded_exactly(size)


def _padded_exactly(size: int) -> bytes:
    base = len(token(claims(x=""), cat=""))
    for header in range(6):
        filling = (size - base) * 3 // 4 - 12
        while len(found := token(claims(x="a" * filling), cat="a" * header)) < size:
            filling += 1
        if len(found) == size:
            return found
    raise AssertionError("no such token")


def not_canonical() -> bytes:
    """Return a good token whose signature is spelt with other bits that base64 ignores."""
    good = token()
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    last = letters.index(good[-1])
    other = good[:-1] + bytes([letters[last ^ 1]])
    padding = b"=" * (-len(good.rpartition(b".")[2]) % 4)
    assert base64.urlsafe_b64decode(good.rpartition(b".")[2] + padding) == base64.urlsafe_b64decode(
        other.rpartition(b".")[2] + padding
    )
    return other


@pytest.mark.parametrize(("reason", "make"), [pytest.param(*row, id=name) for name, row in BAD.items()])
def test_a_bad_token_is_refused(door: Door, caplog: pytest.LogCaptureFixture, reason: str, make: Any) -> None:
    """With the one answer; the log has the reason, and nothing is fetched but the keys of the issuer."""
    with caplog.at_level(logging.INFO, "unbroken.gateway"):
        assert door.ask_one(make()) == no_credential()
    (told,) = [record.getMessage() for record in caplog.records if record.name == "unbroken.gateway"]
    assert reason in told
    assert set(door.fetched) <= {URL}


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in GOOD.items()])
def test_a_good_token_is_accepted_and_pyjwt_agrees(door: Door, make: Any) -> None:
    """The edges are where the rules say."""
    assert isinstance(door.ask_one(make()), Principal)
    assert pyjwt_accepts(make(), issuer())
    assert door.fetched == [URL]


def test_s1_a_key_named_by_the_header_is_never_fetched(door: Door) -> None:
    """Nor is anything else, for these tokens do not get as far as their keys."""
    door.ask(*(token(**{name: CANARY}) for name in ("jku", "x5u")), own_key_in_the_header())
    assert door.fetched == []


def test_s4_a_long_token_is_not_decoded(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it holds, its length decides."""
    monkeypatch.setattr("unbroken_gateway.auth.jwt._object", lambda part: pytest.fail("decoded"))
    assert door.ask_one(padded(8193)) == no_credential()


def _same(algorithm: str) -> str:
    """Return the first letters of the algorithms with the same kind of key."""
    return "RP" if algorithm[0] in "RP" else algorithm[0]


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed255"])
def test_s1_each_algorithm_is_verified_with_keys_of_its_kind(door: Door, algorithm: str) -> None:
    """Keys of other kinds in the same set are left out, whatever they are called."""
    name = "Ed25519" if algorithm == "Ed255" else algorithm
    door.settings = settings(issuer(algorithms=(name,)))
    others = [jwk(other) for other in ("RS256", "ES256", "ES384", "EdDSA") if other[0] not in _same(algorithm)]
    others += [jwk("ES384")] if algorithm == "ES256" else []
    door.answer = lambda request: document(jwk(algorithm), *others)
    good = token(key=algorithm, alg=name)
    assert isinstance(door.ask_one(good), Principal)
    if name in ALGORITHMS:
        assert pyjwt_accepts(good, issuer(algorithms=(name,)), key=algorithm)


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_s1_a_shared_secret_takes_any_kid(door: Door, algorithm: str) -> None:
    """There is only one key."""
    rules = issuer(algorithms=(algorithm,), jwks=None, secret=SECRET)
    door.settings = settings(rules)
    for good in (token(key=algorithm), token(key=algorithm, kid=None), token(key=algorithm, kid="other")):
        assert isinstance(door.ask_one(good), Principal)
        assert pyjwt_accepts(good, rules, key=algorithm)
    assert door.ask_one(token(key=algorithm)[:-2] + b"AA") == no_credential()
    assert door.fetched == []


def test_s1_each_issuer_has_its_own_rules_and_keys(door: Door) -> None:
    """A token of one issuer that is signed with the key of another is refused."""
    other = issuer(issuer="https://other.example.com", algorithms=("HS256",), jwks=None, secret=SECRET)
    door.settings = settings(issuer(), other)
    theirs = claims(iss=other.issuer)
    good = door.ask(token(), token(theirs, key="HS256"))
    assert [each.issuer for each in good if isinstance(each, Principal)] == [ISSUER, other.issuer]
    assert door.ask(token(theirs), token(key="HS256")) == [no_credential()] * 2


def test_s2_lists_of_audiences_only_where_allowed(door: Door) -> None:
    """And then each of them must be text, and one of them ours."""
    rules = issuer(audience_list=True)
    door.settings = settings(rules)
    good = [token(claims(aud=["other", "gateway"])), token()]
    assert all(isinstance(each, Principal) for each in door.ask(*good))
    assert all(pyjwt_accepts(each, rules) for each in good)
    bad = [token(claims(aud=["other"])), token(claims(aud=["gateway", 7])), token(claims(aud=[]))]
    assert door.ask(*bad) == [no_credential()] * 3


def test_s2_a_principal_is_what_the_claims_say(door: Door) -> None:
    """The claims of user and plan are those of the settings."""
    door.settings = settings(issuer(user_claim="uid", plan_claim="tier"))
    found = door.ask_one(token(claims(uid="u-1", tier="paid", scope="read write", plan="free")))
    assert found == Principal(
        id="u-1",
        issuer=ISSUER,
        plan="paid",
        scopes=frozenset({"read", "write"}),
        expires_at=NOW + LIFETIME,
        issued_at=NOW,
        credential_id="t1",
        key_id="one",
    )
    assert door.ask_one(token()) == no_credential()  # without the claim of the user


def test_s2_scopes_may_be_a_list(door: Door) -> None:
    found = door.ask_one(token(claims(scp=["read"])))
    assert isinstance(found, Principal)
    assert found.scopes == {"read"}


@pytest.mark.parametrize(("claim", "default", "plan"), [("plan", None, None), (None, "paid", "paid")])
def test_s2_a_token_without_a_plan_has_the_default_or_is_refused(
    door: Door, claim: Any, default: Any, plan: Any
) -> None:
    door.settings = settings(issuer(plan_claim=claim, default_plan=default))
    assert getattr(door.ask_one(token(claims(plan=None))), "plan", None) == plan


TWO = (jwk(), jwk("RS256-other", kid="two"))
SETS: dict[str, Any] = {
    "S3-no-kid-two-keys": (TWO, None, False),
    "S3-kid-two-keys": (TWO, "one", True),
    "S3-two-keys-of-one-kid": ((jwk(), jwk("RS256-other")), "one", False),
    "S3-no-kid-and-one-for-encryption": ((jwk(), jwk("RS256-other", use="enc")), None, True),
    "S3-no-kid-and-one-of-another-alg": ((jwk(alg="RS256"), jwk("RS256-other", alg="RS512")), None, True),
    "S3-no-kid-and-one-of-another-kind": ((jwk(), jwk("ES256")), None, True),
    "S3-key-without-kid": ((jwk(kid=None),), "one", False),
    "S3-no-keys": ((), "one", False),
    "S1-private-key-in-the-set": ((jwk(d="AQAB"),), "one", False),
    "S1-secret-in-the-set": (({"kty": "oct", "k": "AQAB", "kid": "one"},), "one", False),
    "S1-weak-key": ((jwk(n="AQAB"),), "one", False),
    "S1-key-of-nonsense": ((jwk(n=7),), "one", False),
    "S1-key-only-for-signing": ((jwk(key_ops=["sign"]),), "one", False),
    "S1-key-ops-of-nonsense": ((jwk(key_ops="verify"),), "one", False),
    "S1-kid-of-nonsense": ((jwk(kid=7),), "one", False),  # type: ignore[arg-type]
    "S1-no-object": (("key", jwk()), "one", True),
}


@pytest.mark.parametrize(("keys", "kid", "good"), [pytest.param(*row, id=name) for name, row in SETS.items()])
def test_only_one_fitting_key_is_used(door: Door, keys: Any, kid: Any, good: bool) -> None:
    """A name that several keys have, or none, leads to no key."""
    door.answer = lambda request: Answer(headers={"content-type": "application/json"}, body=jwks(*keys))
    assert isinstance(door.ask_one(token(kid=kid)), Principal) is good


@pytest.mark.parametrize("leeway", [0.0, 60.0])
def test_s8_the_leeway_holds_at_both_edges(door: Door, leeway: float) -> None:
    """And is at most 60 s even if the settings were not checked."""
    rules = issuer(leeway=leeway)
    door.settings = settings(rules)
    edges = {
        token(claims(iat=NOW - 600, exp=int(NOW - leeway) + 1)): True,
        token(claims(iat=NOW - 600, exp=int(NOW - leeway))): False,
        token(claims(iat=int(NOW + leeway))): True,
        token(claims(iat=int(NOW + leeway) + 1)): False,
        token(claims(nbf=int(NOW + leeway))): True,
        token(claims(nbf=int(NOW + leeway) + 1)): False,
    }
    assert [isinstance(each, Principal) for each in door.ask(*edges)] == [*edges.values()]
    assert [pyjwt_accepts(each, rules) for each in edges] == [*edges.values()]


def test_s2_claims_are_never_checked_by_the_rules_of_another_issuer() -> None:
    """Whoever chooses the rules."""
    with pytest.raises(Rejected, match="another issuer"):
        check_claims(issuer(), claims(iss="other"), NOW)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS512", ""])
def test_s1_the_registry_of_joserfc_has_no_algorithm_but_the_issuers(algorithm: str) -> None:
    """A net below the check of the header: it has defaults otherwise."""
    for allowed in (["RS256"], []):
        with pytest.raises(UnsupportedAlgorithmError):
            Registry(algorithms=allowed).get_alg(algorithm)


def test_s8_the_fraction_of_a_second_at_the_end_does_not_count() -> None:
    """As PyJWT reads it, too."""
    late = claims(iat=NOW - 600, exp=NOW + 0.9)
    with pytest.raises(Rejected, match="expired"):
        check_claims(issuer(), late, NOW + 30.5)
    check_claims(issuer(), late, NOW + 29.5)
