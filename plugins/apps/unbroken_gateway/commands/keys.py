"""``unbroken keys``: make, list and revoke the stored keys of the gateway."""

import os
import sys
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from ._complaints import complain
from ._table import print_table

if TYPE_CHECKING:
    from ..auth.keys import KeyStore, StoredKey
    from ..config.settings import Settings

FAILED: Final = 1
"""Exit code: there is no such key."""
UNUSABLE: Final = 2
"""Exit code: bad usage or bad configuration."""
_DAY: Final = 86_400.0

app = typer.Typer(
    name="keys",
    help="Make, list and revoke the keys that clients of the gateway use.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="The TOML file of the gateway; [gateway] keys is read.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one line of JSON instead.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Whose key it is; keys of one name share its limits.")],
    plan: Annotated[str, typer.Option(metavar="PLAN", help="The plan, as [gateway.plans.PLAN] has it.")],
    scope: Annotated[
        list[str] | None, typer.Option("--scope", metavar="SCOPE", help="What the key may do; can be repeated.")
    ] = None,
    days: Annotated[float | None, typer.Option(min=0.0, help="Days until the key ends; without it, never.")] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a key and print it. It is not stored, so it cannot be shown again."""
    now = time.time()
    with _opened(config, plan) as store:
        expires = None if days is None else now + days * _DAY
        key, stored = store.create(name, plan, scopes=scope or (), expires=expires, now=now)
    if as_json:
        _print_json({"key": key, "id": stored.id, "name": stored.name, "plan": stored.plan})
        return
    sys.stderr.write(f"The key of {stored.name}, id {stored.id}, plan {stored.plan}. It is shown only this once.\n")
    sys.stdout.write(f"{key}\n")


@app.command("list")
def list_keys(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """List the keys: whose they are, and whether they are in force. The keys themselves are not known."""
    with _opened(config) as store:
        found = store.all()
    if as_json:
        _print_json({"keys": [_facts(each) for each in found]})
    else:
        now = time.time()
        rows = [(it.id, it.name, it.plan, " ".join(it.scopes), _day(it.created), _state(it, now)) for it in found]
        print_table(("id", "name", "plan", "scopes", "created", "state"), rows)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID|NAME", help="One key by its id, or all keys of a name.")],
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke a key, or all keys of a name. Running gateways refuse them within 5 seconds.

    Exits with 1 when no key in force has this id or name.
    """
    with _opened(config) as store:
        revoked = store.revoke(key, time.time())
    if as_json:
        _print_json({"revoked": [each.id for each in revoked]})
    else:
        for each in revoked:
            sys.stdout.write(f"revoked {each.id} of {each.name}\n")
    if not revoked:
        sys.stderr.write("no key in force has this id or name\n")
        raise typer.Exit(FAILED)


@contextmanager
def _opened(config: Path | None, plan: str | None = None) -> "Generator[KeyStore]":
    """Open the file of keys, with its pepper if a key of `plan` is to be made. Exits with 2 when that fails."""
    import sqlite3

    from unbroken import ConfigurationError

    from ..auth.keys import KeyStore
    from ..config.loading import load

    try:
        settings = load(config, os.environ, secrets=() if plan is None else ("pepper",))
        path = _path_of_keys(settings)
        pepper = None if plan is None else _pepper(settings, plan)
        with closing(KeyStore(path, pepper)) as store:
            yield store
    except ConfigurationError as error:
        complain(error)
        raise typer.Exit(UNUSABLE) from None
    except sqlite3.Error as error:
        sys.stderr.write(f"the file of keys cannot be used: {type(error).__name__}\n")
        raise typer.Exit(UNUSABLE) from None


def _path_of_keys(settings: "Settings") -> str:
    from unbroken.validators import refused

    if settings.keys is None:
        raise refused("gateway.keys", "no file of keys is configured; set it in the file that --config names")
    return settings.keys


def _pepper(settings: "Settings", plan: str) -> str | None:
    """Return the pepper for a key of `plan`, which is made if it is missing. Raises ConfigurationError."""
    from attrs import evolve

    from unbroken.validators import nearest, refused

    from ..auth.local_secrets import with_secrets

    if plan not in settings.plans:
        raise refused("plan", f"{plan!r} is not one of the plans of the gateway{nearest(plan, settings.plans)}")
    return with_secrets(evolve(settings, admin_listen=None)).pepper


def _facts(key: "StoredKey") -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "plan": key.plan,
        "scopes": key.scopes,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
    }


def _print_json(value: dict[str, object]) -> None:
    import json

    sys.stdout.write(f"{json.dumps(value)}\n")


def _state(key: "StoredKey", now: float) -> str:
    if key.revoked is not None:
        return f"revoked {_day(key.revoked)}"
    if key.expires is None:
        return "in force"
    return f"{'until' if now < key.expires else 'expired'} {_day(key.expires)}"


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
