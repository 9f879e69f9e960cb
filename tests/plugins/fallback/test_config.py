"""Targets from Python, from files and from the environment, and what is refused."""

import copy
import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from unbroken import ConfigurationError
from unbroken.registry import resolve_plugins
from unbroken_fallback import Fallback, FallbackConfig, Target

from ...locals import local_variables

HERE = str(Path(__file__).parent)
CANARY = "CANARY7f3a9c"
FILE = """
plugins = ["fallback", "retry"]
[fallback]
cooldown = 30
[[fallback.targets]]
name = "eu"
url = "https://eu.example.net/llm{path}"
headers = { anthropic-version = "2" }
keys = [{ x-api-key = "one" }, { authorization = "Bearer two" }]
[[fallback.targets]]
body = { model = "small", metadata = { user_id = "x" } }
"""


def test_a_file_has_targets_as_tables(tmp_path: Path) -> None:
    """The same as from Python."""
    (tmp_path / "unbroken.toml").write_text(FILE)
    fallback, _ = resolve_plugins(config=tmp_path / "unbroken.toml")
    eu = Target(
        name="eu",
        url="https://eu.example.net/llm{path}",
        headers={"anthropic-version": "2"},
        keys=({"x-api-key": "one"}, {"authorization": "Bearer two"}),
    )
    small = Target(body={"model": "small", "metadata": {"user_id": "x"}})
    assert isinstance(fallback, Fallback)
    assert fallback.config == FallbackConfig(targets=(eu, small), cooldown=30)


def test_the_environment_has_them_as_one_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """As TOML."""
    monkeypatch.setenv("UNBROKEN_FALLBACK__TARGETS", '[{url = "https://eu.example.net", keys = [{x-api-key = "k"}]}]')
    (fallback,) = resolve_plugins(["fallback"])
    assert isinstance(fallback, Fallback)
    assert [dict(key) for key in fallback.config.targets[0].keys] == [{"x-api-key": "k"}]


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "none": (lambda: Fallback(), "fallback.targets: is required"),
    "empty": (lambda: Fallback(targets=[]), "targets: must have at least one target"),
    "one": (lambda: Fallback(targets=Target(url="https://a.example")), "targets: must be a list of targets"),  # type: ignore[arg-type]
    "table": (
        lambda: Fallback(targets=[{"keys": [{"x-api-key": CANARY}]}]),
        r"targets\[0\]: must be a Target, not dict",
    ),  # type: ignore[list-item]
    "same": (lambda: Target(), "a target needs a url, headers, a body or keys"),
    "twice": (
        lambda: Fallback(targets=[Target(name="a", body={"n": 1}), Target(name="a", body={"n": 2})]),
        r"targets\[0\]\.name: is the name of another target too",
    ),
    "url": (lambda: Target(url="eu.example.net"), "url: must start with https?://"),
    "user": (lambda: Target(url=f"https://me:{CANARY}@eu.example.net"), "url: carries credentials"),
    "path": (lambda: Target(url="https://a.example{path}/x"), "url: must have {path} at its end only"),
    "paths": (lambda: Target(url="https://a.example{path}{path}"), "url: must have {path} at its end only"),
    "no-url": (lambda: Target(url=5), "url: must be text, not int"),  # type: ignore[arg-type]
    "name": (lambda: Target(name=5, body={"n": 1}), "name: must be text, not int"),  # type: ignore[arg-type]
    "header": (lambda: Target(headers={"x-api-key": f"{CANARY}\n"}), r"headers\.x-api-key: has characters"),
    "body": (lambda: Target(body=[CANARY]), "body: must be a table, not list"),  # type: ignore[arg-type]
    "no-json": (lambda: Target(body={"x": {CANARY, object()}}), "body: cannot be written as a JSON object"),
    "key": (lambda: Target(keys=CANARY), "keys: must be a list of tables"),  # type: ignore[arg-type]
    "keys": (lambda: Target(keys=(CANARY,)), r"keys\[0\]: must be a table .* not str"),  # type: ignore[arg-type]
    "no-key": (lambda: Target(keys=({},)), r"keys\[0\]: has no header field"),
    "bad-key": (lambda: Target(keys=({"x-api-key": f" {CANARY}"},)), r"keys\[0\]\.x-api-key: has characters"),
    "prefix": (lambda: Fallback(targets=[Target(body={"n": 1})], prefix="v1/"), "prefix: must begin with a slash"),
    "no-prefix": (lambda: Fallback(targets=[Target(body={"n": 1})], prefix=1), "prefix: must be text"),  # type: ignore[arg-type]
    "cooldown": (lambda: Fallback(targets=[Target(body={"n": 1})], cooldown=-1), "cooldown: must be a finite number"),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused_is_named_and_not_shown(make: Callable[[], Any], message: str) -> None:
    """Not in the message, nor in any local variable of the traceback."""
    with pytest.raises(ConfigurationError, match=f"^{message}") as caught:
        make()
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    variables = local_variables(caught.value, without=HERE)
    assert [where for where, value in variables if CANARY in value] == []


@pytest.mark.parametrize(
    "targets",
    [
        f'[{{ keys = "{CANARY}" }}]',
        f'[{{ keys = ["{CANARY}"] }}]',
        f'[{{ keys = [{{ x-api-key = ["{CANARY}"] }}] }}]',
        f'[{{ keys = [{{ x-api-key = "{CANARY} " }}] }}]',
        f'[{{ headers = "{CANARY}" }}]',
        f'[{{ headers = {{ x-other = " {CANARY}" }} }}]',
        f'[{{ url = "https://a:{CANARY}@eu.example.net" }}]',
        f'[{{ kesy = ["{CANARY}"] }}]',
    ],
)
def test_no_problem_with_a_file_shows_a_key(tmp_path: Path, targets: str) -> None:
    """Whatever its form is: a value that is in no repr is in no message."""
    (tmp_path / "unbroken.toml").write_text(f'plugins = ["fallback"]\n[fallback]\ntargets = {targets}\n')
    with pytest.raises(ConfigurationError, match=r"fallback\.targets\[0\]") as caught:
        resolve_plugins(config=tmp_path / "unbroken.toml")
    assert CANARY not in "".join(traceback.format_exception(caught.value))


def test_a_target_shows_no_credential() -> None:
    """In no repr, no dictionary made of it, and not pickled at all."""
    target = Target(
        url=f"https://eu.example.net/v1?sig={CANARY}",
        headers={"x-any": CANARY},
        keys=({"x-api-key": CANARY},),
        body={"model": "small", "user": CANARY},
    )
    fallback = Fallback(targets=[target])
    shown = f"{target!r} {fallback!r} {fallback.config!r} {attrs.asdict(target)['keys']} {vars(fallback)!r}"
    assert CANARY not in shown
    assert "url='https://eu.example.net/v1', body={model = 'small', user}" in shown
    with pytest.raises(TypeError, match="holds credentials"):
        pickle.dumps(fallback.config)
    assert copy.deepcopy(target) is copy.copy(target) is target


def test_a_body_is_the_targets_own() -> None:
    """What the caller changes later is not sent."""
    body = {"metadata": {"n": 1}}
    target = Target(body=body)
    body["metadata"]["n"] = 2
    assert target.body == {"metadata": {"n": 1}}
