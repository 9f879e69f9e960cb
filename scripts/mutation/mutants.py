"""The mutants of a source file: each is one small change that a test should notice.

Changed are comparisons, `and` and `or`, `not`, arithmetic, numbers, flags, single words, conditions, loops (which end
after the first round), results and statements (left out). Not changed are annotations, docstrings and prose.
"""

import ast
import copy
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from attrs import field, frozen
from scripts.mutation.statements import lines_of, shortened, text_of

Node = TypeVar("Node", bound=ast.AST)

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_CALLED = {"min": "max", "max": "min", "any": "all", "all": "any"}
_TYPING = {"cast", "TypeVar", "ParamSpec", "NewType"}
_WORD = re.compile(r"\S+")


@frozen
class Mutant:
    """A change: in `file`, within `function` (dotted, empty at the top), the text `before` becomes `after`."""

    file: str
    function: str
    before: str
    after: str
    number: int  # which one of its function, where a function has several whose texts are the same
    lines: range = field(eq=False)  # of the statement that changes
    _place: tuple[ast.AST, str, int | None] = field(eq=False, repr=False)
    _node: ast.AST = field(eq=False, repr=False)
    _tree: ast.Module = field(eq=False, repr=False)

    @property
    def key(self) -> str:
        """The change as one line, the same wherever the statement moves within its function."""
        which = f"  #{self.number}" if self.number > 1 else ""
        return f"{self.function}: {self.before}  =>  {self.after}{which}"

    def tree(self) -> ast.Module:
        """Return the changed module. The change is made in place: once in a process."""
        _put(*self._place, self._node)
        return ast.fix_missing_locations(self._tree)


def mutants(path: Path, file: str) -> list[Mutant]:
    """Return all mutants of the module at `path`, in the order of the source; `file` is its name in reports."""
    tree = ast.parse(path.read_text("utf-8"))
    return list(_Search(file, tree, Counter()).below(tree, tree, "", Counter(), frozenset()))


@frozen
class _Search:
    file: str
    tree: ast.Module
    texts: Counter[tuple[str, str, str]]

    def below(
        self, node: ast.AST, unit: ast.AST, function: str, stores: Counter[str], ends: frozenset[int]
    ) -> Iterator[Mutant]:
        """Yield the mutants below `node`, which belongs to the statement `unit`.

        Of the function around it, `stores` counts the assignments to each name and `ends` has the final returns.
        """
        for name, index, child in _children(node):
            inner = child if isinstance(child, (ast.stmt, ast.match_case, ast.ExceptHandler)) else unit
            for replacement in _replacements(child, stores):
                if not (isinstance(replacement, ast.Pass) and id(child) in ends):
                    yield self._mutant((node, name, index), replacement, inner, function)
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                inside = f"{function}.{child.name}".lstrip(".")
                yield from self.below(child, inner, inside, _stores(child), frozenset(_ends(child.body)))
            else:
                yield from self.below(child, inner, function, stores, ends)

    def _mutant(self, place: tuple[ast.AST, str, int | None], node: ast.AST, unit: ast.AST, function: str) -> Mutant:
        before, lines = text_of(unit), lines_of(unit)
        original = _get(*place)
        _put(*place, node)
        after = text_of(node if original is unit else unit)
        _put(*place, original)
        if before == after:
            after += "  # once"
        text = function, *shortened(before, after)
        self.texts[text] += 1
        return Mutant(self.file, *text, self.texts[text], lines, place, node, self.tree)


def _children(node: ast.AST) -> Iterator[tuple[str, int | None, ast.AST]]:
    """Yield the nodes that may change, with their places, and not types, docstrings, exports or overloads."""
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "type_params"} or (isinstance(node, ast.JoinedStr) and name == "values"):
            continue
        if isinstance(value, list):
            for index, child in enumerate(value):  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
                if isinstance(child, ast.AST) and not _is_still(child):
                    yield name, index, child
        elif isinstance(value, ast.AST) and not _is_still(value):
            yield name, None, value


def _is_still(node: ast.AST) -> bool:
    match node:
        case ast.Expr(value=ast.Constant()):
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _TYPING
        case ast.Assign(targets=[ast.Name(id=name)]):
            return name in {"__all__", "__slots__"}
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.FunctionDef(decorator_list=[ast.Name(id="overload")]):
            return True
        case ast.BinOp(op=ast.BitOr(), right=ast.Constant(value=None)):
            return True
        case ast.keyword(arg="init" | "kw_only"):  # of attrs: what callers may say, for a type checker to judge
            return True
        case _:
            return False


def _replacements(node: ast.AST, stores: Counter[str]) -> Iterator[ast.AST]:
    if isinstance(node, ast.stmt):
        yield from _statements(node, stores)
    elif isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _constants(node.value))
    elif isinstance(node, ast.expr):
        yield from _expressions(node)
    if isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(
        node.test, (ast.Compare, ast.BoolOp, ast.UnaryOp, ast.Constant)
    ):
        yield _with(node, test=ast.UnaryOp(ast.Not(), node.test))


def _expressions(node: ast.expr) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for index, op in enumerate(ops):
                for other in _COMPARED[type(op)]:
                    yield _with(node, ops=[*ops[:index], other(), *ops[index + 1 :]])
        case ast.BoolOp(op=op, values=values):
            yield _with(node, op=ast.And() if isinstance(op, ast.Or) else ast.Or())
            for index in range(len(values)):
                rest = [*values[:index], *values[index + 1 :]]
                yield _with(node, values=rest) if len(rest) > 1 else rest[0]
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.BinOp(op=op) if type(op) in _COMPUTED:
            yield _with(node, op=_COMPUTED[type(op)]())
        case ast.Call(func=ast.Name(id=name) as called) if name in _CALLED:
            yield _with(node, func=_with(called, id=_CALLED[name]))
        case _:
            pass


def _constants(value: object) -> Iterator[bool | float | str | bytes]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
    elif isinstance(value, str) and _WORD.fullmatch(value):
        yield f"X{value}"
    elif isinstance(value, bytes) and value:
        yield b"X" + value


def _statements(node: ast.stmt, stores: Counter[str]) -> Iterator[ast.AST]:
    match node:
        case ast.Return(value=ast.Constant(value=bool())):
            pass  # it is changed to the other one
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant) or value.value is not None:
            yield ast.Return(ast.Constant(None))
        case ast.AugAssign(op=op) if type(op) in _COMPUTED:
            yield _with(node, op=_COMPUTED[type(op)]())
            yield ast.Pass()
        case ast.Assign(targets=targets) if all(_is_again(target, stores) for target in targets):
            yield ast.Pass()
        case ast.Expr() | ast.Raise() | ast.Return() | ast.Continue() | ast.Break() | ast.Delete():
            yield ast.Pass()
        case ast.For() | ast.AsyncFor() | ast.While():
            yield _with(node, body=[*node.body, ast.Break()])
        case _:
            pass


def _is_again(target: ast.expr, stores: Counter[str]) -> bool:
    """Without the first assignment to a local name there is a NameError, which shows nothing."""
    return not isinstance(target, ast.Tuple) and (not isinstance(target, ast.Name) or stores[target.id] > 1)


def _stores(node: ast.AST) -> Counter[str]:
    names = [inner for inner in ast.walk(node) if isinstance(inner, ast.Name)]
    stored = Counter(name.id for name in names if isinstance(name.ctx, ast.Store))
    given = [inner.arg for inner in ast.walk(node) if isinstance(inner, ast.arg)]
    return stored + Counter(given)


def _ends(body: list[ast.stmt]) -> Iterator[int]:
    """Yield the identities of the statements ``return`` and ``return None`` after which the function ends anyway."""
    match body[-1:]:
        case [ast.Return(value=None | ast.Constant(value=None)) as end]:
            yield id(end)
        case [ast.If(body=one, orelse=other)]:
            yield from (*_ends(one), *_ends(other))
        case [ast.Match(cases=cases)]:
            yield from (end for case in cases for end in _ends(case.body))
        case [ast.With(body=inner) | ast.AsyncWith(body=inner)]:
            yield from _ends(inner)
        case [ast.Try(body=inner, handlers=handlers, orelse=[])]:
            yield from (*_ends(inner), *(end for handler in handlers for end in _ends(handler.body)))
        case _:
            pass


def _with(node: Node, **changed: object) -> Node:
    other = copy.copy(node)
    for name, value in changed.items():
        setattr(other, name, value)
    return other


def _get(parent: ast.AST, name: str, index: int | None) -> ast.AST:
    value = getattr(parent, name)
    return value if index is None else value[index]  # type: ignore[no-any-return]


def _put(parent: ast.AST, name: str, index: int | None, node: ast.AST) -> None:
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node
