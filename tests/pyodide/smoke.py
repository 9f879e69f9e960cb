"""Run by `nox -s pyodide` within Pyodide, not by pytest: CPython without sockets, threads and processes.

Its last value is the exit code.
"""

import importlib
import os
import pkgutil
import sys
import typing
import warnings
import zipfile
from pathlib import Path

SITE = Path("/site")
# What has no wheel for WebAssembly, or needs what a browser does not have.
ABSENT = {"fastdigest", "httptools", "httpx2", "joserfc", "redis", "trio", "uvicorn", "uvloop"}
# Tests of an event loop, of the time of a thread, and of nesting that overflows the stack of WebAssembly.
NOT_THERE = "not asyncio and not trio and not linear and not deep and not nested and not circle"

for wheel in Path("/wheels").glob("*.whl"):
    zipfile.ZipFile(wheel).extractall(SITE)
sys.path.insert(0, str(SITE))
warnings.simplefilter("error")  # Pyodide's own start is not free of warnings

# 1. Nothing warns while it is compiled.
sources = [file for package in SITE.glob("unbroken*") for file in package.rglob("*.py")]
for file in sources:
    compile(file.read_bytes(), str(file), "exec")

# 2. Nothing warns while it is imported.
loaded, missing = [], {}
for package in sorted(folder.name for folder in SITE.glob("unbroken*") if (folder / "__init__.py").exists()):
    for found in pkgutil.walk_packages([str(SITE / package)], f"{package}."):
        if found.name.endswith("__main__"):
            continue
        try:
            loaded.append(importlib.import_module(found.name))
        except ImportError as error:
            missing[found.name] = (error.name or "").partition(".")[0]
assert set(missing.values()) <= ABSENT, missing

# 3. Annotations are evaluated lazily since 3.14 (PEP 649): all of them can be.
import attrs  # noqa: E402

kinds = {kind for module in loaded for kind in vars(module).values() if isinstance(kind, type)}
ours = [kind for kind in kinds if kind.__module__.startswith("unbroken") and attrs.has(kind)]
unresolved = {}
for kind in ours:
    try:
        typing.get_type_hints(kind)
    except (NameError, TypeError) as error:  # a quoted name that only type checkers know
        unresolved[f"{kind.__module__}.{kind.__qualname__}"] = str(error)

# 4. Calls, in virtual time.
import unbroken  # noqa: E402
from unbroken.registry import DIALECTS, PLUGINS, discover  # noqa: E402
from unbroken.testing import Answer, play, sse  # noqa: E402

plugins = {found.name: found.load(found.name) for found in discover(PLUGINS) if found.name != "metrics"}
dialects = {found.name: found.load(found.name) for found in discover(DIALECTS)}
for kind in plugins.values():
    attrs.resolve_types(kind.Config)
answers = [Answer(status=503), Answer(body=sse("hello"))]
played = play(answers, [plugins[name]() for name in ("timeout", "retry", "circuit-breaker", "rate-limit")])
assert (played.data, len(played.requests)) == (["hello"], 2)
played = play([Answer(body=b"event: message_start\n")], [], dialect=dialects["anthropic"]())
assert isinstance(played.error, unbroken.TruncatedStreamError)

print(f"Python {sys.version.split()[0]}: {len(sources)} files compiled, {len(loaded)} modules imported,")
print(f"{len(ours)} attrs classes ({len(unresolved)} with names that only type checkers know: {unresolved}),")
print(f"{len(plugins)} plugins and {len(dialects)} dialects, not imported for want of another package: {missing}")

# 5. The tests that are named, but for what is not there.
code, arguments = 0, globals()["arguments"]  # of run.mjs
if arguments:
    import pytest

    warnings.resetwarnings()  # the tests have filters of their own
    os.chdir("/house")
    options = ["-o", "addopts=", "--import-mode=importlib", "--assert=plain", "-p", "no:cacheprovider", "-q"]
    code = int(pytest.main([*options, "-k", NOT_THERE, *arguments]))
code  # noqa: B018
