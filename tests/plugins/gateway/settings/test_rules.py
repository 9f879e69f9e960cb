"""What a principal may ask for, and what is sent upstream."""

import json
from contextlib import suppress
from typing import Any

import pytest
from anthropic.types import ModelInfo
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Model as OpenAIModel

from unbroken_gateway.calls.rules import DROPPED, Prepared, models_answer, prepare
from unbroken_gateway.config.loading import development
from unbroken_gateway.config.settings import Model, Settings
from unbroken_gateway.edge.bodies import encode_body, parse_body
from unbroken_gateway.edge.estimate import input_tokens
from unbroken_gateway.replies.errors import Refused
from unbroken_gateway.values import Cost

from .kit import GPT, OPUS, SETTINGS, SONNET, route, user

FORMS = ["messages", "chat", "responses"]
DEVELOPMENT = development({}, {"anthropic": "http://127.0.0.1:1", "openai": "http://127.0.0.1:1"})


def prepared(name: str, body: Any, *, plan: str = "free", settings: Settings = SETTINGS) -> Prepared:
    """Prepare a body as it arrives, in JSON."""
    raw = json.dumps(body).encode()
    tokens = input_tokens(raw, settings.characters_per_token)
    return prepare(parse_body(raw), route=route(name), principal=user(plan), settings=settings, input_tokens=tokens)


def sent(found: Prepared) -> dict[str, Any]:
    """Return the body as the upstream reads it."""
    return json.loads(encode_body(found.body))


def refused(name: str, body: dict, *, plan: str = "free") -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        prepared(name, body, plan=plan)
    return caught.value.problem.status, caught.value.problem.message


def with_model(key: str, model: Model) -> Settings:
    return evolve(SETTINGS, models={**SETTINGS.models, key: model})


@pytest.mark.parametrize(
    ("name", "body", "plan"),
    [
        pytest.param("messages", {"model": "none"}, "free", id="S24-unknown"),
        pytest.param("messages", {"model": "large"}, "free", id="S24-forbidden"),
        pytest.param("messages", {"model": "gpt"}, "free", id="S24-other-dialect"),
        pytest.param("messages", {"model": "*"}, "all", id="S24-star"),
        pytest.param("messages", {"model": "default"}, "gone", id="S24-no-plan"),
        pytest.param("messages", {}, "chat", id="S24-no-default"),
        pytest.param("messages", {"tools": [{"type": "advisor", "model": "large"}]}, "free", id="S24-in-a-tool"),
    ],
)
def test_s24_a_model_out_of_reach_is_not_there(name, body, plan) -> None:
    """Unknown and forbidden look the same, to the last character."""
    assert refused(name, body, plan=plan) == refused("chat", {"model": "unheard-of"})
    assert refused(name, body, plan=plan)[0] == 404


@pytest.mark.parametrize(
    "model", [5, "", [], {}, True, "x" * 257], ids=["int", "empty", "list", "dict", "bool", "long"]
)
def test_a_model_that_is_no_name_is_a_bad_request(model) -> None:
    """And says so."""
    assert refused("messages", {"model": model}) == (400, "model must be the name of a model")


def test_the_model_is_replaced_by_the_name_that_the_upstream_knows() -> None:
    """All else stays as it was."""
    body = {"model": "default", "max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}], "top_k": 3}
    found = prepared("messages", body)
    assert (found.model, found.upstream.name, found.asked_model) == (SONNET, "claude", "default")
    assert sent(found) == {**body, "model": "claude-x"}
    assert not found.streamed


@pytest.mark.parametrize(("name", "model"), [("messages", SONNET), ("chat", GPT), ("count_tokens", SONNET)])
@pytest.mark.parametrize("body", [{}, {"model": None}], ids=["missing", "null"])
def test_without_a_model_the_first_of_the_plan_answers(name, model, body) -> None:
    """The first that speaks the dialect of the route."""
    found = prepared(name, body)
    assert (found.model, sent(found)["model"], found.asked_model) == (model, model.model, model.name)


def test_a_model_in_a_tool_is_replaced_as_well() -> None:
    """Other tools, and what is no tool, go through."""
    tools = [{"type": "advisor", "model": "large", "x": 1}, {"name": "plain"}, 5]
    found = prepared("messages", {"tools": tools}, plan="all")
    assert sent(found)["tools"] == [{"type": "advisor", "model": OPUS.model, "x": 1}, {"name": "plain"}, 5]
    for plain in ("x", [{"name": "plain"}]):
        assert sent(prepared("messages", {"tools": plain}))["tools"] == plain
    assert sent(prepared("messages", {"tools": {"model": "large"}}))["tools"] == {"model": "large"}


def test_s24_a_model_in_a_tool_cannot_be_hidden() -> None:
    """An escape is read; what is too long to be read is refused."""
    escaped = b'{"tools": [{"m\\u006fdel": "large"}]}'
    with pytest.raises(Refused, match="unknown_model"):
        prepare(parse_body(escaped), route=route("messages"), principal=user(), settings=SETTINGS, input_tokens=0)
    long = {"tools": [{"model": "default", "x": "x" * 300_000}]}
    assert refused("messages", long) == (400, "tools that name models are too long")


@pytest.mark.parametrize(
    ("name", "given", "bounded"),
    [
        pytest.param("messages", {}, {"max_tokens": 4096}, id="S23-messages-filled"),
        pytest.param("messages", {"max_tokens": None}, {"max_tokens": 4096}, id="S23-messages-null"),
        pytest.param("messages", {"max_tokens": 10**30}, {"max_tokens": 4096}, id="S23-messages-capped"),
        pytest.param("messages", {"max_tokens": 0}, {"max_tokens": 0}, id="S23-messages-zero"),
        pytest.param("chat", {}, {"max_completion_tokens": 1000}, id="S23-chat-filled"),
        pytest.param("chat", {"max_tokens": 5}, {"max_tokens": 5}, id="S23-chat-old"),
        pytest.param(
            "chat",
            {"max_tokens": 9999, "max_completion_tokens": 5},
            {"max_tokens": 1000, "max_completion_tokens": 5},
            id="S23-chat-both",
        ),
        pytest.param("responses", {}, {"max_output_tokens": 1000}, id="S23-responses-filled"),
        pytest.param("responses", {"max_output_tokens": 5000}, {"max_output_tokens": 1000}, id="S23-responses-capped"),
        pytest.param("chat", {"n": 99, "max_tokens": 5}, {"n": 3, "max_tokens": 5}, id="S23-n-capped"),
        pytest.param("chat", {"n": None, "max_tokens": 5}, {"n": None, "max_tokens": 5}, id="S23-n-null"),
        pytest.param("count_tokens", {}, {}, id="S23-count-untouched"),
    ],
)
def test_s23_the_output_is_bounded(name, given, bounded) -> None:
    """By the model's cap, whatever the client asks for."""
    body = sent(prepared(name, given))
    assert {key: value for key, value in body.items() if key != "model"} == bounded


@pytest.mark.parametrize(
    ("name", "body", "words"),
    [
        ("messages", {"max_tokens": "9"}, "max_tokens must be a whole number of at least 0"),
        ("messages", {"max_tokens": True}, "max_tokens must be"),
        ("messages", {"max_tokens": -1}, "max_tokens must be"),
        ("messages", {"max_tokens": 1.0}, "max_tokens must be"),
        ("chat", {"n": 0}, "n must be a whole number of at least 1"),
        ("chat", {"n": []}, "n must be"),
        ("chat", {"stream": "yes"}, "stream must be true or false"),
        ("chat", {"stream": 1}, "stream must be"),
        ("chat", {"stream": True, "stream_options": 5}, "stream_options must be an object"),
    ],
    ids=str,
)
def test_s23_a_cap_or_switch_of_the_wrong_type_is_a_bad_request(name, body, words) -> None:
    """The message names it and quotes nothing."""
    status, message = refused(name, body)
    assert status == 400
    assert words in message


@pytest.mark.parametrize("field", ["tools", "stream_options"])
def test_r17_a_number_out_of_range_is_a_bad_request(field) -> None:
    """It is valid JSON, so the body as a whole is read."""
    raw = b'{"stream": true, "%s": [{"model": 1e999}]}' % field.encode()
    with pytest.raises(Refused, match="invalid_request"):
        prepare(parse_body(raw), route=route("chat"), principal=user(), settings=SETTINGS, input_tokens=0)


def test_an_older_server_gets_the_old_field() -> None:
    """Some refuse a field that they do not know."""
    settings = with_model("gpt", evolve(GPT, cap_field="max_tokens"))
    body = sent(prepared("chat", {}, settings=settings))
    assert (body.get("max_tokens"), "max_completion_tokens" in body) == (1000, False)


@pytest.mark.parametrize("name", [*FORMS, "count_tokens"])
@pytest.mark.parametrize("field", sorted(DROPPED))
def test_s19_no_field_names_another_server_model_or_key(name, field) -> None:
    """CVE-2024-6587: an upstream that is a proxy itself would follow it."""
    found = prepared(name, {field: "http://canary.example", "metadata": {field: "kept"}})
    assert field not in sent(found)
    assert sent(found)["metadata"] == {field: "kept"}
    assert "canary" not in found.upstream.url


def test_cve_2026_47101_no_field_of_a_body_becomes_a_right() -> None:
    """The plan, the user, the price and the upstream come from the configuration alone."""
    body = {"plan": "all", "user_id": "root", "scopes": ["admin"], "price": 0, "upstream": "gpt", "principal": {}}
    with pytest.raises(Refused):
        prepared("messages", {**body, "model": "large"})
    found = prepared("messages", body)
    assert (found.upstream, found.model) == (SETTINGS.upstreams["claude"], SONNET)


@pytest.mark.parametrize(
    ("options", "wants", "asked"),
    [
        (None, False, {"include_usage": True}),
        ({"include_usage": True}, True, {"include_usage": True}),
        ({"include_usage": False, "x": 1}, False, {"include_usage": True, "x": 1}),
    ],
    ids=["none", "wanted", "refused"],
)
def test_the_usage_of_a_streamed_completion_is_asked_for(options, wants, asked) -> None:
    """And whether the client wanted it is known."""
    found = prepared("chat", {"stream": True, "stream_options": options})
    assert (found.streamed, found.wants_usage, sent(found)["stream_options"]) == (True, wants, asked)


@pytest.mark.parametrize(("name", "streamed"), [("messages", True), ("responses", True), ("count_tokens", False)])
def test_other_routes_have_no_options_of_a_stream(name, streamed) -> None:
    """A count is never streamed."""
    found = prepared(name, {"stream": True})
    assert (found.streamed, found.wants_usage, "stream_options" in sent(found)) == (streamed, False, False)


def test_the_operators_fields_stand_over_those_of_the_client() -> None:
    """But not in a count of tokens, which does not know them."""
    settings = with_model("default", evolve(SONNET, body={"service_tier": "default"}))
    body = {"service_tier": "priority"}
    assert sent(prepared("messages", body, settings=settings))["service_tier"] == "default"
    assert sent(prepared("count_tokens", body, settings=settings))["service_tier"] == "priority"


def test_the_estimate_is_the_input_and_the_most_output() -> None:
    """4 characters are a token; the price is that of the model, rounded up."""
    body = {"model": "default", "max_tokens": 100, "messages": [{"role": "user", "content": "one word " * 444}]}
    found = prepared("messages", body)
    tokens = found.estimated_input
    assert 1000 < tokens < 1030  # with the other words
    assert found.estimate == Cost(requests=1, tokens=tokens + 100, micro_usd=tokens * 3 + 100 * 15)
    several = prepared("chat", {"n": 3, "max_tokens": 100})
    assert several.estimate.tokens == several.estimated_input + 300
    assert prepared("count_tokens", body).estimate == Cost()


def test_r18_base64_is_not_counted_as_text() -> None:
    """An image of a megabyte is no 350 000 tokens, and two are two."""
    picture = {"source": {"type": "base64", "media_type": "image/png", "data": "A" * 1_400_000}}
    assert 1600 < input_tokens(json.dumps(picture).encode(), 4.0) < 1640
    assert 3200 < input_tokens(json.dumps([picture, picture]).encode(), 4.0) < 3260
    assert input_tokens(b"word " * 100_000, 4.0) == 125_000


@pytest.mark.parametrize("name", FORMS)
def test_without_a_file_every_model_is_taken(name) -> None:
    """Under the name that the client gave; without one, a name of the vendor's examples."""
    found = prepared(name, {"model": "any-name-at-all"}, plan="development", settings=DEVELOPMENT)
    assert (found.asked_model, found.body["model"]) == ("any-name-at-all", "any-name-at-all")
    default = prepared(name, {}, plan="development", settings=DEVELOPMENT)
    names = {"anthropic": "claude-sonnet-5-5", "openai": "gpt-5.4-mini"}
    assert default.body["model"] == names[default.upstream.dialect]


def test_a_name_of_its_own_goes_before_any_name() -> None:
    """Wherever the model for all names stands."""
    settings = with_model("any", Model(name="*", upstream="claude", model="fallback"))
    assert prepared("messages", {"model": "large"}, plan="all", settings=settings).body["model"] == OPUS.model
    assert prepared("messages", {"model": "other"}, plan="all", settings=settings).body["model"] == "fallback"


def test_the_models_are_listed_in_the_shape_of_each_sdk() -> None:
    """Only those of the user and of the dialect, each name once."""
    settings = with_model("again", evolve(OPUS, model="claude-z"))
    listed = models_answer(settings, user("all"), "anthropic")
    assert [ModelInfo.model_validate(each).id for each in listed["data"]] == ["default", "large"]
    assert (listed["first_id"], listed["last_id"], listed["has_more"]) == ("default", "large", False)
    assert models_answer(SETTINGS, user("free"), "anthropic")["last_id"] == "default"
    listed = models_answer(SETTINGS, user("free"), "openai")
    assert [OpenAIModel.model_validate(each).id for each in listed["data"]] == ["gpt"]
    assert listed["object"] == "list"


def test_a_list_may_be_empty() -> None:
    """A plan without models of a dialect, no plan at all, and a model that has every name."""
    empty = {"data": [], "has_more": False, "first_id": None, "last_id": None}
    assert models_answer(SETTINGS, user("chat"), "anthropic") == empty
    assert models_answer(SETTINGS, user("gone"), "anthropic") == empty
    listed = models_answer(DEVELOPMENT, user("development"), "openai")
    assert [each["id"] for each in listed["data"]] == ["gpt-5.4-mini"]


def test_s32_a_prompt_is_not_in_the_repr() -> None:
    """Of what is prepared."""
    assert "canary" not in repr(prepared("messages", {"messages": [{"content": "canary"}]}))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.just("\ud800")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
KEYS = st.sampled_from(["model", "max_tokens", "max_completion_tokens", "max_output_tokens", "n", "stream", "tools"])
TOOLS = st.lists(st.dictionaries(st.just("model"), JSON, min_size=1), max_size=2)
OPTIONS = st.dictionaries(st.sampled_from(["include_usage", "x"]), JSON)
VALUES = st.one_of(JSON, TOOLS, OPTIONS, st.sampled_from(["default", "gpt", "*", True, 5]))


@given(
    st.dictionaries(st.one_of(KEYS, st.just("stream_options"), st.text(max_size=5)), VALUES),
    st.sampled_from([*FORMS, "count_tokens"]),
    st.sampled_from(["free", "all", "gone"]),
)
def test_any_body_is_prepared_or_refused(body, name, plan) -> None:
    """And what is prepared is within the caps and can be sent."""
    with suppress(Refused):
        found = prepared(name, body, plan=plan)
        body = sent(found)
        assert body["model"] in {"claude-x", "claude-y", "gpt-x"}
        bounds = [body[cap] for cap in CAPS[name] if cap in body]
        assert all(0 <= bound <= found.model.max_tokens for bound in bounds)
        assert bool(bounds) is (name in FORMS)


CAPS = {
    "messages": ["max_tokens"],
    "chat": ["max_tokens", "max_completion_tokens"],
    "responses": ["max_output_tokens"],
    "count_tokens": [],
}
