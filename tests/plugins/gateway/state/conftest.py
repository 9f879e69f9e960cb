"""A store for each test of the contract."""

from pathlib import Path

import pytest

from ....redis_server import RedisServer
from .worlds import World

KINDS = ["memory", "sqlite", "redis"]


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """An empty Redis."""
    assert redis_server.ask("FLUSHALL") == b"+OK\r\n"
    return redis_server.url


@pytest.fixture(params=KINDS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    url = request.getfixturevalue("redis_url") if request.param == "redis" else ""
    return World(request.param, tmp_path, url)
