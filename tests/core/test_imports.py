"""Importing is light: what is not used is not loaded."""

import subprocess
import sys

import pytest

HEAVY = ("loguru", "cattrs", "typer", "rich", "httpx", "httpcore", "h11", "trio", "pytest", "hypothesis")


def loaded(code: str) -> set[str]:
    """The top-level packages that a fresh interpreter has after `code`."""
    script = f"import sys\n{code}\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import unbroken", id="unbroken"),
        pytest.param("import unbroken.testing", id="testing"),
        pytest.param(
            "import unbroken\n"
            "from unbroken.testing import play, Answer\n"
            "class Mine(unbroken.Plugin): pass\n"
            "play([Answer()], [Mine()])",
            id="a-call-with-objects",
        ),
    ],
)
def test_nothing_is_imported_that_is_not_used(code: str) -> None:
    """No plugin, no HTTP library, no command line, no logging."""
    found = loaded(code)
    assert "unbroken" in found
    assert not found & set(HEAVY)
    assert not {name for name in found if name.startswith("unbroken_")}


def test_no_event_loop_is_loaded_by_a_program_without_one() -> None:
    """It takes a tenth of the time of the whole import."""
    assert not loaded("import unbroken") & {"asyncio", "subprocess"}
