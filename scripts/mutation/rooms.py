"""The rooms of the house: sources, and the tests that should notice when one of them changes."""

from pathlib import Path

from attrs import field, frozen

ROOT = Path(__file__).parents[2]


@frozen
class Room:
    """Sources and tests, as paths below the root of the project."""

    name: str
    sources: tuple[str, ...]
    tests: tuple[str, ...]
    without: tuple[str, ...] = field(default=())

    def files(self) -> list[str]:
        """Return the source files."""
        found = [path for source in self.sources for path in sorted((ROOT / source).rglob("*.py"))]
        files = [ROOT / source for source in self.sources if source.endswith(".py")]
        return [path.relative_to(ROOT).as_posix() for path in [*found, *files]]

    def arguments(self) -> list[str]:
        """Return the arguments with which pytest collects the tests."""
        return [*self.tests, *(f"--ignore={path}" for path in self.without)]


def _plugin(kind: str, name: str, *tests: str) -> Room:
    return Room(name, (f"plugins/{kind}/unbroken_{name}",), (f"tests/plugins/{name}", *tests))


ROOMS = (
    Room(
        "core",
        (
            "core/unbroken/_engine",
            "core/unbroken/_eventstream.py",
            "core/unbroken/event.py",
            "core/unbroken/framing.py",
            "core/unbroken/framings.py",
            "core/unbroken/json_body.py",
            "core/unbroken/kinds.py",
            "core/unbroken/eventstream.py",
            "core/unbroken/ndjson.py",
            "core/unbroken/sse.py",
            "core/unbroken/dialect.py",
            "core/unbroken/error_bodies.py",
            "core/unbroken/error_report.py",
            "core/unbroken/inbox.py",
            "core/unbroken/json_text.py",
            "core/unbroken/retry_after.py",
            "core/unbroken/usage.py",
        ),
        ("tests/core", "tests/faults"),
        ("tests/core/wire", "tests/core/testing", "tests/faults/test_linear.py"),
    ),
    _plugin("dialects", "anthropic"),
    _plugin("dialects", "openai"),
    _plugin("dialects", "gemini"),
    _plugin("dialects", "ollama"),
    _plugin("dialects", "bedrock"),
    _plugin("dialects", "mcp"),
    _plugin("policies", "timeout"),
    _plugin("policies", "retry"),
    _plugin("policies", "fallback"),
    _plugin("policies", "circuit_breaker"),
    _plugin("policies", "rate_limit"),
)
