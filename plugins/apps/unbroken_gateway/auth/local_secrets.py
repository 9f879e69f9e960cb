"""The pepper and the admin credential: from the settings, or made on the first start on this machine."""

import json
import secrets
from pathlib import Path
from typing import Any, Final, cast

from attrs import evolve

from unbroken import ConfigurationError
from unbroken.errors import Problem

from ..config.settings import Settings
from ..files import write_once
from .checks import missing_secrets

SUFFIX: Final = ".secrets"
"""What is appended to the name of the file of keys."""
_RANDOM_BYTES: Final = 32


def with_secrets(settings: Settings) -> Settings:
    """Return `settings` with a pepper if they have a file of keys, and an admin credential if they have an admin port.

    What is missing is read from a file of mode 0600 beside the file of keys, which is made on the first start, but
    each of them on loopback only: for other machines both must be set. Without a file of keys the admin credential is
    new each time. Raises ConfigurationError.
    """
    no_pepper = settings.keys is not None and settings.pepper is None
    no_admin = settings.admin_listen is not None and settings.admin_credential is None
    if not no_pepper and not no_admin:
        return settings
    if missing := [*missing_secrets(settings)]:
        raise ConfigurationError.of(*(Problem(f"gateway.{place}", message) for place, message in missing))
    made = _made() if settings.keys is None else _kept(Path(settings.keys + SUFFIX))
    if no_pepper:
        settings = evolve(settings, pepper=made["pepper"])
    return evolve(settings, admin_credential=made["admin"]) if no_admin else settings


def _made() -> dict[str, str]:
    return {name: secrets.token_urlsafe(_RANDOM_BYTES) for name in ("pepper", "admin")}


def _kept(path: Path) -> dict[str, str]:
    try:
        text = path.read_text("utf-8") if path.exists() else write_once(path, json.dumps(_made()))
        kept: Any = json.loads(text)
    except OSError as error:
        raise _refused(path, f"cannot be used: {type(error).__name__}") from None
    except ValueError:
        kept = None
    values = cast("dict[str, object]", kept) if isinstance(kept, dict) else {}
    found = {name: value for name in ("pepper", "admin") if isinstance(value := values.get(name), str)}
    if len(found) != 2:
        raise _refused(path, "does not hold a pepper and an admin credential")
    return found


def _refused(path: Path, message: str) -> ConfigurationError:
    return ConfigurationError.of(Problem("gateway.keys", f"{path} {message}"))
