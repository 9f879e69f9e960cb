"""R24, S5, S8, S12: for which settings the gateway does not start, and the secrets that it makes itself."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from unbroken import ConfigurationError
from unbroken_gateway.auth.authenticator import Authenticator
from unbroken_gateway.auth.checks import check, is_weak
from unbroken_gateway.auth.local_secrets import listens_locally, with_secrets
from unbroken_gateway.settings import Issuer, Settings

from .issuing import PLANS, SECRET, issuer, settings

STRONG = "0123456789abcdefghijklmnopqrstuvwxyz"
HS: dict[str, Any] = {"algorithms": ("HS256",), "jwks": None, "secret": SECRET}
LOCAL, OPEN = "127.0.0.1:8080", "0.0.0.0:8080"

WRONG: dict[str, tuple[Settings, str]] = {
    "R24-nothing": (settings(), "gateway.issuers"),
    "R24-development-token-for-all": (
        settings(listen=OPEN, development_token=STRONG, development_plan="free"),
        "gateway.listen",
    ),
    "R24-development-token-beside-keys": (
        settings(listen="[::]:80", keys="k", pepper=STRONG, development_token=STRONG, development_plan="free"),
        "gateway.listen",
    ),
    "R24-development-plan": (settings(development_token=STRONG), "gateway.development_plan"),
    "R24-no-issuer": (settings(issuer(issuer="")), "gateway.issuers[0].issuer"),
    "R24-no-audience": (settings(issuer(audience="")), "gateway.issuers[0].audience"),
    "R24-second-without-audience": (settings(issuer(), issuer(issuer="b", audience="")), "gateway.issuers[1].audience"),
    "R24-issuer-with-a-bar": (settings(issuer(issuer="a|b")), "gateway.issuers[0].issuer"),
    "R24-issuer-named-keys": (settings(issuer(issuer="keys")), "gateway.issuers[0].issuer"),
    "R24-issuer-named-development": (settings(issuer(issuer="development")), "gateway.issuers[0].issuer"),
    "R24-issuer-twice": (settings(issuer(), issuer()), "gateway.issuers"),
    "R24-no-user-claim": (settings(issuer(user_claim="")), "gateway.issuers[0].user_claim"),
    "S1-no-algorithm": (settings(issuer(algorithms=())), "gateway.issuers[0].algorithms"),
    "S1-none": (settings(issuer(algorithms=("none",))), "gateway.issuers[0].algorithms"),
    "S1-two-kinds": (settings(issuer(algorithms=("RS256", "HS256"))), "gateway.issuers[0].algorithms"),
    "S1-secret-beside-public-keys": (settings(issuer(secret=SECRET)), "gateway.issuers[0].secret"),
    "S1-public-keys-beside-a-secret": (settings(issuer(**{**HS, "jwks": "https://x"})), "gateway.issuers[0].jwks"),
    "S1-no-secret": (settings(issuer(**{**HS, "secret": None})), "gateway.issuers[0].secret"),
    "S1-short-secret": (
        settings(issuer(**{**HS, "algorithms": ("HS512",), "secret": STRONG})),
        "gateway.issuers[0].secret",
    ),
    "S1-weak-secret": (settings(issuer(**{**HS, "secret": "a" * 64})), "gateway.issuers[0].secret"),
    "S1-public-key-as-secret": (
        settings(issuer(**{**HS, "secret": f"-----BEGIN PUBLIC KEY-----{SECRET}"})),
        "gateway.issuers[0].secret",
    ),
    "S2-no-lifetime": (settings(issuer(max_lifetime=0)), "gateway.issuers[0].max_lifetime"),
    "S2-endless": (settings(issuer(max_lifetime=float("inf"))), "gateway.issuers[0].max_lifetime"),
    "S5-no-jwks": (settings(issuer(jwks=None)), "gateway.issuers[0].jwks"),
    "S5-http": (settings(issuer(jwks="http://id.example.com/jwks")), "gateway.issuers[0].jwks"),
    "S5-http-like-loopback": (settings(issuer(jwks="http://127.0.0.1.example.com/")), "gateway.issuers[0].jwks"),
    "S5-file": (settings(issuer(jwks="file:///etc/passwd")), "gateway.issuers[0].jwks"),
    "S5-no-host": (settings(issuer(jwks="https:///jwks")), "gateway.issuers[0].jwks"),
    "S5-credentials": (settings(issuer(jwks="https://u:p@id.example.com/jwks")), "gateway.issuers[0].jwks"),
    "S5-nonsense": (settings(issuer(jwks="https://[")), "gateway.issuers[0].jwks"),
    "S8-leeway-61": (settings(issuer(leeway=61)), "gateway.issuers[0].leeway"),
    "S8-leeway-negative": (settings(issuer(leeway=-1)), "gateway.issuers[0].leeway"),
    "S8-leeway-nan": (settings(issuer(leeway=float("nan"))), "gateway.issuers[0].leeway"),
    "S12-no-pepper": (settings(keys="k"), "UNBROKEN_GATEWAY_PEPPER"),
    "S12-weak-pepper": (settings(keys="k", pepper="short"), "UNBROKEN_GATEWAY_PEPPER"),
    "S12-weak-admin": (settings(issuer(), admin_credential="admin"), "UNBROKEN_GATEWAY_ADMIN"),
    "S12-repeated-admin": (settings(issuer(), admin_credential="ab" * 32), "UNBROKEN_GATEWAY_ADMIN"),
    "S12-weak-development-token": (
        settings(development_token="dev", development_plan="free"),
        "gateway.development_token",
    ),
    "S27-no-limit": (settings(issuer(), bad_credentials=0), "gateway.bad_credentials"),
    "S27-no-network": (settings(issuer(), trusted_proxies=("proxy",)), "gateway.trusted_proxies"),
}
FINE: dict[str, Settings] = {
    "R24-issuer": settings(issuer(), listen=OPEN),
    "R24-two-issuers": settings(issuer(), issuer(issuer="b", **HS), listen=OPEN),
    "R24-keys": settings(keys="k", pepper=STRONG, listen=OPEN),
    "R24-development-on-loopback": settings(development_token=STRONG, development_plan="free"),
    "S5-loopback": settings(issuer(jwks="http://127.0.0.1:1/jwks")),
    "S5-localhost": settings(issuer(jwks="http://localhost:1/jwks")),
    "S8-leeway-60": settings(issuer(leeway=60)),
    "S12-strong-admin": settings(issuer(), admin_credential=STRONG),
    "S27-networks": settings(issuer(), trusted_proxies=("10.0.0.0/8", "::1", "192.0.2.1/24")),
}


@pytest.mark.parametrize(("given", "path"), [pytest.param(*row, id=name) for name, row in WRONG.items()])
def test_the_gateway_does_not_start(given: Settings, path: str) -> None:
    """And says which setting is wrong, once, without its value if that is secret."""
    with pytest.raises(ConfigurationError) as refused:
        check(given)
    assert [problem.path for problem in refused.value.problems] == [path]
    assert STRONG not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("given", [pytest.param(given, id=name) for name, given in FINE.items()])
def test_the_gateway_starts(given: Settings) -> None:
    check(given)


def test_all_problems_are_told_at_once() -> None:
    wrong = Issuer(issuer="", audience="", algorithms=())
    with pytest.raises(ConfigurationError) as refused:
        check(settings(wrong, listen=OPEN, keys="k", bad_credentials=0))
    assert len(refused.value.problems) == 5


def test_r24_no_authenticator_is_made_of_wrong_settings() -> None:
    async def never(principal: Any) -> bool:
        return False

    with pytest.raises(ConfigurationError):
        Authenticator(settings(), revoked=never)


@pytest.mark.parametrize(
    ("secret", "weak"), [("a" * 31, True), ("ab" * 40, True), (STRONG[:31], True), (STRONG[:32], False)]
)
def test_s12_a_weak_secret_is_short_or_repeats_itself(secret: str, weak: bool) -> None:
    assert is_weak(secret) is weak


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
    assert listens_locally(listen) is local


def test_s12_secrets_are_made_on_the_first_start_on_loopback(tmp_path: Path) -> None:
    """In a file for the owner alone; the next start, and the command that makes keys, find the same."""
    given = Settings(keys=str(tmp_path / "keys.db"), plans=PLANS)
    first, second = with_secrets(given), with_secrets(given)
    assert (first.pepper, first.admin_credential) == (second.pepper, second.admin_credential)
    check(first)
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
        with_secrets(Settings(listen=OPEN, keys=str(tmp_path / "keys.db")))
    assert [problem.path for problem in refused.value.problems] == ["UNBROKEN_GATEWAY_PEPPER", "UNBROKEN_GATEWAY_ADMIN"]
    assert not [*tmp_path.iterdir()]


def test_s12_without_a_file_of_keys_the_admin_credential_is_new_each_time() -> None:
    first, second = with_secrets(Settings()), with_secrets(Settings())
    assert first.pepper is None
    assert first.admin_credential != second.admin_credential
    assert not is_weak(first.admin_credential or "")


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
