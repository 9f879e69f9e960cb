"""Runs the tests of a room in a process of its own, on the sources as they are or on a mutant."""

import ast
import importlib.machinery
import importlib.util
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from attrs import define, field
from hypothesis import settings
from scripts.mutation.rooms import ROOT

SECONDS = 10.0  # a test that takes ten times its time and these has hung
MEMORY = 4 << 30  # bytes: a loop that fills the memory ends before the machine does

KILLED, HUNG, SURVIVED = "killed", "hung", "survived"


def fork(work: Callable[[], int]) -> int:
    """Start `work` in a process of its own, the leader of a group, and return its id. Its result is the exit code."""
    if pid := os.fork():
        return pid
    code = 70
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        code = work()
    finally:
        os._exit(code)


def verdict(status: int) -> str:
    """Return what the status of a process, as `os.wait` returns it, says about its mutant."""
    code = os.waitstatus_to_exitcode(status)
    if code == -signal.SIGALRM:
        return HUNG
    return SURVIVED if code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} else KILLED


def run_tests(arguments: Sequence[str], plugin: object) -> int:
    """Run pytest in this process, until the first failure."""
    quiet = ["-x", "-q", "-p", "no:cacheprovider", "-n", "0", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
    return int(pytest.main([*quiet, *arguments], plugins=[plugin]))


@define(eq=False)
class Tests:
    """A plugin of pytest that runs the `wanted` tests, in that order, each with its limit in seconds."""

    wanted: dict[str, float]

    def pytest_sessionstart(self) -> None:
        """Make every run of a property the same, and keep no example."""
        repeatable(settings())
        _alarm(60.0)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Keep the wanted tests, the fastest first."""
        order = {test: index for index, test in enumerate(self.wanted)}
        items[:] = sorted((item for item in items if item.nodeid in order), key=lambda item: order[item.nodeid])

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Begin the time of a test."""
        _alarm(self.wanted[nodeid])

    def pytest_sessionfinish(self) -> None:
        """Begin the time of the end."""
        _alarm(60.0)


@define(eq=False)
class Survey:
    """A plugin of pytest that measures how long each test takes and, if given `coverage`, which lines it runs."""

    coverage: Any
    seconds: dict[str, float] = field(factory=dict[str, float])

    def pytest_sessionstart(self) -> None:
        """Run properties as the trials do."""
        repeatable(settings())

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure one test."""
        self.coverage.start()  # again, as a test may have traced for itself
        self.coverage.switch_context(item.nodeid)
        began = time.perf_counter()
        result = yield
        self.seconds[item.nodeid] = time.perf_counter() - began
        self.coverage.switch_context("")
        return result


def repeatable(house: settings) -> None:
    """Let hypothesis try the same examples in each process, and store none."""
    settings.register_profile("mutation", house, derandomize=True, database=None)
    settings.load_profile("mutation")


def _alarm(seconds: float) -> None:
    """End this process in `seconds`, whatever it does then, unless there is another alarm before."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def install(file: str, tree: ast.Module) -> None:
    """Let the module of `file` be imported from `tree`; the file stays as it is."""
    sys.meta_path.insert(0, _Finder(_module(file), ROOT / file, tree))


def _module(file: str) -> str:
    path = ROOT / file
    package = path.parent
    while (package.parent / "__init__.py").exists():
        package = package.parent
    return ".".join(path.relative_to(package.parent).with_suffix("").parts).removesuffix(".__init__")


@define(eq=False)
class _Finder:
    name: str
    path: Path
    tree: ast.Module

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        within = [str(self.path.parent)] if self.path.name == "__init__.py" else None
        loader = _Loader(name, str(self.path))
        loader.tree = self.tree
        return importlib.util.spec_from_file_location(name, self.path, loader=loader, submodule_search_locations=within)


class _Loader(importlib.machinery.SourceFileLoader):
    tree: ast.Module

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.tree, self.path, "exec", dont_inherit=True)
