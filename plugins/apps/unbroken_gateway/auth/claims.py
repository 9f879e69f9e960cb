"""What the claims of a token must say (S2, S8), and the principal that they name."""

import math
from collections.abc import Collection, Mapping
from typing import Any, Final, cast

from ..config.settings import Issuer
from ..values import Principal
from .proof import Rejected

MAX_LEEWAY: Final = 60.0
"""The most seconds that clocks may differ."""
MAX_SCOPES: Final = 64
_MAX_TEXT: Final = 255
_MAX_TIME: Final = 2.0**53


def check_claims(issuer: Issuer, claims: Mapping[str, Any], now: float) -> None:
    """Raise Rejected unless the token is of `issuer`, for us, and in force at `now`, in Unix seconds.

    Its own end counts in whole seconds and may be crossed by the leeway; so may its beginning.
    """
    if claims.get("iss") != issuer.issuer:
        raise Rejected("another issuer")
    _check_audience(issuer, claims.get("aud"))
    short_text(claims.get("sub"), "sub")
    if "jti" in claims:
        short_text(claims["jti"], "jti")
    begins, ends = _time(claims.get("iat"), "iat"), math.floor(_time(claims.get("exp"), "exp"))
    if not 0 < ends - begins <= issuer.max_lifetime:
        raise Rejected("a lifetime that is not allowed")
    if ends <= now - issuer.leeway:
        raise Rejected("expired")
    if max(begins, _time(claims.get("nbf", begins), "nbf")) > now + issuer.leeway:
        raise Rejected("not yet in force")


def principal_of(issuer: Issuer, claims: Mapping[str, Any], key_id: str, plans: Collection[str]) -> Principal:
    """Return the principal of checked claims. Raises Rejected for a user, plan or scope that makes no sense."""
    plan = claims.get(issuer.plan_claim) if issuer.plan_claim is not None else None
    plan = issuer.default_plan if plan is None else plan
    if not isinstance(plan, str) or plan not in plans:
        raise Rejected("no plan, or one that is not configured")
    return Principal(
        id=short_text(claims.get(issuer.user_claim), "the claim of the user"),
        issuer=issuer.issuer,
        plan=plan,
        scopes=_scopes(claims.get("scope", claims.get("scp", ()))),
        expires_at=float(claims["exp"]),
        issued_at=float(claims["iat"]),
        credential_id=claims.get("jti", ""),
        key_id=key_id,
    )


def short_text(value: object, name: str) -> str:
    """Return `value` if it is printable text of 1 to 255 characters, otherwise raise Rejected that names it."""
    if not isinstance(value, str) or not 0 < len(value) <= _MAX_TEXT or not value.isprintable():
        raise Rejected(f"{name} is not a short text")
    return value


def _check_audience(issuer: Issuer, audience: object) -> None:
    named = cast("list[object]", audience) if issuer.audience_list and isinstance(audience, list) else [audience]
    if not all(isinstance(each, str) for each in named) or issuer.audience not in named:
        raise Rejected("another audience")


def _time(value: object, name: str) -> float:
    """Return a NumericDate, which is a number of seconds from 1970 that a float holds exactly."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _MAX_TIME:
        raise Rejected(f"{name} is not a time")
    return value


def _scopes(value: object) -> frozenset[str]:
    """Return the scopes of a list, or of a text with spaces between them (RFC 8693 §4.2)."""
    named = cast("Collection[object]", value.split() if isinstance(value, str) else value)
    if not isinstance(named, list | tuple) or len(named) > MAX_SCOPES:
        raise Rejected("scopes that are not a short list")
    return frozenset(short_text(each, "a scope") for each in named)
