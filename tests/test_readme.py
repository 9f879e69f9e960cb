"""The README is code: what it shows runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def _blocks() -> list[object]:
    return [
        pytest.param(block, id=f"{path.relative_to(ROOT)}-{number}")
        for path in DOCUMENTS
        for number, block in enumerate(
            re.findall(r"^```python\n(.*?)^```$", path.read_text("utf-8"), re.MULTILINE | re.DOTALL), 1
        )
    ]


@pytest.mark.parametrize("block", _blocks())
def test_every_python_block_of_the_documents_runs(block: str, tmp_path, monkeypatch) -> None:
    """A reader who copies a block gets what the text says."""
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "block", "exec"), {"__name__": "block"})


def test_the_examples_survive_an_overload_and_a_cut(capsys) -> None:
    """The first two examples, under an SDK and alone, end well after the two faults that they provoke."""
    under, alone = re.findall(r"^```python\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)[:2]
    exec(compile(under, "README", "exec"), {})
    assert re.search(r"^\w.*\.\n3 attempts$", capsys.readouterr().out, re.MULTILINE)
    exec(compile(alone, "README", "exec"), {})
    assert re.search(r"^3 attempts, \d+ tokens, req_\w+$", capsys.readouterr().out, re.MULTILINE)


@pytest.mark.parametrize(
    "command", ["pip install uv && uv run unbroken demo", "pip install uv && uv run --group test pytest"]
)
def test_the_two_commands_stand_on_lines_of_their_own(command: str) -> None:
    """CI runs the README's own line, so it must be there to be found."""
    assert command in README.splitlines()


def test_every_link_within_the_repository_leads_somewhere() -> None:
    """A link in the documents points at a file that exists."""
    for path in DOCUMENTS:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text("utf-8")):
            assert (path.parent / target).exists(), f"{path.name} links to {target}, which is not there"
