"""The sync and the async classes differ in ``async`` and ``await`` and in the names that `scripts/unasync.py` lists."""

import ast
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNASYNC = runpy.run_path(str(ROOT / "scripts" / "unasync.py"))
GENERATED = UNASYNC["generated"]()


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_generated_module_is_up_to_date(path: Path) -> None:
    """Run ``python scripts/unasync.py`` after editing a module in `_async`."""
    assert path.read_text("utf-8") == GENERATED[path]


def test_every_sync_module_is_generated() -> None:
    """A module without a source would never be updated."""
    folders = {path.parent for path in GENERATED}
    assert {path for folder in folders for path in folder.glob("*.py")} == set(GENERATED)


# What may differ between twins that are written by hand, and why.
DIFFERENT = {
    "Stream": {"text", "batches"},  # a generator in the sync class; an abandoned async generator would linger
    "Client": {"send"},  # an async function would have its arguments in the traceback of an error
}


@pytest.mark.parametrize(("module", "name"), [("client", "Client"), ("stream", "Stream")])
def test_the_twins_of_the_core_do_the_same(module: str, name: str) -> None:
    """They are written by hand, side by side; docstrings may differ."""
    tree = ast.parse((ROOT / "core" / "unbroken" / f"{module}.py").read_text("utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    expected = ast.parse(UNASYNC["sync"](ast.unparse(classes[f"Async{name}"]))).body[0]
    skipped = DIFFERENT.get(name, set())
    assert methods(classes[name], skipped) == methods(expected, skipped)


def methods(node: ast.ClassDef, skipped: set[str]) -> dict[str, str]:
    """Return the code of each method of a class, without docstrings and comments."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [each for each in node.body if isinstance(each, functions) and each.name not in skipped]
    for method in found:
        if ast.get_docstring(method) is not None:
            method.body = method.body[1:] or [ast.Pass()]
    return {method.name: ast.unparse(method) for method in found}


@pytest.mark.parametrize(
    ("source", "twin"),
    [
        ("async def aclose(self): await self._client.aclose()", "def close(self): self._client.close()"),
        ("async with a: return [b async for b in a]", "with a: return [b for b in a]"),
        ("raise StopAsyncIteration", "raise StopIteration"),
        ("def __aenter__(self) -> AsyncStream: ...", "def __enter__(self) -> Stream: ..."),
        ("from unbroken import AsyncStream, Event, LIMIT", "from unbroken import LIMIT, Event, Stream"),
        ('"""Handlers for asyncio and trio: shared by asyncio or trio tasks."""', '"""Handlers: shared by threads."""'),
        ("asyncs = asynchronous(awaited, AsyncOptions)", "asyncs = asynchronous(awaited, Options)"),
    ],
)
def test_words_are_replaced_as_a_whole(source: str, twin: str) -> None:
    """In code and in docstrings."""
    assert UNASYNC["sync"](source) == twin
