"""From what sources said to one typed configuration: strict, complete, discreet."""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import Enum, IntEnum, StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

import attrs
import pytest
from attrs import field, frozen
from hypothesis import given
from hypothesis import strategies as st

from unbroken.config import ARGUMENTS, Given, Settings, structure
from unbroken.errors import ConfigurationError
from unbroken.validators import number, optional_seconds, refused, seconds


class Mode(Enum):
    FAST = "fast"
    SLOW = "slow"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Shouting(StrEnum):
    LOUD = "LOUD"


class Clock(Protocol):
    def now(self) -> float: ...


class SystemClock:
    def now(self) -> float:
        return 0.0


@frozen(kw_only=True)
class Budget:
    ratio: float = field(default=0.2, validator=number(above=0, at_most=1))
    per_second: float = field(default=1.0, validator=seconds)


@frozen(kw_only=True)
class Other:
    size: int = 1


class Opaque:
    pass


@frozen(kw_only=True)
class Everything:
    whole: int = field(default=1, validator=number(at_least=0, whole=True))
    real: float = field(default=1.0, validator=seconds)
    flag: bool = False
    text: str = ""
    maybe: float | None = field(default=None, validator=optional_seconds)
    label: str | None = None
    statuses: frozenset[int] = field(default=frozenset(), converter=frozenset)
    unique: set[str] = field(factory=set)
    words: tuple[str, ...] = ()
    pair: tuple[int, str] = (0, "")
    numbers: list[float] = field(factory=list)
    sequence: Sequence[int] = ()
    collection: Collection[int] = ()
    anything: Any = None
    loose: list = field(factory=list)  # type: ignore[type-arg]
    labels: dict[str, int] = field(factory=dict)
    free: Mapping[Any, Any] = field(factory=dict)
    mode: Mode = Mode.FAST
    level: Level = Level.LOW
    shouting: Shouting = Shouting.LOUD
    kind: Literal["full", "equal", 1] = "full"
    either: int | Literal["auto"] = "auto"
    amount: float | int = 0
    path: Path | None = None
    nothing: None = None
    budget: Budget = Budget()
    maybe_budget: Budget | None = None
    ambiguous: Budget | Other | None = None
    budgets: list[Budget] = field(factory=list)
    make: Callable[[int], str] | None = None
    plain_callable: Callable = str  # type: ignore[type-arg]
    opaque: Opaque | None = None
    clock: Clock | None = None
    _private: int = 0
    api_key: str | None = field(default=None, validator=lambda _, __, value: _no_spaces(value))
    max_tokens: int = field(default=1, validator=number(above=0, whole=True))
    ready: bool = field(default=False, init=False)


def _no_spaces(value: str | None) -> None:
    if value and " " in value:
        raise ValueError(f"{value!r} has a space")


def values(table: Any, source: str = ARGUMENTS) -> Everything:
    return structure(Everything, [Given(table, source)], "some")


def problems_of(config_class: type, *layers: Given) -> list[tuple[str, str, str]]:
    with pytest.raises(ConfigurationError) as caught:
        structure(config_class, layers, "some")
    return [(problem.path, problem.message, problem.source) for problem in caught.value.problems]


def problem(name: str, value: Any) -> str:
    [(path, message, source)] = problems_of(Everything, Given({name: value}, "file.toml"))
    assert path.startswith(f"some.{name}")
    assert source == "file.toml"
    return message


# -- types -----------------------------------------------------------------------------------------


MAKE = str
CLOCK = SystemClock()
OPAQUE = Opaque()


@pytest.mark.parametrize(
    ("name", "value", "result"),
    [
        ("whole", 2, 2),
        ("real", 2, 2.0),
        ("real", 2.5, 2.5),
        ("flag", True, True),
        ("text", "x", "x"),
        ("maybe", None, None),
        ("maybe", "none", None),
        ("maybe", 1, 1.0),
        ("label", "none", "none"),
        ("statuses", [429, 500], frozenset({429, 500})),
        ("statuses", range(500, 502), frozenset({500, 501})),
        ("unique", {"a"}, {"a"}),
        ("words", ["a"], ("a",)),
        ("pair", [1, "a"], (1, "a")),
        ("numbers", (1, 2.5), [1.0, 2.5]),
        ("sequence", [1], (1,)),
        ("collection", [1], (1,)),
        ("anything", {"a": 1}, {"a": 1}),
        ("loose", [1, "a"], [1, "a"]),
        ("labels", {"a-b": 1}, {"a-b": 1}),
        ("free", {1: "a"}, {1: "a"}),
        ("mode", "slow", Mode.SLOW),
        ("mode", Mode.SLOW, Mode.SLOW),
        ("level", 2, Level.HIGH),
        ("shouting", "LOUD", Shouting.LOUD),
        ("kind", "equal", "equal"),
        ("kind", 1, 1),
        ("either", "auto", "auto"),
        ("either", 3, 3),
        ("amount", 2, 2),
        ("path", "a/b", Path("a/b")),
        ("path", Path("a/b"), Path("a/b")),
        ("nothing", None, None),
        ("budget", {"ratio": 0.5}, Budget(ratio=0.5)),
        ("budget", Budget(ratio=0.5), Budget(ratio=0.5)),
        ("maybe_budget", {"per-second": 2}, Budget(per_second=2.0)),
        ("maybe_budget", "none", None),
        ("ambiguous", {"size": 3}, Other(size=3)),
        ("budgets", [{"ratio": 0.5}], [Budget(ratio=0.5)]),
        ("make", MAKE, MAKE),
        ("plain_callable", MAKE, MAKE),
        ("opaque", OPAQUE, OPAQUE),
        ("clock", CLOCK, CLOCK),
        ("private", 4, 4),
        ("api-key", "k", "k"),
    ],
)
def test_a_value_of_the_right_type_is_taken(name: str, value: Any, result: Any) -> None:
    """What fits is taken, whatever its spelling with hyphens, and numbers keep their type."""
    config = values({name: value})
    attribute = name.replace("-", "_")
    taken = getattr(config, "_private" if attribute == "private" else attribute)
    assert taken == result
    assert type(taken) is type(result)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("whole", 2.7, "must be a whole number, not 2.7"),
        ("whole", True, "must be a whole number, not True"),
        ("whole", "5", "must be a whole number, not '5'"),
        ("whole", None, "must be a whole number, not None"),
        ("real", True, "must be a number, not True"),
        ("real", float("nan"), "must be a finite number of at least 0, not nan"),
        ("real", 10**400, "must be a number, not 1000000000"),
        pytest.param("whole", 10**5000, "must be a whole number of at least 0, not a very large number", id="huge"),
        ("whole", [10**5000], "must be a whole number, not a list"),
        pytest.param("text", 10**5000, "must be text, not a very large number", id="huge-text"),
        ("flag", "false", "must be true or false, not 'false'"),
        ("flag", 1, "must be true or false, not 1"),
        ("text", 5, "must be text, not 5"),
        ("text", b"x", "must be text, not an instance of bytes"),
        ("maybe", "x", "must be a number or none, not 'x'"),
        ("maybe", -1, "must be a finite number above 0, not -1.0"),
        ("statuses", "429", "must be a list, not '429'"),
        ("statuses", {"a": 1}, "must be a list, not a table"),
        ("statuses", 429, "must be a list, not 429"),
        ("statuses", [429, "500"], "must be a whole number, not '500'"),
        ("unique", "abc", "must be a list, not 'abc'"),
        ("pair", [1], "must be a list of 2, not of 1"),
        ("labels", [1], "must be a table, not a list"),
        ("labels", {"a": "b"}, "must be a whole number, not 'b'"),
        ("mode", "quick", "must be one of 'fast', 'slow', not 'quick'"),
        ("level", True, "must be one of 1, 2, not True"),
        ("kind", True, "must be one of 'full', 'equal', 1, not True"),
        ("either", "x", "must be a whole number or one of 'auto', not 'x'"),
        ("nothing", 1, "must be none, not 1"),
        ("budget", 5, "must be a table, not 5"),
        ("ambiguous", {"ratio": "x"}, "must be a number, not 'x'"),
        ("budgets", [{"ratio": 7}], "must be a finite number above 0 up to 1, not 7.0"),
        ("budgets", [3], "must be a table, not 3"),
        ("make", "str", "must be a callable (which only Python can give) or none, not 'str'"),
        ("plain_callable", 5, "must be a callable (which only Python can give), not 5"),
        ("opaque", "x", "must be an instance of Opaque (which only Python can give) or none, not 'x'"),
        ("clock", "x", "must be an instance of Clock (which only Python can give) or none, not 'x'"),
        ("text", ["x" * 100], "must be text, not a list"),
        ("whole", "x" * 100, f"must be a whole number, not '{'x' * 59}…"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused(name: str, value: Any, message: str) -> None:
    """Nothing is converted by guessing, and the message says what is wanted."""
    assert problem(name, value).startswith(message)


def test_a_field_without_a_type_takes_anything() -> None:
    """attrs allows it, so it is allowed."""

    @frozen
    class Untyped:
        field = attrs.field(default=None)

    assert structure(Untyped, [Given({"field": [1]})], "some").field == [1]


def test_a_set_of_tables_is_refused() -> None:
    """What cannot be in a set is refused, not a crash."""

    @frozen
    class Tables:
        each: set[Any] = field(factory=set)

    assert problems_of(Tables, Given({"each": [{}]})) == [
        ("some.each", "holds something that cannot be in a set", ARGUMENTS)
    ]


def test_a_type_that_only_cattrs_knows_is_refused_when_cattrs_refuses() -> None:
    """A failure within cattrs is a problem like others."""
    import dataclasses

    @dataclasses.dataclass
    class Foreign:
        number: int = 0

    @frozen
    class Holder:
        foreign: Foreign | None = None
        direct: Foreign = field(factory=Foreign)

    assert structure(Holder, [Given({"direct": {"number": 3}})], "some").direct == Foreign(3)
    [(path, message, _)] = problems_of(Holder, Given({"direct": {"number": "x", "other": 1}}))
    assert (path, message) == ("some.direct", "cannot be read (ClassValidationError)")


# -- all at once, with the source ------------------------------------------------------------------


def test_all_problems_are_reported_together_each_with_its_source() -> None:
    """One error names all: types, ranges, unknown and doubled keys, nested tables, from every source."""
    found = problems_of(
        Everything,
        Given(
            {"whole": -1, "budget": {"ratio": 2, "per_secnd": 1}, "txet": "x", 5: 1, "[\n": 1},
            "unbroken.toml",
        ),
        Given("soon", "UNBROKEN_SOME__REAL", "soon", ("real",)),
        Given({"flag": 1, "statuses": [1, "2"], "max-tokens": 1, "max_tokens": 2}),
    )
    assert sorted(found) == [
        ("some.'[\\n'", "is not one of its settings", "unbroken.toml"),
        ("some.5", "is not one of its settings", "unbroken.toml"),
        ("some.budget.per_secnd", "is not one of its settings (did you mean 'per_second'?)", "unbroken.toml"),
        ("some.budget.ratio", "must be a finite number above 0 up to 1, not 2.0", "unbroken.toml"),
        ("some.flag", "must be true or false, not 1", ARGUMENTS),
        ("some.max_tokens", "is given twice", ARGUMENTS),
        ("some.real", "must be a number, not 'soon'", "UNBROKEN_SOME__REAL"),
        ("some.statuses[1]", "must be a whole number, not '2'", ARGUMENTS),
        ("some.txet", "is not one of its settings (did you mean 'text'?)", "unbroken.toml"),
        ("some.whole", "must be a whole number of at least 0, not -1", "unbroken.toml"),
    ]


@frozen
class Checked:
    low: int = 0
    high: int = field(default=10)
    name: str = field(default="", converter=attrs.Converter(str.strip), validator=attrs.validators.max_len(3))
    required: int = field(default=1, validator=attrs.validators.gt(0))

    @high.validator
    def _above(self, attribute: Any, value: int) -> None:
        if value <= self.low:
            raise refused("high", f"must be above low, not {value}")

    def __attrs_post_init__(self) -> None:
        if self.low == 7:
            raise ArithmeticError


@pytest.mark.parametrize(
    ("table", "path", "message"),
    [
        ({"high": 5, "low": 6}, "some.high", "must be above low, not 5"),
        ({"name": " abcd "}, "some", "Length of 'name' must be <= 3: 4"),
        ({"required": 0}, "some.required", "'required' must be > 0: 0"),
        ({"low": 7}, "some", "ArithmeticError"),
    ],
)
def test_a_refusal_by_the_class_itself_has_the_whole_path(table: Any, path: str, message: str) -> None:
    """Validators that look at other fields, and those of attrs, are folded in."""
    assert problems_of(Checked, Given(table, "file")) == [(path, message, "file")]


def test_what_is_required_and_missing_is_a_problem() -> None:
    """A field without a default has to come from somewhere."""

    @frozen
    class Needy:
        name: str

    assert problems_of(Needy) == [("some.name", "is required", "defaults")]
    assert problems_of(Needy, Given({}, "file")) == [("some.name", "is required", "file")]


# -- secrets ---------------------------------------------------------------------------------------


@frozen
class Secretive:
    api_key: str = field(default="", validator=lambda _, __, value: _no_spaces(value))
    pin_secret: int = field(default=0, validator=number(at_most=5, whole=True))
    auth: Budget | None = None
    headers: dict[str, int] = field(factory=dict)
    limit_key: Callable[[], str] | None = None
    limit: int = 0

    def __attrs_post_init__(self) -> None:
        if self.limit == 1:
            raise ValueError(f"{self.api_key[:4]} is not allowed with {self.pin_secret}")
        if self.limit == 2:
            raise refused("api_key", f"not {self.api_key[:4]}")
        if self.limit == 3:
            raise refused("auth", f"not {self.auth}")
        if self.limit == 4:
            raise ValueError(f"{self.pin_secret} is too few, {self.limit_key}")


@pytest.mark.parametrize(
    ("table", "path", "message"),
    [
        ({"api_key": "canary here"}, "some.api_key", "is not acceptable (the value is not shown)"),
        ({"api_key": 776655}, "some.api_key", "must be text (the value is not shown)"),
        ({"api_key": ["canary"]}, "some.api_key", "must be text (the value is not shown)"),
        ({"auth": "canary"}, "some.auth", "must be a table or none (the value is not shown)"),
        ({"auth": {"ratio": "canary"}}, "some.auth.ratio", "must be a number (the value is not shown)"),
        (
            {"auth": {"ratio": 776655}},
            "some.auth.ratio",
            "must be a finite number above 0 up to 1, not what was given",
        ),
        (
            {"headers": {"authorization": "canary"}},
            "some.headers.authorization",
            "must be a whole number (the va",
        ),
        ({"headers": ["canary"]}, "some.headers", "must be a table, not a list"),
        ({"pin_secret": 776655}, "some.pin_secret", "must be a whole number up to 5, not what was given"),
        ({"api_key": "canary", "limit": 1}, "some", "is not acceptable (the value is not shown)"),
        ({"api_key": "canary", "limit": 2}, "some.api_key", "is not acceptable (the value is not shown)"),
        ({"auth": {"ratio": 0.5}, "limit": 3}, "some.auth", "not Budget("),
        ({"pin_secret": 4, "limit": 4, "limit_key": str}, "some", "… is too few, <class 'str'>"),
    ],
)
def test_the_value_of_a_secret_is_never_shown(table: Any, path: str, message: str) -> None:
    """A field with a telling name, everything below it, and messages of validators give no value away."""
    [(found, said, _)] = problems_of(Secretive, Given(table, "file"))
    assert found == path
    assert said.startswith(message)
    assert "cana" not in said
    assert "776655" not in said


def test_a_given_value_shows_none_in_its_repr() -> None:
    """Settings can be logged."""
    assert "canary" not in repr(Settings(tables={"some": (Given({"api_key": "canary"}, "f", "canary"),)}))


# -- precedence ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layers", "result"),
    [
        ([], Budget()),
        ([Given({"ratio": 0.5})], Budget(ratio=0.5)),
        ([Given({"ratio": 0.5}), Given({"ratio": 0.7})], Budget(ratio=0.7)),
        ([Given({"ratio": 0.5}), Given({"per_second": 2})], Budget(ratio=0.5, per_second=2)),
        ([Given({"ratio": 0.5}), Given(Budget(per_second=2))], Budget(per_second=2)),
        ([Given(Budget(per_second=2)), Given({"ratio": 0.5})], Budget(ratio=0.5)),
    ],
)
def test_later_layers_beat_earlier_ones(layers: list[Given], result: Budget) -> None:
    """Tables are merged key by key; anything else hides what is below."""
    assert structure(Budget, layers, "some") == result


def test_nested_tables_are_merged_too() -> None:
    """A table of settings, or of free keys, takes part of its keys from each source."""
    low = Given({"budget": {"ratio": 0.5, "per_second": 3}, "labels": {"a": 1}})
    config = structure(
        Everything,
        [
            low,
            Given(0.7, "UNBROKEN_SOME__BUDGET__RATIO", "0.7", ("budget", "ratio")),
            Given(2, "UNBROKEN_SOME__LABELS__B", "2", ("labels", "b")),
        ],
        "some",
    )
    assert config.budget == Budget(ratio=0.7, per_second=3)
    assert config.labels == {"a": 1, "b": 2}


# -- properties ------------------------------------------------------------------------------------

NAMES = st.sampled_from([a.alias for a in attrs.fields(Everything)]) | st.text(max_size=5)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["none", "fast", "full", "auto", "ratio", b"x", object(), str])
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | st.sampled_from(["ratio", "size"]) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)

EXACT: dict[str, type | tuple[type, ...]] = {
    "whole": int,
    "real": float,
    "flag": bool,
    "text": str,
    "maybe": (float, type(None)),
    "label": (str, type(None)),
    "mode": Mode,
    "level": Level,
    "shouting": Shouting,
    "kind": (str, int),
    "either": (int, str),
    "budget": Budget,
    "maybe_budget": (Budget, type(None)),
    "ambiguous": (Budget, Other, type(None)),
    "opaque": (Opaque, type(None)),
    "nothing": type(None),
}
ELEMENTS: dict[str, type] = {
    "statuses": int,
    "unique": str,
    "words": str,
    "numbers": float,
    "sequence": int,
    "collection": int,
    "budgets": Budget,
}


@given(st.dictionaries(NAMES, JUNK, max_size=4))
def test_junk_is_refused_and_never_taken_for_another_type(table: dict[str, Any]) -> None:
    """Whatever is given: a configuration with the declared types, or a ConfigurationError."""
    try:
        config = values(table)
    except ConfigurationError as error:
        paths = {found.path.partition(".")[0] for found in error.problems}
    else:
        paths = {"some"}
        check_types(config)
    assert paths == {"some"}


def check_types(config: Everything) -> None:
    for name, kinds in EXACT.items():
        assert type(getattr(config, name)) in (kinds if isinstance(kinds, tuple) else (kinds,))
    for name, kind in ELEMENTS.items():
        assert {type(element) for element in getattr(config, name)} <= {kind}
    assert all(type(key) is str and type(value) is int for key, value in config.labels.items())
    assert config.make is None or callable(config.make)


@frozen(kw_only=True)
class Locked:
    combination: tuple[Mapping[str, str], ...] = field(default=(), repr=False)


def test_a_field_that_is_in_no_repr_is_in_no_message() -> None:
    """Its value may be a secret, whatever its name is and however deep the fault is."""
    for value in ("12-34-56", ["12-34-56"], [{"left": ["12-34-56"]}]):
        with pytest.raises(ConfigurationError) as caught:
            structure(Locked, [Given({"combination": value})], "safe")
        assert "12-34-56" not in str(caught.value)
        assert "safe.combination" in str(caught.value)
