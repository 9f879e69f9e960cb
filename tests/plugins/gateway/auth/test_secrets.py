"""S32: a token or key is in no log, repr, error or traceback, however its check ends."""

import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from unbroken_gateway.auth import jwt
from unbroken_gateway.auth.authenticator import Authenticator
from unbroken_gateway.auth.keys import PREFIX, KeyStore
from unbroken_gateway.replies.errors import Refused

from ....locals import local_variables, own_context
from .conftest import PEER, Door, document
from .issuing import NOW, bearer, claims, issuer, jwk, settings, token
from .test_jwks import FAILURES
from .test_keys import PEPPER, visit
from .test_tokens import BAD

HERE = str(Path(__file__).parent)
CANARY = "CANARY7f3a9c"


def refused(door: Door, credential: bytes) -> tuple[Refused, str]:
    """Return the error of a bad credential, and the repr of the authenticator after it."""

    async def visit(made: Authenticator) -> tuple[Refused, str]:
        with pytest.raises(Refused) as error:
            await made.authenticate(bearer(credential), PEER)
        return error.value, repr(made)

    return door.run(visit)


def expect_nothing(secrets: list[str], error: Refused, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    variables = [*local_variables(error, without=HERE), ("error", f"{error!r} {error} {vars(error)} {shown}")]
    logs = [("log", f"{record.getMessage()} {record.exc_info} {record.args}") for record in caplog.records]
    assert len(variables) > 1
    assert [where for where, value in variables + logs for secret in secrets if secret in value] == []
    assert error.__cause__ is None
    assert own_context(error) is None


@pytest.mark.parametrize("make", [pytest.param(make, id=f"S32-{name}") for name, (_, make) in BAD.items()])
def test_a_bad_token_is_shown_nowhere(door: Door, caplog: pytest.LogCaptureFixture, make: Any) -> None:
    """Nor any part of it."""
    bad = make()
    with caplog.at_level(0):
        error, shown = refused(door, bad)
    parts = [part.decode("latin-1") for part in bad.split(b".") if len(part) > 3]
    expect_nothing([bad.decode("latin-1"), *parts, "alice"], error, shown, caplog)


@pytest.mark.parametrize("name", [pytest.param(name, id=f"S32-{name}") for name in FAILURES])
def test_a_token_whose_keys_cannot_be_fetched_is_shown_nowhere(
    door: Door, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    door.answer = lambda request: FAILURES[name]
    good = token(claims(sub=CANARY, jti=CANARY))
    with caplog.at_level(0):
        error, shown = refused(door, good)
    expect_nothing([good.decode(), *good.decode().split("."), CANARY], error, shown, caplog)


@pytest.mark.parametrize("place", ["check_claims", "principal_of", "_parsed"])
def test_s32_a_bug_shows_no_token(
    door: Door, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Not even if it says the token itself."""
    good = token(claims(sub=CANARY))

    def bug(*args: Any) -> Any:
        raise RuntimeError(CANARY, good)

    monkeypatch.setattr(jwt, place, bug)
    with caplog.at_level(0):
        error, shown = refused(door, good)
    expect_nothing([good.decode(), CANARY], error, shown, caplog)
    assert [record.levelno for record in caplog.records if record.name == "unbroken.gateway"] == [logging.ERROR]


def test_s32_a_stored_key_is_shown_nowhere(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Revoked, unknown, or lost with its file; nor is the pepper."""
    path = tmp_path / "keys.db"
    with closing(KeyStore(path, PEPPER)) as store:
        key, stored = store.create("alice", "free", now=NOW)
        store.revoke("alice", NOW)
        assert key not in repr(stored)
        assert PEPPER not in repr(store)

    async def steps(made: Authenticator, clock: Any) -> None:
        for bad in (key, PREFIX + CANARY):
            with pytest.raises(Refused) as error:
                await made.authenticate(bearer(bad), PEER)
            expect_nothing([bad, key, CANARY, PEPPER], error.value, repr(made), caplog)

    with caplog.at_level(0):
        visit(path, steps)


def test_s32_settings_show_no_secrets() -> None:
    given = settings(
        issuer(algorithms=("HS256",), jwks=None, secret=CANARY),
        pepper=CANARY,
        admin_credential=CANARY,
        development_token=CANARY,
    )
    assert CANARY not in repr(given)


def test_s32_the_keys_of_an_issuer_are_not_shown(door: Door) -> None:
    """Public as they are, they only fill reports; a shared secret is none."""
    door.answer = lambda request: document(jwk())

    async def visit(made: Authenticator) -> str:
        await made.authenticate(bearer(token()), PEER)
        source: Any = made._sources[issuer().issuer]
        return f"{made!r} {source!r} {source._keys!r} {made._known!r}"

    shown = door.run(visit)
    assert jwk()["n"] not in shown
    assert token().decode().split(".")[1] not in shown
