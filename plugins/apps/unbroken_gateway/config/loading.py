"""From a TOML file, or from nothing, to the settings of a gateway, checked as a whole."""

from collections.abc import Collection, Mapping
from pathlib import Path
from secrets import token_urlsafe
from typing import Any, Final, cast

from attrs import evolve

from unbroken import ConfigurationError, Problem
from unbroken.config import named_file
from unbroken.validators import nearest, shown

from ..calls.rules import ANY
from ..state.opening import SQLITE
from ..values import DialectName
from .checks import check, checked
from .exposure import is_local
from .settings import AuditSettings, Model, Plan, Settings, Upstream
from .structuring import ROOT, Structuring

CONFIG_VARIABLE: Final = "UNBROKEN_GATEWAY_CONFIG"
PEPPER_VARIABLE: Final = "UNBROKEN_GATEWAY_PEPPER"
ADMIN_VARIABLE: Final = "UNBROKEN_GATEWAY_ADMIN"
TOKEN_VARIABLE: Final = "UNBROKEN_GATEWAY_TOKEN"  # noqa: S105  the name of a variable

_OF_VARIABLES: Final = ("pepper", "admin_credential")
_EXAMPLES: Final[Mapping[DialectName, str]] = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-5.4-mini"}
"""The model of a client of the zero configuration that names none."""


def load(path: Path | None, environ: Mapping[str, str], *, secrets: Collection[str] | None = None) -> Settings:
    """Return the settings of the TOML file at `path`; None takes the path from ``UNBROKEN_GATEWAY_CONFIG``.

    ``UNBROKEN_GATEWAY_PEPPER`` and ``UNBROKEN_GATEWAY_ADMIN`` give the pepper and the admin credential that the file
    leaves out. Without issuers and stored keys, on loopback, there is a development token: that of
    ``UNBROKEN_GATEWAY_TOKEN``, or a random one. Relative paths in the file begin at its directory.

    `secrets` names those that the caller needs, such as ``pepper``; None is all. The others may be missing in the
    environment, and keep their defaults. Raises ConfigurationError with all problems, each with its place.
    """
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE])
    if path is None:
        raise ConfigurationError.of(Problem("config", f"is required: the path of the file, or {CONFIG_VARIABLE}"))
    table, source = _table(path)
    structuring = Structuring(environ, source, None if secrets is None else {f"{ROOT}.{name}" for name in secrets})
    settings = _completed(structuring.settings(table), environ)
    problems, failed = structuring.problems, structuring.failed
    if secrets is not None:
        failed |= {f"{ROOT}.{name}" for name in _OF_VARIABLES if name not in secrets}
    told = {problem.path for problem in problems}
    problems += [problem for problem in check(settings, source, failed) if problem.path not in told]
    if problems:
        raise ConfigurationError.of(*problems)
    return _located(settings, path.absolute().parent)


def _located(settings: Settings, directory: Path) -> Settings:
    """Return `settings` with absolute paths; relative ones begin at `directory`."""
    keys, state, audit = settings.keys, settings.state, settings.audit
    if state.startswith(SQLITE):
        state = f"{SQLITE}{directory / state.removeprefix(SQLITE)}"
    if audit.path is not None:
        audit = evolve(audit, path=str(directory / audit.path))
    return evolve(settings, keys=None if keys is None else str(directory / keys), state=state, audit=audit)


def development(environ: Mapping[str, str], upstreams: Mapping[DialectName, str]) -> Settings:
    """Return the settings of a gateway on this machine, without a file, in front of a URL for each dialect.

    Any name of a model is passed on. The token is that of ``UNBROKEN_GATEWAY_TOKEN``, or random; no API key is read.
    Raises ConfigurationError for a URL that cannot be used.
    """
    known = {name: Model(name=name, upstream=dialect, model=ANY) for dialect, name in _EXAMPLES.items()}
    other = {f"any-{dialect}": Model(name=ANY, upstream=dialect, model=ANY) for dialect in _EXAMPLES}
    settings = Settings(
        upstreams={name: Upstream(name=name, dialect=name, url=url) for name, url in upstreams.items()},
        models={key: model for key, model in {**known, **other}.items() if model.upstream in upstreams},
        audit=AuditSettings(path=None),
    )
    return checked(_completed(settings, environ))


def _completed(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Return `settings` with what is not in the file."""
    settings = evolve(
        settings,
        pepper=settings.pepper or environ.get(PEPPER_VARIABLE) or None,
        admin_credential=settings.admin_credential or environ.get(ADMIN_VARIABLE) or None,
    )
    if settings.issuers or settings.keys is not None or not is_local(settings.listen):
        return settings
    plan = settings.development_plan
    return evolve(
        settings,
        development_token=environ.get(TOKEN_VARIABLE) or token_urlsafe(32),
        plans={plan: Plan(name=plan, models=(ANY,)), **settings.plans},
    )


def _table(path: Path) -> tuple[Mapping[str, Any], str]:
    document, source = named_file(path)
    table = document.get(ROOT)
    problems = [
        Problem(shown(name), f"is not the table [{ROOT}]{nearest(name, [ROOT])}", source)
        for name in document
        if name != ROOT
    ]
    if table is None and not problems:
        problems.append(Problem(ROOT, "is required", source))
    elif table is not None and not isinstance(table, dict):
        problems.append(Problem(ROOT, f"must be a table, not {shown(table)}", source))
    if problems:
        raise ConfigurationError.of(*problems)
    return cast("dict[str, Any]", table), source
