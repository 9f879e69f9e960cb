"""What the gateway prints when it is ready: never a credential that the operator has set."""

import io
import json
from typing import Any

import pytest
from attrs import evolve
from tests.plugins.gateway.world import SETTINGS, TOKEN

from unbroken_gateway.config.settings import Settings
from unbroken_gateway.serve.words import announce

ADMIN = "admin-credential-of-the-operator-x7"
URL, PORT = "http://127.0.0.1:1", "http://127.0.0.1:2"


def said(settings: Settings, **options: Any) -> str:
    out = io.StringIO()
    given = {"trial": False, "made": False, "as_json": False, "environ": {}, **options}
    announce(out, evolve(settings, admin_credential=ADMIN), URL, PORT, **given)
    return out.getvalue()


@pytest.mark.parametrize("trial", [True, False])
@pytest.mark.parametrize("as_json", [True, False])
def test_a_credential_that_was_set_is_not_printed(trial: bool, as_json: bool) -> None:
    text = said(SETTINGS, trial=trial, as_json=as_json)
    assert ADMIN not in text
    assert TOKEN in text


@pytest.mark.parametrize("trial", [True, False])
def test_a_credential_that_was_made_is_printed(trial: bool) -> None:
    """Otherwise nobody would know it."""
    assert ADMIN in said(SETTINGS, trial=trial, made=True)
    facts = json.loads(said(SETTINGS, trial=trial, made=True, as_json=True))
    assert facts == {"url": URL, "admin": PORT, "token": TOKEN, "admin_credential": ADMIN}


@pytest.mark.parametrize("as_json", [True, False])
def test_a_credential_that_is_kept_in_a_file_is_not_printed(as_json: bool) -> None:
    text = said(evolve(SETTINGS, keys="keys.db"), made=True, as_json=as_json)
    assert ADMIN not in text
    assert as_json or "keys.db.secrets" in text


def test_keys_of_vendors_in_the_environment_are_named_as_not_used() -> None:
    text = said(SETTINGS, trial=True, made=True, environ={"ANTHROPIC_API_KEY": "sk-secret"})
    assert "ANTHROPIC_API_KEY is set but not used" in text
    assert "sk-secret" not in text


def test_a_gateway_without_a_token_says_where_it_is() -> None:
    assert said(evolve(SETTINGS, development_token=None)) == f"The gateway is ready on {URL}\nDashboard: {PORT}/admin\n"
