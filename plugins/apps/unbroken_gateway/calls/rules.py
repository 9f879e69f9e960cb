"""What a principal may ask for: from the body of a request to the body that is sent upstream.

The rules are pure functions of the configuration. The body of a request decides neither where it goes nor who asks:
no field of it is read but the model, the caps, ``stream`` and ``stream_options``.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import msgspec
from attrs import field, frozen

from unbroken import Usage

from ..config.settings import Model, Plan, Settings, Upstream
from ..edge.bodies import MAX_DECODED
from ..edge.routes import Route
from ..replies import errors
from ..replies.errors import Refused
from ..replies.frames import Form
from ..values import Cost, DialectName, Principal
from .prices import cost

ANY: Final = "*"
"""Every name, every model, or the name that the client gave."""

DROPPED: Final = frozenset(
    {
        # An upstream that is itself a proxy would take its URL, its key or its headers from them (CVE-2024-6587).
        *("api_base", "base_url", "api_key", "api_version", "api_type", "azure_endpoint", "custom_llm_provider"),
        *("extra_headers", "extra_query", "extra_body", "headers", "proxy", "user_config", "litellm_params"),
        # It would answer with a model that the plan does not have.
        *("models", "model_list", "fallbacks", "context_window_fallbacks", "route", "provider"),
        # The answer would go on without us, and nobody would pay for it.
        "background",
    }
)
"""Fields of a body that are never sent upstream. No API of a vendor needs them from a client of a gateway."""

_CAPS: Final[Mapping[Form, tuple[str, ...]]] = {
    "messages": ("max_tokens",),
    "chat": ("max_completion_tokens", "max_tokens"),
    "responses": ("max_output_tokens",),
}
"""The fields that bound the output, in each form."""
_LONGEST_NAME: Final = 256
_LONGEST_TOOLS: Final = 256 * 1024
"""Bytes of tools that are decoded, to find the models in them."""


@frozen(kw_only=True)
class Prepared:
    """A request that may be made."""

    model: Model
    upstream: Upstream
    body: dict[str, Any] = field(repr=False)
    """What is sent upstream."""
    asked_model: str
    """The model as the client named it; the name of the default if it named none."""
    streamed: bool
    wants_usage: bool
    """Whether the client asked for the usage chunk of a chat completion, which is asked for in any case."""
    estimated_input: int
    """Tokens of the input, estimated from its characters."""
    estimate: Cost
    """What is to be reserved: the estimated input, and the most output that the model may answer with."""


def prepare(
    body: Mapping[str, Any], *, route: Route, principal: Principal, settings: Settings, input_tokens: int
) -> Prepared:
    """Return what is sent upstream for `body`, which is not changed. `input_tokens` is an estimate of what it asks.

    Raises `Refused` with 404 for a model that is unknown or not in the plan of `principal`, and with 400 for a model, a
    cap or a switch of the wrong type.
    Lists and objects in it may be JSON as it was written (`bodies`); only those that matter are decoded.
    """
    models = list(_allowed(settings, principal.plan, route.dialect))
    model, asked = _chosen(body.get("model"), models)
    streamed = _streamed(body, route)
    sent = {key: value for key, value in body.items() if key not in DROPPED}
    if not streamed:
        sent.pop("stream", None)
    if "tools" in sent:
        sent["tools"] = _tools(sent["tools"], models)
    choices = _capped_choices(sent, model) if route.name == "chat" else 1
    output = 0 if route.form is None else _capped_tokens(sent, model, route.form) * choices
    wants_usage = _with_usage(sent) if streamed and route.form == "chat" else False
    if route.form is not None:
        sent.update(model.body)
    sent["model"] = _upstream_name(model, asked)
    tokens = 0 if route.form is None else input_tokens
    return Prepared(
        model=model,
        upstream=settings.upstreams[model.upstream],
        body=sent,
        asked_model=asked,
        streamed=streamed,
        wants_usage=wants_usage,
        estimated_input=tokens,
        estimate=Cost(
            tokens=tokens + output, micro_usd=cost(model.price, Usage(input_tokens=tokens, output_tokens=output))
        ),
    )


def models_answer(settings: Settings, principal: Principal, dialect: DialectName) -> dict[str, Any]:
    """Return the body of GET /v1/models: the models of `principal` that speak `dialect`, in its shape, each once.

    A model that matches every name has none of its own, so it is not listed.
    """
    models = {each.name: each for each in _allowed(settings, principal.plan, dialect) if each.name != ANY}
    if dialect == "openai":
        return {"object": "list", "data": [_openai(name) for name in models]}
    listed = [_anthropic(model) for model in models.values()]
    first, last = (listed[0]["id"], listed[-1]["id"]) if listed else (None, None)
    return {"data": listed, "has_more": False, "first_id": first, "last_id": last}


def models_of(settings: Settings, plan: Plan) -> tuple[Model, ...]:
    """Return the models of a plan, in its order."""
    keys = [key for each in plan.models for key in (settings.models if each == ANY else (each,))]
    return tuple(settings.models[key] for key in dict.fromkeys(keys))


def _allowed(settings: Settings, plan: str, dialect: DialectName | None) -> Iterator[Model]:
    # A token may name a plan that the configuration has no longer: its user has no models.
    if plan in settings.plans:
        for model in models_of(settings, settings.plans[plan]):
            if settings.upstreams[model.upstream].dialect == dialect:
                yield model


def _chosen(asked: Any, models: Sequence[Model]) -> tuple[Model, str]:
    """Return the model and the name that the client has for it."""
    if asked is None:
        model = next((model for model in models if model.name != ANY), None)
        asked = model and model.name
    elif not isinstance(asked, str) or not 0 < len(asked) <= _LONGEST_NAME:
        raise Refused(errors.invalid_request("model must be the name of a model"))
    else:
        model = _named(asked, models)
    if model is None:
        raise Refused(errors.unknown_model())
    return model, asked


def _named(name: str, models: Sequence[Model]) -> Model | None:
    """Return the model that clients call `name`, or the one that matches every name."""
    exact = (model for model in models if model.name == name != ANY)
    return next(exact, None) or next((model for model in models if model.name == ANY != name), None)


def _tools(tools: Any, models: Sequence[Model]) -> Any:
    """Return `tools` with the names of models in them, such as an adviser, checked and replaced as well."""
    if isinstance(tools, msgspec.Raw):
        text = bytes(tools)
        if b'"model"' not in text and b"\\u" not in text:
            return tools
        if len(text) > _LONGEST_TOOLS:
            raise Refused(errors.invalid_request("tools that name models are too long"))
        tools = _decoded(text)
    if not isinstance(tools, list):
        return tools
    listed: list[Any] = cast("Any", tools)
    return [_tool(tool, models) for tool in listed]


def _tool(tool: Any, models: Sequence[Model]) -> Any:
    table: dict[str, Any] = cast("Any", tool) if isinstance(tool, dict) else {}
    if table.get("model") is None:
        return cast("Any", tool)
    model, asked = _chosen(table["model"], models)
    return {**table, "model": _upstream_name(model, asked)}


def _upstream_name(model: Model, asked: str) -> str:
    return asked if model.model == ANY else model.model


def _streamed(body: Mapping[str, Any], route: Route) -> bool:
    streamed = body.get("stream")
    if streamed is not None and not isinstance(streamed, bool):
        raise Refused(errors.invalid_request("stream must be true or false"))
    return bool(streamed) and route.form is not None


def _capped_tokens(sent: dict[str, Any], model: Model, form: Form) -> int:
    """Bound the tokens of one choice and return them."""
    fields = _CAPS[form]
    given = {name: _number(sent, name, 0) for name in fields if sent.get(name) is not None}
    for name in fields:
        sent.pop(name, None)
    filled = model.cap_field if form == "chat" else fields[0]
    capped = {name: min(number, model.max_tokens) for name, number in given.items()} or {filled: model.max_tokens}
    sent.update(capped)
    return max(capped.values())


def _capped_choices(sent: dict[str, Any], model: Model) -> int:
    if sent.get("n") is None:
        return 1
    choices = sent["n"] = min(_number(sent, "n", 1), model.max_choices)
    return choices


def _number(sent: Mapping[str, Any], name: str, least: int) -> int:
    value = sent[name]
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise Refused(errors.invalid_request(f"{name} must be a whole number of at least {least}"))
    return value


def _with_usage(sent: dict[str, Any]) -> bool:
    """Ask for the usage of a chat completion, and return whether the client had."""
    options = sent.get("stream_options")
    if isinstance(options, msgspec.Raw):
        options = _decoded(options) if len(memoryview(options)) <= MAX_DECODED else ()
    if options is not None and not isinstance(options, dict):
        raise Refused(errors.invalid_request("stream_options must be an object"))
    given = cast("dict[str, Any]", options or {})
    sent["stream_options"] = {**given, "include_usage": True}
    return given.get("include_usage") is True


def _decoded(text: bytes | msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(text)
    except ValueError:  # a number out of range, which is valid JSON
        raise Refused(errors.invalid_request()) from None


def _openai(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "gateway"}


def _anthropic(model: Model) -> dict[str, Any]:
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": "1970-01-01T00:00:00Z",  # which means that the date is not known
        "lifecycle": "active",
        "max_tokens": model.max_tokens,
    }
