"""The exception tree: built from a message, one family, and whole after pickling and copying."""

import builtins
import copy
import inspect
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

import unbroken
from unbroken import errors
from unbroken.errors import (
    Attempt,
    AuthenticationError,
    CircuitOpenError,
    ConfigurationError,
    ContentTypeError,
    Error,
    EventTooLargeError,
    NetworkError,
    OverloadedError,
    PluginError,
    Problem,
    QuotaExceededError,
    RateLimitError,
    ServerError,
    StreamError,
    TimeoutError,
    TruncatedStreamError,
    ValidationError,
)

CLASSES = [thing for thing in vars(errors).values() if isinstance(thing, type) and issubclass(thing, Error)]

# The tree as DESIGN.md §6 draws it: class, parent, retryable, origin.
TREE: list[tuple[type[Error], type[Exception], bool, bool]] = [
    (Error, Exception, False, False),
    (NetworkError, Error, True, False),
    (TruncatedStreamError, NetworkError, True, False),
    (TimeoutError, Error, True, False),
    (AuthenticationError, Error, False, False),
    (RateLimitError, Error, True, False),
    (QuotaExceededError, RateLimitError, False, False),
    (ValidationError, Error, False, False),
    (ServerError, Error, True, False),
    (OverloadedError, ServerError, True, False),
    (StreamError, Error, False, False),
    (ContentTypeError, StreamError, False, False),
    (EventTooLargeError, StreamError, False, False),
    (CircuitOpenError, Error, True, True),
    (PluginError, Error, False, True),
    (ConfigurationError, Error, False, True),
]

# What the classes have beyond the base.
EXTRA: dict[type[Error], dict[str, Any]] = {
    TimeoutError: {"timeout": "idle", "seconds": 2.5},
    ContentTypeError: {"content_type": "text/html", "body": "<html>"},
    EventTooLargeError: {"limit": 1024},
    CircuitOpenError: {"circuit": "a", "key": "k", "recovers_at": 12.0, "last_failure": "ServerError"},
    PluginError: {"plugin": "retry", "hook": "should_retry"},
    ConfigurationError: {"problems": (Problem("a.b", "is wrong"),)},
}

COPIES: list[Any] = [
    *(
        pytest.param(lambda error, p=protocol: pickle.loads(pickle.dumps(error, p)), id=f"pickle-{protocol}")
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
    pytest.param(copy.copy, id="copy"),
    pytest.param(copy.deepcopy, id="deepcopy"),
]

every_class = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


def full(cls: type[Error]) -> Error:
    """An error with every attribute set to something that is not its default."""
    return cls(
        "it broke",
        request_id="req_1",
        status_code=599,
        retryable=not cls.default_retryable,
        retry_after=1.5,
        should_retry=False,
        phase="streaming",
        attempts=3,
        history=(Attempt(number=1, error="ServerError", status_code=503, delay=0.5, decided_by="retry", reason="r"),),
        response_id="resp_1",
        is_local=not cls.default_is_local,
        delivered=True,
        kind="overloaded_error",
        **EXTRA.get(cls, {}),
    )


@pytest.mark.parametrize(("cls", "parent", "retryable", "is_local"), TREE, ids=[cls.__name__ for cls, *_ in TREE])
def test_the_tree_is_the_documented_one(
    cls: type[Error], parent: type[Exception], retryable: bool, is_local: bool
) -> None:
    """Parent, default verdict and side of each class; it is public and described."""
    error = cls("no")
    assert parent in cls.__bases__
    assert (error.retryable, error.is_local) == (retryable, is_local)
    assert cls.__name__ in unbroken.__all__
    assert inspect.getdoc(cls)


def test_the_table_of_the_tree_is_complete() -> None:
    """A class that is added must be entered above, and in the module's drawing."""
    assert {cls for cls, *_ in TREE} == set(CLASSES)
    assert all(cls.__name__ in (errors.__doc__ or "") for cls in CLASSES)


@every_class
def test_every_class_is_built_from_its_message_alone(cls: type[Error]) -> None:
    """Nothing else is known of such an error, and it reads as its message."""
    error = cls("no way")
    assert (str(error), error.message, error.args) == ("no way", "no way", ("no way",))
    assert repr(error) == f"{cls.__name__}('no way')"
    assert (error.request_id, error.status_code, error.retry_after, error.should_retry) == (None,) * 4
    assert (error.phase, error.response_id, error.kind, error.history) == (None, None, None, ())


@every_class
def test_every_class_can_do_without_a_message(cls: type[Error]) -> None:
    """As every exception can."""
    assert str(cls()) == ""


@every_class
@pytest.mark.parametrize("twin", COPIES)
def test_a_copy_is_whole(cls: type[Error], twin: Callable[[Error], Error]) -> None:
    """Pickled or copied, an error keeps its class, its message and every attribute."""
    error = full(cls)
    again = twin(error)
    assert type(again) is cls
    assert vars(again) == vars(error)
    assert (again.args, str(again), repr(again)) == (error.args, str(error), repr(error))


def test_a_copy_keeps_notes_and_a_message_that_was_changed() -> None:
    """`message` is what is shown, wherever it was set."""
    error = ServerError("first")
    error.message = "second"
    error.add_note("a note")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.__notes__) == ("second", ["a note"])


def test_the_text_names_the_request() -> None:
    """Somebody who sees only the last line of a traceback can look the call up."""
    error = ServerError("no", request_id="req_7", status_code=503, phase="headers")
    assert str(error) == "no [request req_7]"
    assert repr(error) == "ServerError('no', request_id='req_7', status_code=503, phase='headers')"


def test_timeouts_are_builtin_timeouts() -> None:
    """`except TimeoutError` and `except OSError` of code that knows nothing of unbroken catch them."""
    error = full(TimeoutError)
    assert isinstance(error, builtins.TimeoutError)
    assert isinstance(error, OSError)
    assert issubclass(TimeoutError, Error)
    assert error.errno is None


def test_configuration_errors_are_value_errors() -> None:
    """A bad argument is a ValueError to those who know nothing of unbroken."""
    assert issubclass(ConfigurationError, ValueError)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        pytest.param(Problem("retry.jitter", "must be 1"), "retry.jitter: must be 1 (from arguments)", id="place"),
        pytest.param(Problem("", "is no TOML", "a.toml"), "is no TOML (from a.toml)", id="no-place"),
    ],
)
def test_a_problem_says_where_what_and_who(problem: Problem, text: str) -> None:
    """Path, message and source on one line."""
    assert str(problem) == text


def test_one_error_lists_every_problem() -> None:
    """A configuration is mended in one go."""
    problems = Problem("a", "is wrong"), Problem("b", "is too")
    error = ConfigurationError.of(*problems)
    assert error.problems == problems
    assert str(error) == "a: is wrong (from arguments)\nb: is too (from arguments)"


def test_the_attempt_history_is_made_of_values() -> None:
    """Attempts compare by value, cannot be changed, and say what was decided."""
    attempt = Attempt(number=1, error="ServerError")
    assert attempt == evolve(attempt)
    assert hash(attempt) == hash(evolve(attempt))
    assert (attempt.delay, attempt.decided_by, attempt.reason) == (None, None, "")
    with pytest.raises(AttributeError):
        attempt.number = 2  # type: ignore[misc]


def test_no_attribute_is_of_an_http_library() -> None:
    """What an error carries can be unpickled without httpx."""
    for cls in CLASSES:
        kinds = {type(value).__module__.partition(".")[0] for value in vars(full(cls)).values()}
        assert kinds <= {"builtins", "unbroken"}


@pytest.mark.parametrize("name", ["retryable", "is_local"])
def test_what_is_said_explicitly_wins_over_the_class(name: str) -> None:
    """A server's own verdict can differ from the usual one."""
    given: dict[str, Any] = {"retryable": False, "is_local": True}
    assert getattr(ServerError("no", **{name: given[name]}), name) == given[name]
