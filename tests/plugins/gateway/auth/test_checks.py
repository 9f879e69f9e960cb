"""R24, S1, S5, S12: for which settings the gateway does not start, and the secrets that it makes itself."""

import json
import secrets
import stat
from pathlib import Path
from typing import Any

import pytest

from unbroken import ConfigurationError
from unbroken_gateway.auth.authenticator import Authenticator
from unbroken_gateway.auth.checks import check_auth, is_strong
from unbroken_gateway.auth.local_secrets import with_secrets
from unbroken_gateway.config.exposure import is_local
from unbroken_gateway.config.settings import Settings

from .issuing import PLANS, SECRET, issuer, settings

STRONG = SECRET[:43]
HS: dict[str, Any] = {"algorithms": ("HS256",), "jwks": None, "secret": SECRET}
LOCAL, OPEN = "127.0.0.1:8080", "0.0.0.0:8080"
ISSUER, ALGORITHMS = "issuers[0].issuer", "issuers[0].algorithms"
JWKS, SHARED, PLAN = "issuers[0].jwks", "issuers[0].secret", "issuers[0].default_plan"

WRONG: dict[str, tuple[Settings, str, str]] = {
    "R24-nothing": (settings(), "issuers", "or keys is required"),
    "R24-development-token-for-all": (
        settings(listen=OPEN, development_token=STRONG, development_plan="free"),
        "listen",
        "must be on loopback",
    ),
    "R24-development-token-beside-keys": (
        settings(listen="[::]:80", keys="k", pepper=STRONG, development_token=STRONG, development_plan="free"),
        "listen",
        "must be on loopback",
    ),
    "R24-development-plan": (settings(development_token=STRONG), "development_plan", "is no plan: 'development'"),
    "R24-issuer-with-a-bar": (settings(issuer(issuer="a|b")), ISSUER, "without a bar"),
    "R24-issuer-named-keys": (settings(issuer(issuer="keys")), ISSUER, "neither 'keys' nor"),
    "R24-issuer-named-development": (settings(issuer(issuer="development")), ISSUER, "nor 'development'"),
    "R24-issuer-twice": (settings(issuer(), issuer()), "issuers[1].issuer", "is given twice"),
    "R24-no-plan": (settings(issuer(plan_claim=None, default_plan=None)), PLAN, "is required without plan_claim"),
    "R24-unknown-plan": (settings(issuer(default_plan="fre")), PLAN, "is no plan: 'fre' (did you mean 'free'?)"),
    "S1-no-algorithm": (settings(issuer(algorithms=())), ALGORITHMS, "must not be empty"),
    "S1-none": (settings(issuer(algorithms=("none",))), ALGORITHMS, "must be out of RS256"),
    "S1-misspelt": (settings(issuer(algorithms=("RS265",))), ALGORITHMS, "not 'RS265' (did you mean"),
    "S1-confusion": (settings(issuer(algorithms=("RS256", "HS256"))), ALGORITHMS, "one kind of key"),
    "S1-two-kinds": (settings(issuer(algorithms=("RS256", "ES256"))), ALGORITHMS, "one kind of key"),
    "S1-secret-beside-public-keys": (settings(issuer(secret=SECRET)), SHARED, "is only for an HS algorithm"),
    "S1-public-keys-beside-a-secret": (settings(issuer(**{**HS, "jwks": "https://x"})), JWKS, "not for an HS"),
    "S1-no-secret": (settings(issuer(**{**HS, "secret": None})), SHARED, "is required"),
    "S1-short-secret": (settings(issuer(**{**HS, "secret": STRONG[:31]})), SHARED, "at least 32 random characters"),
    "S1-secret-as-long-as-the-hash": (
        settings(issuer(**{**HS, "algorithms": ("HS256", "HS512"), "secret": STRONG})),
        SHARED,
        "at least 64 random characters",
    ),
    "S1-weak-secret": (settings(issuer(**{**HS, "secret": "a" * 64})), SHARED, "is too weak"),
    "S1-public-key-as-secret": (
        settings(issuer(**{**HS, "secret": f"-----BEGIN PUBLIC KEY-----{SECRET}"})),
        SHARED,
        "must not be a public key",
    ),
    "S5-no-jwks": (settings(issuer(jwks=None)), JWKS, "is required"),
    "S5-http": (settings(issuer(jwks="http://id.example.com/jwks")), JWKS, "must begin with https://"),
    "S5-http-like-loopback": (settings(issuer(jwks="http://127.0.0.1.example.com/")), JWKS, "leaves this machine"),
    "S5-file": (settings(issuer(jwks="file:///etc/passwd")), JWKS, "begins with https://"),
    "S5-no-host": (settings(issuer(jwks="https:///jwks")), JWKS, "must be a URL"),
    "S5-credentials": (settings(issuer(jwks="https://u:p@id.example.com/jwks")), JWKS, "must not hold credentials"),
    "S5-fragment": (settings(issuer(jwks="https://id.example.com/jwks#a")), JWKS, "must not have a fragment"),
    "S5-nonsense": (settings(issuer(jwks="https://[")), JWKS, "must be a URL"),
    "S12-no-pepper": (settings(keys="k", listen=OPEN), "pepper", "UNBROKEN_GATEWAY_PEPPER"),
    "S12-weak-pepper": (settings(keys="k", pepper="short"), "pepper", "is too weak"),
    "S12-no-admin": (settings(issuer(), admin_listen=OPEN), "admin_credential", "UNBROKEN_GATEWAY_ADMIN"),
    "S12-weak-admin": (settings(issuer(), admin_credential="admin"), "admin_credential", "is too weak"),
    "S12-weak-development-token": (
        settings(development_token="dev", development_plan="free"),
        "development_token",
        "is too weak",
    ),
    "S27-no-network": (settings(issuer(), trusted_proxies=("proxy",)), "trusted_proxies", "addresses or networks"),
    "S27-unclear-network": (settings(issuer(), trusted_proxies=("10.0.0.1/8",)), "trusted_proxies", "such as"),
}
FINE: dict[str, Settings] = {
    "R24-issuer": settings(issuer(), listen=OPEN),
    "R24-two-issuers": settings(issuer(), issuer(issuer="b", **HS), listen=OPEN),
    "R24-keys": settings(keys="k", pepper=STRONG, listen=OPEN),
    "R24-development-on-loopback": settings(development_token=STRONG, development_plan="free"),
    "S5-loopback": settings(issuer(jwks="http://127.0.0.1:1/jwks")),
    "S5-localhost": settings(issuer(jwks="http://localhost:1/jwks")),
    "S5-query": settings(issuer(jwks="https://id.example.com/keys?p=policy")),
    "S8-leeway-60": settings(issuer(leeway=60)),
    "S12-strong-admin": settings(issuer(), admin_credential=STRONG),
    "S12-pepper-of-this-machine": settings(keys="k"),
    "S27-networks": settings(issuer(), trusted_proxies=("10.0.0.0/8", "::1", "192.0.2.0/24")),
}
BOUNDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "R24-no-issuer": (issuer, {"issuer": ""}),
    "R24-no-audience": (issuer, {"audience": ""}),
    "R24-no-user-claim": (issuer, {"user_claim": ""}),
    "S2-no-lifetime": (issuer, {"max_lifetime": 0}),
    "S2-endless": (issuer, {"max_lifetime": float("inf")}),
    "S8-leeway-61": (issuer, {"leeway": 61}),
    "S8-leeway-negative": (issuer, {"leeway": -1}),
    "S8-leeway-nan": (issuer, {"leeway": float("nan")}),
    "S27-no-limit": (settings, {"bad_credentials": 0}),
}


async def never(principal: Any) -> bool:
    return False


@pytest.mark.parametrize(("given", "path", "words"), [pytest.param(*row, id=name) for name, row in WRONG.items()])
def test_the_gateway_does_not_start(given: Settings, path: str, words: str) -> None:
    """And says which setting is wrong, once, without its value if that is secret; nor is an authenticator made."""
    ((place, message),) = check_auth(given)
    assert place == path
    assert words in message
    with pytest.raises(ConfigurationError) as refused:
        Authenticator(given, revoked=never)
    assert [problem.path for problem in refused.value.problems] == [f"gateway.{path}"]
    assert STRONG[:31] not in str(refused.value)


@pytest.mark.parametrize("given", [pytest.param(given, id=name) for name, given in FINE.items()])
def test_the_gateway_starts(given: Settings) -> None:
    assert not [*check_auth(given)]


@pytest.mark.parametrize(("make", "change"), [pytest.param(*row, id=name) for name, row in BOUNDS.items()])
def test_a_value_out_of_its_bounds_is_refused_at_once(make: Any, change: dict[str, Any]) -> None:
    """So no other place has to check it."""
    with pytest.raises(ConfigurationError) as refused:
        make(**change)
    assert [problem.path for problem in refused.value.problems] == [*change]


def test_all_problems_are_told_at_once() -> None:
    wrong = issuer(issuer="a|b", algorithms=(), default_plan="none")
    with pytest.raises(ConfigurationError) as refused:
        Authenticator(settings(wrong, listen=OPEN, keys="k"), revoked=never)
    assert len(refused.value.problems) == 4


def test_s12_an_authenticator_of_stored_keys_needs_their_pepper() -> None:
    """The check leaves it out on loopback, where `with_secrets` makes one."""
    with pytest.raises(ConfigurationError) as refused:
        Authenticator(settings(keys="k"), revoked=never)
    assert [problem.path for problem in refused.value.problems] == ["gateway.pepper"]


WEAK = {
    "empty": "",
    "short": "admin",
    "almost-long-enough": STRONG[:31],
    "one-character": "a" * 64,
    "two-characters": "ab" * 40,
    "word": "password" * 4,
    "sequence": "0123456789abcdefghijklmnopqrstuvwxyz",
    "words": "changeme" + 3 * "-changeme",
}


@pytest.mark.parametrize("weak", [pytest.param(each, id=name) for name, each in WEAK.items()])
def test_s12_a_weak_credential_is_known(weak: str) -> None:
    """Short, repeated, or in order."""
    assert not is_strong(weak)


def test_s12_random_credentials_are_strong() -> None:
    """Each of a thousand, in the two usual forms; 32 characters are enough."""
    assert all(is_strong(secrets.token_urlsafe(32)) and is_strong(secrets.token_hex(32)) for _ in range(1000))
    assert is_strong(STRONG[:32])


@pytest.mark.parametrize(
    ("listen", "local"),
    [
        (LOCAL, True),
        ("localhost:1", True),
        ("[::1]:1", True),
        (OPEN, False),
        ("[::]:1", False),
        (":80", False),
        ("192.0.2.1:1", False),
    ],
)
def test_r24_what_only_this_machine_reaches(listen: str, local: bool) -> None:
    assert is_local(listen) is local


def test_s12_secrets_are_made_on_the_first_start_on_loopback(tmp_path: Path) -> None:
    """In a file for the owner alone; the next start, and the command that makes keys, find the same."""
    given = Settings(keys=str(tmp_path / "keys.db"), plans=PLANS)
    first, second = with_secrets(given), with_secrets(given)
    assert (first.pepper, first.admin_credential) == (second.pepper, second.admin_credential)
    assert not [*check_auth(first)]
    file = tmp_path / "keys.db.secrets"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(file.read_text())) == {"pepper", "admin"}


def test_s12_secrets_of_the_environment_come_first(tmp_path: Path) -> None:
    given = Settings(keys=str(tmp_path / "keys.db"), pepper=STRONG, admin_credential=STRONG)
    assert with_secrets(given) is given
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("have", ["pepper", "admin_credential"])
def test_s12_only_what_is_missing_is_made(tmp_path: Path, have: str) -> None:
    made = with_secrets(Settings(**{"keys": str(tmp_path / "keys.db"), have: STRONG}))
    assert getattr(made, have) == STRONG
    assert None not in (made.pepper, made.admin_credential)


def test_s12_an_open_gateway_makes_no_secrets(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        with_secrets(Settings(listen=OPEN, admin_listen="0.0.0.0:8081", keys=str(tmp_path / "keys.db")))
    assert [problem.path for problem in refused.value.problems] == ["gateway.pepper", "gateway.admin_credential"]
    assert not [*tmp_path.iterdir()]


def test_s12_an_admin_port_of_this_machine_alone_gets_a_credential(tmp_path: Path) -> None:
    """Though the gateway itself is open."""
    made = with_secrets(Settings(listen=OPEN, pepper=STRONG, keys=str(tmp_path / "keys.db")))
    assert (made.pepper, is_strong(made.admin_credential or "")) == (STRONG, True)


def test_s12_without_a_file_of_keys_the_admin_credential_is_new_each_time() -> None:
    first, second = with_secrets(Settings()), with_secrets(Settings())
    assert first.pepper is None
    assert first.admin_credential != second.admin_credential
    assert is_strong(first.admin_credential or "")


def test_s12_without_an_admin_port_there_is_no_credential() -> None:
    assert with_secrets(Settings(admin_listen=None)).admin_credential is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"pepper": 1, "admin": "x"}', '{"pepper": "x"}'])
def test_s12_a_file_of_secrets_that_is_none_is_refused(tmp_path: Path, content: str) -> None:
    """It is not replaced: with another pepper all keys would be lost."""
    file = tmp_path / "keys.db.secrets"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match="does not hold"):
        with_secrets(Settings(keys=str(tmp_path / "keys.db")))
    assert file.read_text() == content


def test_s12_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be used: FileNotFoundError"):
        with_secrets(Settings(keys=str(tmp_path / "no" / "keys.db")))
