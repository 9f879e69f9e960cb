"""For all tests: the fixtures of `unbroken.testing` (`backend`, `fake_clock`, `play`), and a third party's plugins.

No plugin of the house is imported here: the tests of core run where there is none.
"""

import gc
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from unbroken.registry import PLUGINS

# An example that is slow on a loaded machine is no failure.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

pytest_plugins = ["unbroken.testing.pytest_plugin"]

ACME = Path(__file__).parent / "acme_unbroken"


def pytest_collection_finish() -> None:
    """Leave the tests themselves, some hundred megabytes of them, out of every garbage collection."""
    gc.collect()
    gc.freeze()


def dist_info(directory: Path, name: str, version: str, entry_points: str, metadata: str | None = None) -> None:
    place = directory / f"{name.replace('-', '_')}-{version}.dist-info"
    place.mkdir(parents=True)
    text = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" if metadata is None else metadata
    (place / "METADATA").write_text(text)
    (place / "entry_points.txt").write_text(entry_points)


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The distribution of `tests/acme_unbroken`, as an installer would register it, twice on the path."""
    project = tomllib.loads((ACME / "pyproject.toml").read_text())["project"]
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in offered.items())
        for group, offered in project["entry-points"].items()
    )
    dist_info(tmp_path / "old", project["name"], "0.1", text)
    dist_info(tmp_path / "new", project["name"], project["version"], text)
    dist_info(tmp_path / "new", "broken-lines", "1", "[unbroken.plugins]\nno equals sign\n")
    dist_info(tmp_path / "new", "broken-metadata", "1", f"[{PLUGINS}]\nlost = nowhere:Lost\n", metadata="")
    for directory in (tmp_path / "old", tmp_path / "new", ACME):
        monkeypatch.syspath_prepend(directory)
    yield
    for module in [name for name in sys.modules if name.partition(".")[0] == "acme_unbroken"]:
        del sys.modules[module]
