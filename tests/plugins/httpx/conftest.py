"""Both libraries."""

import pytest

from unbroken_httpx._library import CORES, Library, library


@pytest.fixture(params=list(CORES))
def lib(request: pytest.FixtureRequest) -> Library:
    """httpx, then httpx2."""
    return library(request.param)
