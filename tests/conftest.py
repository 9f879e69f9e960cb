"""Fixtures for all tests: `colour`, `fake_clock` and `play` run a call blocking, under asyncio and under trio."""

pytest_plugins = ["penstock.testing.pytest_plugin"]
