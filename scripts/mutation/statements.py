"""The text of a statement, for reports and for the names of mutants, and the lines that it has to itself."""

import ast
import copy

_LONG, _AROUND = 160, 40  # characters
_PARTS = ("body", "orelse", "handlers", "finalbody", "cases")  # of a statement, each with lines of its own


def text_of(unit: ast.AST) -> str:
    """Return the statement without the statements in it, on one line."""
    head = copy.copy(unit)
    for part in _PARTS:
        if hasattr(head, part):
            setattr(head, part, [])
    return " ".join(ast.unparse(ast.fix_missing_locations(copy.deepcopy(head))).split())


def shortened(before: str, after: str) -> tuple[str, str]:
    """Return of a long statement what changes, with a few words around it."""
    if len(before) <= _LONG:
        return before, after
    same, end = _common(before, after), _common(before[::-1], after[::-1])
    start = max(0, same - _AROUND)
    rest = max(0, min(end, len(before) - same, len(after) - same) - _AROUND)
    first, last = "… " if start else "", " …" if rest else ""
    return f"{first}{before[start : len(before) - rest]}{last}", f"{first}{after[start : len(after) - rest]}{last}"


def _common(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def lines_of(unit: ast.AST) -> range:
    """Return the lines of the statement without those of the statements in it."""
    below = [line for part in _PARTS for inner in getattr(unit, part, ()) for line in lines_of(inner)]
    inner = [node.lineno for node in ast.walk(unit) if isinstance(node, (ast.expr, ast.stmt, ast.pattern))]
    first, last = min(inner), max(inner)
    return range(first, max(first, min(last, min(below, default=last + 1) - 1)) + 1)
