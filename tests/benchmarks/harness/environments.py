"""An environment for each peer, made with uv; how large it is, and how long its import takes."""

import functools
import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

HOUSE = Path(__file__).parents[3]


class Environments:
    """Makes each environment once, in a directory; they are there again at the next run."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @functools.cache  # noqa: B019 - one object, for the whole run
    def python(self, package: str) -> Path | None:
        """Return the interpreter of an environment with `package`, None when it cannot be installed."""
        if not package:
            return Path(sys.executable)
        place = self._directory / package
        python = place / "bin" / "python"
        if not (place / "complete").exists():
            source = str(HOUSE) if package == "unbroken" else package
            try:
                self._uv("venv", "--clear", "--python", sys.executable, str(place))
                self._uv("pip", "install", "--python", str(python), source)
            except (subprocess.CalledProcessError, FileNotFoundError) as error:
                print(f"left out: {package}: {getattr(error, 'stderr', '') or error}", file=sys.stderr)
                return None
            (place / "complete").touch()
        return python

    def _uv(self, *arguments: str) -> None:
        uv = os.environ.get("UV") or shutil.which("uv") or "uv"
        subprocess.run([uv, *arguments], check=True, capture_output=True, text=True)

    def size(self, package: str) -> int:
        """Return the bytes that were installed for `package`, its dependencies with it, without bytecode."""
        files = (self._directory / package / "lib").rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file() and file.suffix != ".pyc")

    def version(self, package: str) -> str:
        """Return the version of `package` in its environment."""
        code = f"from importlib.metadata import version; print(version({package!r}))"
        return _run(self.python(package), code)


def _run(python: Path | None, code: str) -> str:
    assert python is not None
    return subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


IMPORTS = {
    "httpx": "import httpx",
    "aiohttp": "import aiohttp",
    "unbroken": "import unbroken",
    "anthropic": "import anthropic",
    "openai": "import openai",
    "litellm": "import litellm",
}
_TIMED = "import resource as r; {}; u = r.getrusage(r.RUSAGE_SELF); print(u.ru_utime + u.ru_stime)"


def import_times(environments: Environments, packages: list[str], rounds: int) -> dict[str, float]:
    """Return the CPU seconds of each import, without those of an interpreter that imports nothing."""
    seen: dict[str, list[float]] = {}
    for _ in range(rounds + 1):
        for package in packages:
            python = environments.python(package)
            empty, full = (float(_run(python, _TIMED.format(each))) for each in ("pass", IMPORTS[package]))
            seen.setdefault(package, []).append(full - empty)
    return {package: statistics.median(times[1:]) for package, times in seen.items()}
