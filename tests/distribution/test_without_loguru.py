"""What needs loguru: the default sink of the logging plugin, and nothing else."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
ROOTS = tomllib.loads((HOUSE / "pyproject.toml").read_text("utf-8"))["tool"]["hatch"]["build"]["dev-mode-dirs"]
PACKAGES = sorted(
    folder.name for root in ROOTS for folder in (HOUSE / root).glob("unbroken*") if (folder / "__init__.py").exists()
)
CALL = """
from unbroken.testing import Answer, play, sse
from unbroken_retry import Retry
played = play([Answer(status=503), Answer(body=sse("hello"))], [*plugins, Retry(jitter=0)])
assert played.data == ["hello"] and len(played.requests) == 2
"""


def without_loguru(code: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run `code` in a process in which loguru cannot be imported."""
    blocked = "import sys\nsys.modules['loguru'] = None\n" + code
    command = [sys.executable, "-c", blocked, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd, check=False)


def test_every_module_can_be_imported(tmp_path: Path) -> None:
    """But the one that is loguru's sink."""
    code = (
        "import importlib, pkgutil\n"
        "missing = []\n"
        "for package in sys.argv[1:]:\n"
        "    found = pkgutil.walk_packages(importlib.import_module(package).__path__, package + '.')\n"
        "    for name in [found.name for found in found if not found.name.endswith('__main__')]:\n"
        "        try:\n"
        "            importlib.import_module(name)\n"
        "        except ModuleNotFoundError as error:\n"
        "            missing += [(name, error.name)] if error.name == 'loguru' else []\n"
        "print(missing)\n"
    )
    done = without_loguru(code, *PACKAGES, cwd=tmp_path)
    assert done.stdout == "[('unbroken_logging._loguru', 'loguru')]\n", done.stderr


def test_a_call_needs_none(tmp_path: Path) -> None:
    """With policies and an observer; the log goes to a stream."""
    code = "from unbroken_logging import Logging\nplugins = [Logging(sink='stdout')]\n" + CALL
    done = without_loguru(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert ("retrying" in first, "call ended" in second) == (True, True)


@pytest.mark.parametrize("sink", ["stdlib", "stderr", "calls.log"])
def test_the_other_sinks_of_the_log_need_none(tmp_path: Path, sink: str) -> None:
    """Standard logging, the streams of the process, a file."""
    code = (
        "import logging\nlogging.basicConfig(level='INFO')\n"
        "from unbroken_logging import Logging\nplugins = [Logging(sink=sys.argv[1])]\n" + CALL
    )
    done = without_loguru(code, sink, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    log = tmp_path / sink
    assert (log.read_text() if log.exists() else done.stderr).count("call ended") == 1


def test_the_log_says_what_to_install_when_loguru_is_its_sink(tmp_path: Path) -> None:
    """When the plugin is made, by the name of the setting, with the other choices."""
    code = "import unbroken\ntry:\n    unbroken.Client(['logging'])\nexcept unbroken.ConfigurationError as error:\n"
    done = without_loguru(code + "    print(error)\n", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "logging.sink: " in done.stdout
    assert "`pip install loguru`, or choose stderr, stdout, stdlib or the path of a file" in done.stdout


def test_the_demo_needs_none(tmp_path: Path) -> None:
    """Every row of the command comes out as required, which its exit code says."""
    code = "sys.argv[:] = ['unbroken', 'demo', '--json', '--only', 'cut']\nfrom unbroken_cli import main\nmain()\n"
    done = without_loguru(code, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
