"""The floors of the house: who may import whom, in core and between the packages, and no circle anywhere."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
PROJECT = tomllib.loads((HOUSE / "pyproject.toml").read_text())
ROOTS = [HOUSE / root for root in PROJECT["tool"]["hatch"]["build"]["dev-mode-dirs"]]

# From the ground up. A room imports from floors below its own, or from its own.
FLOORS = (
    ("_single", "secrets"),
    ("errors", "_version"),
    ("validators", "clock", "headers", "inbox", "json_text", "signals"),
    ("event", "retry_after", "usage"),
    ("messages",),
    ("framing", "kinds"),
    ("_eventstream", "error_bodies", "eventstream", "json_body", "ndjson", "sse", "transport"),
    ("error_report", "framings"),
    ("dialect", "plain_http"),
    ("call",),
    ("decisions",),
    ("hookspecs",),
    ("plugin",),
    ("_settings",),
    ("config",),
    ("_resolution",),
    ("registry",),
    ("_engine",),
    ("_arguments",),
    ("stream", "_setup", "_wire"),
    ("answer", "relay"),
    ("client",),
    ("__init__",),
    ("testing", "__main__"),
)
HEIGHT = {room: height for height, rooms in enumerate(FLOORS) for room in rooms}


def modules() -> dict[str, Path]:
    """Every module of the house by its dotted name."""
    found = {}
    for root in ROOTS:
        for path in root.rglob("*.py"):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(name: str, path: Path) -> Iterator[str]:
    """Yield the modules of the house that `name` imports anywhere, for type checkers and in functions too."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            inner = [f"{module}.{alias.name}" for alias in node.names]
            yield from (each for each in inner if each in MODULES)
            if module in MODULES and not all(each in MODULES for each in inner):
                yield module


GRAPH = {name: set(imports(name, path)) - {name} for name, path in MODULES.items()}


def circle(graph: dict[str, set[str]]) -> list[str]:
    """Return one circle of `graph`, an empty list when there is none."""
    done: set[str] = set()
    for start in graph:
        trail, stack = [start], [iter(sorted(graph[start]))]
        while stack:
            following = next(stack[-1], None)
            if following is None:
                done.add(trail.pop())
                stack.pop()
            elif following in trail:
                return [*trail[trail.index(following) :], following]
            elif following not in done:
                trail.append(following)
                stack.append(iter(sorted(graph[following])))
    return []


def room(name: str) -> str:
    """Return the room of a module of core: its file or folder."""
    return name.split(".")[1] if "." in name else "__init__"


def test_no_circle_of_imports_anywhere():
    assert circle(GRAPH) == []


def test_a_circle_would_be_found():
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.split(".")[0] == "unbroken"))
def test_core_imports_only_from_its_own_floor_and_below(name):
    higher = [other for other in GRAPH[name] if HEIGHT[room(other)] > HEIGHT[room(name)]]
    assert higher == []


OVER_HTTPX = {"unbroken_httpx", "unbroken_sdk"}


@pytest.mark.parametrize("name", sorted(name for name in MODULES if name.split(".")[0] not in OVER_HTTPX))
def test_no_other_package_imports_an_http_library(name):
    """Not even the pools under them, which import-linter cannot see."""
    libraries = {"httpx", "httpx2", "httpcore", "httpcore2", "h11"}
    assert not libraries & {each.split(".")[0] for _, each in imported(MODULES[name])}


def test_one_list_of_roots_serves_every_tool():
    """TOML has no variables, so the copies are held to the original."""
    tool = PROJECT["tool"]
    roots = tool["hatch"]["build"]["dev-mode-dirs"]
    wheel = tool["hatch"]["build"]["targets"]["wheel"]
    assert wheel["only-include"] == wheel["sources"] == roots
    assert tool["mypy"]["mypy_path"] == tool["pyright"]["extraPaths"] == tool["coverage"]["run"]["source"] == roots
    assert tool["ruff"]["src"] == [*roots, "tests"]
    packages = sorted({name.split(".")[0] for name in MODULES})
    assert tool["importlinter"]["root_packages"] == packages
    floors = " ".join(tool["importlinter"]["contracts"][0]["layers"]).replace("|", " ").split()
    assert sorted(floors) == packages


CORE_TESTS = [HOUSE / "tests" / "conftest.py", *sorted((HOUSE / "tests" / "core").rglob("*.py"))]


def imported(path: Path) -> Iterator[tuple[Path | None, str]]:
    """Yield what the file imports anywhere: a helper of the tests by its path, all else by its dotted name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((None, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield None, node.module or ""
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for each in (base, *(base / alias.name for alias in node.names)):
                yield each.with_suffix(".py"), ""


def plugins_behind(path: Path) -> set[str]:
    """Return the plugin packages that `path` imports, by itself or through helpers of the tests."""
    found, seen, waiting = set(), set(), [path]
    while waiting:
        seen.add(file := waiting.pop())
        for helper, name in imported(file):
            if helper is not None and helper.exists() and helper not in seen:
                waiting.append(helper)
            elif name.startswith("unbroken_"):
                found.add(name)
    return found


@pytest.mark.parametrize("path", CORE_TESTS, ids=lambda path: str(path.relative_to(HOUSE)))
def test_no_test_of_core_needs_a_plugin(path):
    assert plugins_behind(path) == set()


def test_a_plugin_behind_a_helper_would_be_found():
    assert "unbroken_chat" in plugins_behind(HOUSE / "tests" / "guide" / "conftest.py")
