"""The checks of this project: ``nox -l`` lists them, ``nox -s tests`` runs one. They need `uv`, and fetch no Python."""

import json
import re
import shutil
from pathlib import Path

import nox

nox.options.default_venv_backend = "uv"
nox.options.sessions = ["tests", "lint", "types", "contracts", "wheel"]
nox.options.error_on_missing_interpreters = False

PYTHONS = ["3.11", "3.12", "3.13", "3.14", "3.14t"]  # one that is not there is skipped, and named
GROUPS = nox.project.load_toml("pyproject.toml")["dependency-groups"]
ROOT = Path(__file__).parent
# What the tests need without the extras, and what cannot be installed beside the lowest versions of httpx and rich.
FEW_TOOLS = {"hypothesis", "pytest", "pytest-xdist", "trio", "trustme"}
NEWER_TOOLS = {"a2a-sdk", "schemathesis"}
# The tests that run within Pyodide: they need no socket, no thread and no process.
WITHOUT_MACHINE = [
    "call", "decisions", "decoders", "dialect", "errors", "eventstream", "headers", "messages", "ndjson",
    "retry_after", "sse", "structure", "validators",
]  # fmt: skip
# The clients that `unbroken_sdk.protect` knows, by the name of their tests: the package, and its oldest version. An old
# framework needs an old SDK, though it does not say so.
SDKS = {
    "anthropic": ("anthropic", ["anthropic==0.40.0"]),
    "openai": ("openai", ["openai==1.66.0"]),
    "groq": ("groq", ["groq==0.13.0"]),
    "langchain_openai": ("langchain-openai", ["langchain-openai==1.0.0"]),
    "langchain_anthropic": ("langchain-anthropic", ["langchain-anthropic==1.0.0"]),
    "pydantic_ai": (
        "pydantic-ai-slim[anthropic,openai]",
        ["pydantic-ai-slim[anthropic,openai]==2.0.0", "anthropic<1", "openai<3"],
    ),
    "openai_agents": ("openai-agents", ["openai-agents==0.6.0", "openai<2.10"]),
    "litellm": ("litellm", ["litellm==1.75.0"]),
    "mistralai": ("mistralai", ["mistralai==1.5.0"]),
    "cohere": ("cohere", ["cohere==5.13.0"]),
    "google_genai": ("google-genai", ["google-genai==1.20.0"]),
    "ollama": ("ollama", ["ollama==0.5.0"]),
    "a2a": ("a2a-sdk", ["a2a-sdk==1.0.0"]),
    "bedrock": ("anthropic[bedrock]", ["anthropic[bedrock]==0.40.0"]),
}


def _install(session: nox.Session, *groups: str) -> None:
    """Install the project and the dependency groups."""
    for group in groups:
        session.install(*nox.project.dependency_groups({"dependency-groups": GROUPS}, group))
    session.install("-e", ".[cli,gateway,httpx2,metrics,otel]")


@nox.session(python=PYTHONS, download_python="never")
def tests(session: nox.Session) -> None:
    """Run the tests with their coverage: 100 % of the core, 95 % of the whole."""
    _install(session, "test")
    session.run("pytest", "--cov", "--cov-report=", *session.posargs)
    session.run("coverage", "report", "--include=core/*", "--fail-under=100")
    session.run("coverage", "report", "--fail-under=95")


@nox.session(download_python="never")
def matrix(session: nox.Session) -> None:
    """Run the tests over sockets with every transport: wire, httpx, httpx2; sync, asyncio, trio; plain, TLS, proxies.

    Then those of asyncio again over uvloop. The other sessions run all of them over the wire, and those marked
    `over_httpx` over httpx and httpx2 as well.
    """
    _install(session, "test")
    session.install("uvloop")
    what, matrix = session.posargs or ["tests/e2e", "tests/plugins/httpx"], {"UNBROKEN_TEST_MATRIX": "1"}
    session.run("pytest", *what, env=matrix)
    session.run("pytest", "-k", "asyncio", *what, env={**matrix, "UNBROKEN_TEST_UVLOOP": "1"})


@nox.session(download_python="never")
@nox.parametrize("extras", ["none", "all"])
def lowest(session: nox.Session, extras: str) -> None:
    """Run the tests without a network against the lowest versions that pyproject.toml admits.

    The tools of the tests are the newest that can be installed beside them.
    """
    versions = Path(session.create_tmp()) / "lowest.txt"
    which = ["--all-extras"] if extras == "all" else []
    resolve = ("uv", "pip", "compile", "--quiet", "--resolution=lowest-direct", f"--python={session.bin}/python")
    session.run(*resolve, *which, f"--output-file={versions}", "pyproject.toml", external=True)
    tools = {
        re.split(r"[^\w-]", each)[0]: each
        for each in nox.project.dependency_groups({"dependency-groups": GROUPS}, "test")
    }
    names = FEW_TOOLS if extras == "none" else set(tools) - NEWER_TOOLS
    project = "." if extras == "none" else ".[cli,gateway,httpx2,metrics,otel]"
    session.install(f"--constraint={versions}", "-e", project, *(tools[name] for name in sorted(names)))
    what = ["tests/core"] if extras == "none" else ["tests/core", "tests/contract", "tests/faults", "tests/plugins"]
    session.run("pytest", *(session.posargs or what))


@nox.session(download_python="never")
@nox.parametrize("version", ["newest", "oldest"])
@nox.parametrize("client", list(SDKS))
def sdks(session: nox.Session, client: str, version: str) -> None:
    """Run the tests of `protect` under each client that it knows, each version in an environment of its own."""
    package, oldest = SDKS[client]
    session.install("pytest>=8.3", "pytest-xdist>=3.6", "hypothesis>=6.140", "google-auth>=2", "-e", ".[httpx2]")
    session.install("--upgrade", *([package] if version == "newest" else oldest))
    session.run("uv", "pip", "show", package.partition("[")[0], external=True)
    offline = {"LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    session.run("pytest", "-W", "ignore", "-n", "0", f"tests/sdks/test_{client}.py", *session.posargs, env=offline)


@nox.session(python=False)
def unasync(session: nox.Session) -> None:
    """Write the sync modules that are generated from async ones; run it after editing a module in `_async`."""
    session.run("python", "scripts/unasync.py")


@nox.session(download_python="never")
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    _install(session, "check")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session(download_python="never")
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, both strict."""
    _install(session, "dev")
    session.run("mypy")
    session.run("pyright")


@nox.session(download_python="never")
def contracts(session: nox.Session) -> None:
    """Check who may import whom."""
    _install(session, "check")
    session.run("lint-imports")


@nox.session(download_python="never")
def bench(session: nox.Session) -> None:
    """Measure this library beside its peers: ``nox -s bench -- DIRECTORY [--quick] [--only WORD …]``."""
    _install(session, "test")
    where = session.posargs or ["build/benchmarks"]
    session.run("python", "-m", "tests.benchmarks.harness", *where)


@nox.session(download_python="never")
def cuts(session: nox.Session) -> None:
    """Cut the readers of resumable streams 10 000 times over each store: no event is lost or repeated."""
    _install(session, "test")
    session.run("pytest", "tests/plugins/gateway/streams/test_cuts.py", env={"UNBROKEN_RESUME_CUTS": "10000"})


@nox.session(name="gateway-bench", download_python="never")
def gateway_bench(session: nox.Session) -> None:
    """Measure the gateway beside LiteLLM's proxy: ``nox -s gateway-bench -- DIRECTORY [--quick] [--page FILE]``."""
    _install(session, "test")
    where = session.posargs or ["build/benchmarks"]
    session.run("python", "-m", "tests.benchmarks.gateway", *where)


@nox.session(download_python="never")
def judges(session: nox.Session) -> None:
    """Let the official SDKs for Python and JavaScript, a browser, curl and proxies judge the gateway. Needs npm."""
    _install(session, "test")
    modules = Path(session.create_tmp())
    for name in ("package.json", "package-lock.json"):
        (modules / name).write_bytes((ROOT / "tests" / "judges" / name).read_bytes())
    session.run("npm", "ci", "--no-audit", "--no-fund", "--prefix", str(modules), external=True)
    required = {"UNBROKEN_JS": str(modules), "UNBROKEN_REQUIRE_SERVERS": "node chromium curl nginx haproxy"}
    what = session.posargs or ["sdks", "browser", "proxies", "openapi"]
    session.run("pytest", *(f"tests/e2e/test_gateway_{name}.py" for name in what), env=required)


@nox.session(download_python="never")
def mutation(session: nox.Session) -> None:
    """Change the sources in a sample of places and see whether the tests notice: ``nox -s mutation -- --help``."""
    _install(session, "test")
    session.run("python", "-m", "scripts.mutation", *session.posargs)


@nox.session(download_python="never")
def doctor(session: nox.Session) -> None:
    """Run the faults with clients of these requirements, in an environment of their own: ``nox -s doctor -- groq``.

    Without any it measures the table of docs/why.md again, with the newest anthropic and openai.
    """
    wanted = session.posargs or ["anthropic", "openai"]
    page = [] if session.posargs else ["--page", "docs/why.md"]
    session.install("--upgrade", "-e", ".[cli,httpx2]", *wanted)
    session.run("unbroken", "doctor", *(re.split(r"[^\w-]", client)[0] for client in wanted), *page)


@nox.session(download_python="never")
@nox.parametrize("peer", ["stamina", "retryhop", "damper"])
def peers(session: nox.Session, peer: str) -> None:
    """Measure a library that retries around an SDK; the last of them writes the table of docs/why.md."""
    session.install("--upgrade", "-e", ".[httpx2]", "anthropic", peer)
    session.run("python", "scripts/peers.py", peer, "build/peers")
    if peer == "damper":
        session.run("python", "scripts/peers.py", "--page", "docs/why.md", "build/peers")


@nox.session(download_python="never")
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install(*nox.project.dependency_groups({"dependency-groups": GROUPS}, "docs"))
    session.install("-e", ".[cli,gateway,httpx2,metrics,otel]")  # the reference is made of the docstrings
    session.run("sphinx-build", "-W", "-E", "-q", "docs", "docs/_build")


@nox.session(download_python="never")
def pictures(session: nox.Session) -> None:
    """Draw the pictures of the documentation; ``-- --record`` also runs `demo` and `doctor` for theirs."""
    session.install("-e", ".[cli,httpx2]", *(["anthropic", "openai"] if "--record" in session.posargs else []))
    session.run("python", "-m", "scripts.pictures", *session.posargs)


@nox.session(download_python="never")
def pages(session: nox.Session) -> None:
    """Look at each page of the documentation in Chromium, narrow and wide: nothing may be wider than the window."""
    session.install(*nox.project.dependency_groups({"dependency-groups": GROUPS}, "docs"))
    _install(session, "test")
    built = Path(session.create_tmp()).resolve() / "pages"
    session.run("sphinx-build", "-W", "-E", "-q", "docs", str(built))
    required = {"UNBROKEN_DOCS": str(built), "UNBROKEN_REQUIRE_SERVERS": "chromium"}
    session.run("pytest", "tests/e2e/test_documentation.py", *session.posargs, env=required)


@nox.session(download_python="never")
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it with a third party's plugin, and use it, away from the sources."""
    built = Path(session.create_tmp())
    session.run("uv", "build", "--wheel", "--out-dir", str(built), external=True)
    session.install(
        *(f"{path}[cli,gateway,httpx2,metrics,otel]" for path in built.glob("unbroken-*.whl")), "./tests/acme_unbroken"
    )
    with session.chdir(built):
        session.run("python", str(ROOT / "tests" / "smoke_wheel.py"))
        session.run("unbroken", "demo", "--json", silent=True)


@nox.session(download_python="never")
def dist(session: nox.Session) -> None:
    """Build what a release uploads, into `dist`, and check its metadata."""
    shutil.rmtree(ROOT / "dist", ignore_errors=True)
    session.run("uv", "build", "--out-dir", "dist", external=True)
    session.install(*nox.project.dependency_groups({"dependency-groups": GROUPS}, "release"))
    session.run("twine", "check", "--strict", *(str(path) for path in sorted((ROOT / "dist").glob("unbroken-*"))))


@nox.session(download_python="never")
def pyodide(session: nox.Session) -> None:
    """Import and use the wheel within the newest Pyodide, which is CPython 3.14 or newer. Needs npm and node.

    A warning is an error. What needs sockets, threads or processes is not covered: see tests/pyodide/smoke.py.
    """
    place = Path(session.create_tmp())
    session.run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(place), "pyodide", external=True)
    runtime = place / "node_modules" / "pyodide"
    about = json.loads((runtime / "pyodide-lock.json").read_text())["info"]
    shutil.rmtree(place / "wheels", ignore_errors=True)
    session.run("uv", "build", "--wheel", "--out-dir", str(place / "wheels"), external=True)
    [built] = (place / "wheels").glob("unbroken-*.whl")
    session.install("pip>=25.1")
    platform = (f"--platform=pyemscripten_{about['abi_version']}_wasm32", f"--python-version={about['python']}")
    wanted = (f"{built}[cli,otel]", "prometheus-client", "pytest", "hypothesis")
    session.run("pip", "download", "--quiet", "--only-binary=:all:", *platform, f"--dest={place / 'wheels'}", *wanted)
    what = session.posargs or [f"tests/core/test_{name}.py" for name in WITHOUT_MACHINE]
    run = (
        "node",
        str(ROOT / "tests" / "pyodide" / "run.mjs"),
        str(runtime),
        str(place / "wheels"),
        str(ROOT),
    )
    session.run(*run, *what, external=True)


@nox.session(download_python="never")
def thirdparty(session: nox.Session) -> None:
    """Install the wheel with a third party's distribution, away from the sources, and run the third party's tests.

    Then follow the start of docs/plugins.md word for word, with pip and the network.
    """
    place = Path(session.create_tmp())
    session.run("uv", "build", "--wheel", "--out-dir", str(place), external=True)
    [built] = place.glob("unbroken-*.whl")
    session.install(f"{built}[cli]", "./tests/acme_unbroken", "pip>=25.1", "pytest>=8.3", "trio>=0.32")
    away = place / "away"
    shutil.rmtree(away, ignore_errors=True)
    shutil.copytree(ROOT / "tests" / "acme_unbroken" / "tests", away / "tests")
    shutil.copy(ROOT / "tests" / "docs" / "tutorial.py", away)
    shutil.copy(ROOT / "docs" / "plugins.md", away)
    (away / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")  # and not those of Unbroken
    with session.chdir(away):
        session.run("python", "-I", "-m", "pytest", "-q", *(session.posargs or ["tests"]))
        session.run("python", "-I", "tutorial.py", "plugins.md", "from-here")
