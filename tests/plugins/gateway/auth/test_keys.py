"""S12 and S7: stored keys, their file, and how soon a change is seen.

A thread reads the file, so time is moved by hand.
"""

import asyncio
import hashlib
import hmac
import re
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from unbroken import ConfigurationError
from unbroken_gateway.auth import stored as stored_module
from unbroken_gateway.auth.authenticator import Authenticator
from unbroken_gateway.auth.keys import PREFIX, KeyStore, StoredKey
from unbroken_gateway.auth.stored import REUSE
from unbroken_gateway.files import create_private, write_once
from unbroken_gateway.replies.errors import no_credential, unavailable
from unbroken_gateway.values import Principal

from .conftest import knock
from .issuing import NOW, Hands, bearer, settings

PEPPER = "pepper-q7Zk2mVw9sLxT4bYhN8cRfJ3gPdA6uEo1iQ"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.db"


@pytest.fixture
def store(path: Path) -> Any:
    with closing(KeyStore(path, PEPPER)) as opened:
        yield opened


def visit(path: Path, steps: Callable[[Authenticator, Hands], Any], revoked: bool = False) -> Any:
    """Run `steps` with an authenticator of the file at `path`."""
    clock = Hands()

    async def is_revoked(principal: Principal) -> bool:
        return revoked

    async def visiting() -> Any:
        made = Authenticator(settings(keys=str(path), pepper=PEPPER), revoked=is_revoked, clock=clock)
        try:
            return await steps(made, clock)
        finally:
            await made.aclose()

    return asyncio.run(visiting())


def ask(path: Path, key: str | bytes) -> Any:
    return visit(path, lambda made, clock: knock(made, bearer(key)))


def test_s12_a_key_is_256_random_bits_with_our_prefix(store: KeyStore) -> None:
    made = {store.create("alice", "free", now=NOW)[0] for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(PREFIX + "[A-Za-z0-9_-]{43}", key) for key in made)


def test_s12_a_key_is_the_principal_that_was_stored(path: Path, store: KeyStore) -> None:
    key, stored = store.create("alice", "free", scopes=["read", "admin", "read"], expires=NOW + 60.0, now=NOW)
    assert ask(path, key) == Principal(
        id="alice",
        issuer="keys",
        plan="free",
        scopes=frozenset({"read", "admin"}),
        expires_at=NOW + 60,
        issued_at=NOW,
        credential_id=stored.id,
    )


def test_s12_only_the_hmac_is_in_the_file(path: Path, store: KeyStore) -> None:
    """Under the pepper, so that the file alone does not even tell whether a guess is right."""
    key, _ = store.create("alice", "free", now=NOW)
    store.close()
    with closing(sqlite3.connect(path)) as base:
        (digest,) = base.execute("SELECT digest FROM keys").fetchone()
        base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert digest == hmac.digest(PEPPER.encode(), key.encode(), hashlib.sha256)
    held = b"".join(each.read_bytes() for each in path.parent.iterdir())
    assert digest in held
    for secret in (key, key[4:], key[4:20], PEPPER):
        assert secret.encode() not in held
    assert hashlib.sha256(key.encode()).digest() not in held


def test_s12_the_digest_is_compared_in_constant_time(store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the index of the file found is not yet believed."""
    key, stored = store.create("alice", "free", now=NOW)
    assert store.find(key.encode()) == stored
    monkeypatch.setattr("unbroken_gateway.auth.keys.hmac.compare_digest", lambda one, other: False)
    assert store.find(key.encode()) is None


def test_s12_unknown_keys_are_refused(path: Path, store: KeyStore) -> None:
    key, _ = store.create("alice", "free", now=NOW)
    for bad in (key[:-1], key + "A", key.upper(), PREFIX, PREFIX + "A" * 43, PREFIX + "a.b.c"):
        assert ask(path, bad) == no_credential()


def test_s12_a_key_of_a_plan_that_is_gone_is_refused(path: Path, store: KeyStore) -> None:
    key, _ = store.create("alice", "gone", now=NOW)
    assert ask(path, key) == no_credential()


def test_s12_the_file_is_for_its_owner_alone(path: Path) -> None:
    """Also one that was there with other rights, and what SQLite puts beside it."""
    path.touch(0o644)
    path.chmod(0o644)
    with closing(KeyStore(path, PEPPER)) as opened:
        opened.create("alice", "free", now=NOW)
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    assert len(modes) == 3
    assert set(modes.values()) == {0o600}


def test_s12_another_pepper_is_refused(path: Path, store: KeyStore) -> None:
    """With it no key would be found, and nobody would know why."""
    with pytest.raises(ConfigurationError, match="another pepper"):
        KeyStore(path, "another" + PEPPER)


def test_s12_without_the_pepper_keys_are_listed_and_revoked_only(path: Path, store: KeyStore) -> None:
    key, stored = store.create("alice", "free", now=NOW)
    with closing(KeyStore(path, None)) as bare:
        assert bare.all() == [stored]
        assert [each.id for each in bare.revoke("alice", NOW)] == [stored.id]
        for use in (lambda: bare.create("bob", "free", now=NOW), lambda: bare.find(key.encode())):
            with pytest.raises(ConfigurationError, match="needs the pepper"):
                use()


@pytest.mark.parametrize("name", ["", " ", "a b", "-rf", "a|b", "a\nb", "é", "a" * 129, "<b>"])
def test_s12_odd_names_are_refused(store: KeyStore, name: str) -> None:
    """They go into logs, tables and the ids of users."""
    with pytest.raises(ConfigurationError, match="name"):
        store.create(name, "free", now=NOW)


@pytest.mark.parametrize("scope", ["", "a b", 'a"', "a\\", "é"])
def test_s12_odd_scopes_are_refused(store: KeyStore, scope: str) -> None:
    with pytest.raises(ConfigurationError, match="scope"):
        store.create("alice", "free", scopes=[scope], now=NOW)


def test_keys_are_listed_in_the_order_of_their_age(store: KeyStore) -> None:
    made = [store.create(name, "free", now=NOW + number)[1] for number, name in enumerate(("b", "a", "c"))]
    assert store.all() == made


def test_keys_are_revoked_by_id_or_all_of_a_name(store: KeyStore) -> None:
    first, second, third = (store.create(name, "free", now=NOW + at)[1] for at, name in enumerate("aab"))
    assert [each.id for each in store.revoke(first.id, NOW + 5)] == [first.id]
    assert [each.id for each in store.revoke("a", NOW + 6)] == [second.id]
    assert store.revoke("a", NOW + 7) == store.revoke("nobody", NOW) == []
    assert [each.revoked for each in store.all()] == [NOW + 5, NOW + 6, None]
    assert third in store.all()


@pytest.mark.parametrize("name", ["' OR 1=1 --", "a'); DROP TABLE keys; --", "%"])
def test_s12_no_text_becomes_sql(store: KeyStore, name: str) -> None:
    """CVE-2026-42208."""
    _, stored = store.create("alice", "free", now=NOW)
    assert store.revoke(name, NOW) == []
    assert store.find(name.encode()) is None
    assert store.all() == [stored]


@pytest.mark.parametrize(
    ("expires", "revoked", "valid"), [(None, None, True), (10, None, False), (11, None, True), (None, 5, False)]
)
def test_a_key_is_in_force_until_it_is_revoked_or_ends(expires: Any, revoked: Any, valid: bool) -> None:
    stored = StoredKey(id="1", name="a", plan="free", created=0, expires=expires, revoked=revoked)
    assert stored.is_valid(10) is valid


def test_s7_a_revoked_key_is_refused_within_5_s(path: Path, store: KeyStore) -> None:
    """And the disk is not touched at each call until then."""
    key, _ = store.create("alice", "free", now=NOW)
    looked: list[bytes] = []

    async def steps(made: Authenticator, clock: Hands) -> list[Any]:
        file: Any = made._stored._store  # type: ignore[union-attr]
        find = file.find
        file.find = lambda given: looked.append(given) or find(given)
        seen = [await knock(made, bearer(key)) for _ in range(10)]
        store.revoke("alice", NOW)
        clock.now = REUSE - 0.01
        seen.append(await knock(made, bearer(key)))
        clock.now = REUSE
        return [*seen, await knock(made, bearer(key))]

    *good, late = visit(path, steps)
    assert all(isinstance(each, Principal) for each in good)
    assert late == no_credential()
    assert len(looked) == 2
    assert REUSE < 5.0


def test_s7_a_revocation_in_the_state_counts_for_keys_too(path: Path, store: KeyStore) -> None:
    key, _ = store.create("alice", "free", now=NOW)
    assert visit(path, lambda made, clock: knock(made, bearer(key)), revoked=True) == no_credential()


def test_a_key_that_ends_is_refused_on_time(path: Path, store: KeyStore) -> None:
    """Though it is remembered."""
    key, _ = store.create("alice", "free", expires=NOW + 1.0, now=NOW)

    async def steps(made: Authenticator, clock: Hands) -> list[Any]:
        seen = [await knock(made, bearer(key))]
        clock.now = 1.0
        return [*seen, await knock(made, bearer(key))]

    good, late = visit(path, steps)
    assert isinstance(good, Principal)
    assert late == no_credential()


def test_a_new_key_is_good_at_once(path: Path, store: KeyStore) -> None:
    """While the gateway runs."""

    async def steps(made: Authenticator, clock: Hands) -> Any:
        await knock(made, bearer(PREFIX + "unknown"))
        key, _ = store.create("alice", "free", now=NOW)
        return await knock(made, bearer(key))

    assert isinstance(visit(path, steps), Principal)


def test_s11_a_file_that_breaks_is_a_503(path: Path, store: KeyStore) -> None:
    key, _ = store.create("alice", "free", now=NOW)

    async def steps(made: Authenticator, clock: Hands) -> Any:
        with closing(sqlite3.connect(path)) as base:
            base.executescript("DROP TABLE keys")
        return await knock(made, bearer(key))

    assert visit(path, steps) == unavailable()


def test_s11_a_disk_that_hangs_is_a_503(path: Path, store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop goes on meanwhile, and closing does not wait for it; then it is a 503 too."""
    monkeypatch.setattr(stored_module, "DEADLINE", 0.01)
    gate = threading.Event()

    async def steps(made: Authenticator, clock: Hands) -> Any:
        file: Any = made._stored._store  # type: ignore[union-attr]
        file.find = lambda key: gate.wait() and None
        try:
            seen = await knock(made, bearer(PREFIX + "x"))
            await made.aclose()
            return [seen, await knock(made, bearer(PREFIX + "y"))]
        finally:
            gate.set()

    assert visit(path, steps) == [unavailable()] * 2


@pytest.mark.parametrize("content", [b"no database" * 100, b""], ids=["text", "directory"])
def test_a_file_that_is_none_is_a_configuration_error(path: Path, content: bytes) -> None:
    path.write_bytes(content) if content else path.mkdir()
    with pytest.raises(ConfigurationError, match=r"gateway\.keys"):
        KeyStore(path, PEPPER)


def test_s12_what_is_written_once_is_the_same_for_all_who_start_together(tmp_path: Path) -> None:
    """One writes, the others read."""
    target = tmp_path / "secrets"
    assert write_once(target, "first") == write_once(target, "second") == "first"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["secrets"]


def test_s12_a_draft_that_a_crash_left_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getpid", lambda: 7)
    (tmp_path / "secrets.7.new").write_text("half")
    assert write_once(tmp_path / "secrets", "whole") == "whole"


def test_create_private_can_run_twice_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(create_private, [tmp_path / "file"] * 64))
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600
