"""Checks a whole configuration: what its parts say of each other."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from unbroken import Problem
from unbroken.config import default_plugins
from unbroken.errors import ConfigurationError
from unbroken.headers import Headers
from unbroken.registry import resolve_plugins
from unbroken.validators import nearest, shown

from ..auth.checks import check_auth
from ..calls.rules import ANY, models_of
from ..edge.routes import ROUTES
from ..state.opening import REDIS
from ..streams.sealing import sealing_key
from .exposure import Finding, check_exposure, url_fault
from .settings import Plan, Settings, Upstream

_FIXED_FIELDS: Final = frozenset(
    {"model", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "max_output_tokens"}
)
"""What the rules decide, so that no setting may."""
_ALIAS: Final = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+")
_TARGETS: Final = tuple(route.path for route in ROUTES if route.takes_body)
"""The routes that an alias may name."""
_OURS: Final = ("/v1/streams/", "/health/")
_ONE_WORKER: Final = (
    'must be 1 with state = "memory", because each worker would count alone: '
    'set state to "sqlite:gateway.db" or to the URL of a Redis'
)


def check(settings: Settings, source: str = "configuration", failed: Collection[str] = ()) -> list[Problem]:
    """Return what is wrong with `settings` as a whole.

    `failed` are the places of parts that are not in `settings` because they could not be built, such as
    ``gateway.models.default``: they are told elsewhere, and no reference to them is called unknown.
    """
    missing = {each.removeprefix("gateway.") for each in failed}
    findings = [
        *check_exposure(settings),
        *check_auth(settings),
        *_sections(settings, missing),
        *_state(settings, missing),
        *_resume(settings),
        *_upstreams(settings, missing),
        *_models(settings, missing),
        *_plans(settings, missing),
        *_aliases(settings),
    ]
    return [Problem(f"gateway.{path}", message, source) for path, message in findings if not _in(path, missing)]


def _in(path: str, missing: Collection[str]) -> bool:
    """Return whether a place is missing. Of a list of which a part is missing, the other indices are not the file's."""
    return path in missing or path.partition("[")[0] in missing


def _sections(settings: Settings, missing: Collection[str]) -> Iterator[Finding]:
    for name, there in (("upstreams", settings.upstreams), ("models", settings.models), ("plans", settings.plans)):
        if not there and not any(each.startswith(f"{name}.") for each in missing):
            yield name, "is required: there must be at least one"


def _state(settings: Settings, missing: Collection[str]) -> Iterator[Finding]:
    kind, _, rest = settings.state.partition(":")
    if settings.state == "memory":
        if settings.workers > 1 and "state" not in missing:
            yield "workers", _ONE_WORKER
    elif not (kind == "sqlite" and rest not in ("", ":memory:")) and not settings.state.startswith(REDIS):
        yield "state", 'must be "memory", "sqlite:PATH" or the URL of a Redis (the value is not shown)'


def _resume(settings: Settings) -> Iterator[Finding]:
    if settings.resume.encryption_key is not None:
        try:
            sealing_key(settings.resume.encryption_key)
        except ValueError:
            yield "resume.encryption_key", "must be 32 bytes in base64"


def _upstreams(settings: Settings, missing: Collection[str]) -> Iterator[Finding]:
    for name, upstream in settings.upstreams.items():
        place = f"upstreams.{name}"
        for path, message in (*_of_upstream(upstream), *_policies(upstream), *_fallbacks(upstream, settings, missing)):
            yield f"{place}.{path}", message
    if circle := _circle({name: upstream.fallback for name, upstream in settings.upstreams.items()}):
        yield f"upstreams.{circle[0]}.fallback", f"leads back to itself: {' → '.join(circle)}"


def _of_upstream(upstream: Upstream) -> Iterator[Finding]:
    if fault := url_fault(upstream.url, insecure=upstream.insecure):
        yield "url", fault
    elif upstream.url.endswith("/v1") or upstream.url.endswith("/"):
        yield "url", f"must end before {'/v1' if upstream.url.endswith('/v1') else 'its last /'}, which the route adds"
    for name, fields in (("key", {"x-api-key": upstream.key}), ("headers", upstream.headers)):
        try:
            Headers.validated(fields, name)
        except ConfigurationError as error:
            yield from ((name, problem.message) for problem in error.problems)


def _policies(upstream: Upstream) -> Iterator[Finding]:
    names = default_plugins() if upstream.plugins is None else upstream.plugins
    try:
        resolve_plugins(names, upstream.policies, environ={}, cwd="/")
    except ConfigurationError as error:
        yield from ((f"policies.{problem.path}", problem.message) for problem in error.problems)


def _fallbacks(upstream: Upstream, settings: Settings, missing: Collection[str]) -> Iterator[Finding]:
    for name in upstream.fallback:
        if name in settings.upstreams:
            if settings.upstreams[name].dialect != upstream.dialect:
                yield "fallback", f"must speak {upstream.dialect}, which {shown(name)} does not"
        elif f"upstreams.{name}" not in missing:
            yield "fallback", _unknown("upstream", name, settings.upstreams)
    if len(set(upstream.fallback)) < len(upstream.fallback):
        yield "fallback", "names an upstream twice"


def _circle(graph: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names of a circle, the first of them again at its end; empty if there is none."""
    done: set[str] = set()
    for start in graph:
        path, branches = [start], [iter(graph[start])]
        while path:
            following = next(branches[-1], None)
            if following is None:
                done.add(path.pop())
                branches.pop()
            elif following in path:
                return [*path[path.index(following) :], following]
            elif following in graph and following not in done:
                path.append(following)
                branches.append(iter(graph[following]))
    return []


def _models(settings: Settings, missing: Collection[str]) -> Iterator[Finding]:
    for key, model in settings.models.items():
        if model.upstream not in settings.upstreams and f"upstreams.{model.upstream}" not in missing:
            yield f"models.{key}.upstream", _unknown("upstream", model.upstream, settings.upstreams)
        for name in sorted(_FIXED_FIELDS & model.body.keys()):
            yield f"models.{key}.body", f"must not set {name}, which the gateway decides"


def _plans(settings: Settings, missing: Collection[str]) -> Iterator[Finding]:
    for name, plan in settings.plans.items():
        unknown = [key for key in plan.models if key != ANY and key not in settings.models]
        for key in unknown:
            if f"models.{key}" not in missing:
                yield f"plans.{name}.models", _unknown("model", key, settings.models)
        if not plan.models:
            yield f"plans.{name}.models", "must not be empty"
        if not unknown:
            yield from ((f"plans.{name}.models", message) for message in _ambiguous(settings, plan))
        streams = plan.allowance.streams
        if streams is not None and streams < 1:
            yield f"plans.{name}.streams", f"must be at least 1, not {shown(streams)}"


def _ambiguous(settings: Settings, plan: Plan) -> Iterator[str]:
    seen: dict[tuple[str, Any], Any] = {}
    for model in models_of(settings, plan):
        upstream = settings.upstreams.get(model.upstream)
        if upstream is not None and seen.setdefault((model.name, upstream.dialect), model) is not model:
            yield f"has two models of the name {shown(model.name)} for {upstream.dialect}"


def _aliases(settings: Settings) -> Iterator[Finding]:
    ours = {route.path for route in ROUTES}
    for alias in settings.aliases:
        place = f"aliases.{shown(alias.path)}"
        if not _ALIAS.fullmatch(alias.path):
            yield place, "must be a plain path such as /api/claude"
        elif alias.path in ours or alias.path.startswith(_OURS):
            yield place, "is a path of the gateway itself"
        if alias.route not in _TARGETS:
            yield (
                place,
                f"must be one of {', '.join(_TARGETS)}, not {shown(alias.route)}{nearest(alias.route, _TARGETS)}",
            )


def _unknown(kind: str, name: str, names: Collection[str]) -> str:
    return f"names no {kind}: {shown(name)}{nearest(name, names)}"


def checked(settings: Settings, source: str = "configuration") -> Settings:
    """Return `settings`. Raises ConfigurationError with everything that is wrong with them."""
    if problems := check(settings, source):
        raise ConfigurationError.of(*problems)
    return settings
