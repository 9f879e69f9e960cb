"""The hint below a failure."""

from unbroken import QuotaExceededError, RateLimitError
from unbroken_cli._failure import failure_block


def test_a_spent_quota_has_a_hint_of_its_own() -> None:
    """Another than too many requests, whose class it has."""
    assert "hint      waiting does not help: the account is at its limit\n" in failure_block(QuotaExceededError("no"))
    assert "hint      the server refuses more requests for now; send fewer, or wait\n" in failure_block(
        RateLimitError("no")
    )
