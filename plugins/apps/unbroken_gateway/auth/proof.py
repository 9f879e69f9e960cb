"""The three ends of a check of a credential: a proof, a rejection, or no answer."""

import math
from collections.abc import Callable

from attrs import frozen

from ..values import Principal


class Rejected(Exception):
    """The credential is bad. The reason is for the log of the operator and quotes nothing of the credential."""


class Unavailable(Exception):
    """The credential cannot be checked at the moment."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds until it may be possible again; None if that is not known."""


def _always() -> bool:
    return True


@frozen(kw_only=True)
class Proof:
    """A principal, and how long the proof may be used again without another check."""

    principal: Principal
    lasts: float
    """Seconds."""
    ends: float = math.inf
    """When the credential itself ends, in Unix seconds."""
    holds: Callable[[], bool] = _always
    """Whether what the proof rests on, such as the keys of an issuer, is unchanged."""
