"""A server of Redis for the tests that want one."""

from ...redis_server import redis_server

__all__ = ["redis_server"]
