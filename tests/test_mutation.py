"""Mutation testing (`nox -s mutation`) changes what it says it changes, and its list of equivalents is up to date."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # for `scripts`, which is not installed

from scripts.mutation.equivalents import reasons  # noqa: E402
from scripts.mutation.mutants import Mutant, mutants  # noqa: E402
from scripts.mutation.rooms import ROOMS  # noqa: E402
from scripts.mutation.trial import HUNG, KILLED, SURVIVED, verdict  # noqa: E402

Find = Callable[[str], list[Mutant]]

CHANGES = {
    "boundary": ("a < b", {"a <= b", "a >= b"}),
    "identity": ("a is None", {"a is not None"}),
    "membership": ("a not in b", {"a in b"}),
    "logic": ("a and b", {"a or b", "a", "b"}),
    "negation": ("not a", {"a"}),
    "arithmetic": ("a + 2", {"a - 2", "a + 3"}),
    "flag": ("f(on=True)", {"f(on=False)", "pass"}),
    "word": ("a['error']", {"a['Xerror']", "pass"}),
    "bytes": ("a == b'data'", {"a != b'data'", "a == b'Xdata'"}),
    "choice": ("b if a else c", {"b if not a else c"}),
    "extreme": ("min(a, b)", {"max(a, b)"}),
    "prose": ("f('no such thing')", {"pass"}),
    "text with values": ("f'is {a}'", set()),
    "type": ("int | None", set()),
    "cast": ("cast('int', a)", set()),
}


@pytest.fixture
def find(tmp_path: Path) -> Find:
    def find(source: str) -> list[Mutant]:
        (tmp_path / "module.py").write_text(source)
        return mutants(tmp_path / "module.py", "module.py")

    return find


@pytest.mark.parametrize(("source", "changed"), CHANGES.values(), ids=CHANGES)
def test_an_expression_is_changed(find: Find, source: str, changed: set[str]) -> None:
    """By one operator, operand, constant or name at a time."""
    assert {mutant.after for mutant in find(source)} - {"pass"} == changed - {"pass"}
    assert {mutant.before for mutant in find(source)} == {source}


FUNCTION = '''
def first(items: "list[int]", least=0):
    """Return the first item of 1 or more."""
    found = None
    for item in items:
        if item:
            found = item
            break
    else:
        return None
    self.found = found
    return found
'''


def test_the_statements_of_a_function_are_left_out(find: Find) -> None:
    """Not its first assignments, whose absence is a NameError, nor a result that it would have anyway."""
    assert [mutant.key for mutant in find(FUNCTION)] == [
        "first: def first(items: 'list[int]', least=0):  =>  def first(items: 'list[int]', least=1):",
        "first: found = None  =>  pass",
        "first: for item in items:  =>  for item in items:  # once",
        "first: if item:  =>  if not item:",
        "first: found = item  =>  pass",
        "first: break  =>  pass",
        "first: return None  =>  pass",
        "first: self.found = found  =>  pass",
        "first: return found  =>  return None",
    ]


def test_a_mutant_is_found_again_after_its_function_has_moved(find: Find) -> None:
    """Its key has no line number, and its lines are those of the statement only."""
    here, there = find(FUNCTION), find("import os\n\n\n" + FUNCTION)
    assert here == there
    assert [mutant.lines.start + 3 for mutant in here] == [mutant.lines.start for mutant in there]
    assert [mutant.lines for mutant in here[2:5]] == [range(5, 6), range(6, 7), range(7, 8)]


def test_a_mutant_is_imported_in_place_of_its_file() -> None:
    """Which stays as it is."""
    file = "core/unbroken/json_text.py"
    program = (
        "from scripts.mutation.mutants import mutants; from scripts.mutation.trial import install, ROOT;"
        f"mutant = mutants(ROOT / '{file}', '{file}')[-1]; install('{file}', mutant.tree());"
        "import ast, unbroken.json_text as module; spec = module.__spec__;"
        "print(mutant.after in ast.unparse(spec.loader.tree), module.__file__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", str(ROOT / file)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [(0, SURVIVED), (5 << 8, SURVIVED), (1 << 8, KILLED), (3 << 8, KILLED), (9, KILLED), (14, HUNG)],
    ids=["all pass", "no test", "one fails", "pytest breaks", "out of memory", "out of time"],
)
def test_the_end_of_a_trial_tells_what_became_of_the_mutant(status: int, expected: str) -> None:
    """A mutant that hangs is noticed like one that fails a test."""
    assert verdict(status) == expected


def test_every_equivalent_exists() -> None:
    """One that no longer does was killed with its source, so its entry goes too."""
    files = {file for room in ROOMS for file in room.files()}
    known = {(mutant.file, mutant.key) for file in files for mutant in mutants(ROOT / file, file)}
    assert set(reasons()) <= known
    assert all(reasons().values())
