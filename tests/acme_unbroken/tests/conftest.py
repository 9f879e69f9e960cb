"""What the tests of Acme need: its own distribution, and others that are installed beside it for one test."""

import sys
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

Install = Callable[..., None]


@pytest.fixture(autouse=True)
def _installed(request: pytest.FixtureRequest) -> None:
    """Acme is installed by `nox -s thirdparty`; in the source tree of Unbroken, a fixture stands in for that."""
    try:
        distribution("acme-unbroken")
    except PackageNotFoundError:
        request.getfixturevalue("acme")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a distribution of one module of source code, with plugins that lead into it."""
    modules: list[str] = []

    def call(name: str, source: str, **plugins: str) -> None:
        site = tmp_path / name
        info = site / f"{name}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{plugin.replace('_', '-')} = {value}" for plugin, value in plugins.items()]
        (info / "entry_points.txt").write_text("\n".join(["[unbroken.plugins]", *lines]))
        (site / f"{name}.py").write_text(source)
        modules.append(name)
        monkeypatch.syspath_prepend(site)

    yield call
    for name in modules:
        sys.modules.pop(name, None)
