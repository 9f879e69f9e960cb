"""The settings that the commands need. To be replaced by `loading.load(path, os.environ)`, which reads all of them."""

import os
import tomllib
from pathlib import Path
from typing import Any

from unbroken import ConfigurationError
from unbroken.errors import Problem

from ..settings import Plan, Settings


def load_settings(path: Path | None) -> Settings:
    """Return the settings of a file, or of the environment alone. Raises ConfigurationError."""
    try:
        document: dict[str, Any] = {} if path is None else tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError.of(Problem("", f"cannot be read: {type(error).__name__}", str(path))) from None
    except ValueError:
        raise ConfigurationError.of(Problem("", "is not TOML", str(path))) from None
    gateway: dict[str, Any] = document.get("gateway", {})
    return Settings(
        listen=gateway.get("listen", "127.0.0.1:8080"),
        keys=gateway.get("keys"),
        pepper=os.environ.get("UNBROKEN_GATEWAY_PEPPER"),
        admin_credential=os.environ.get("UNBROKEN_GATEWAY_ADMIN"),
        plans={name: Plan(name=name, models=()) for name in gateway.get("plans", {})},
    )
