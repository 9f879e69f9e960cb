"""The application: its routes, who may use them, and what is told in whose words."""

import asyncio
import json
from typing import Any

import pytest
from attrs import evolve
from tests.plugins.gateway.world import BODIES, ROUTES, SETTINGS, TOKEN, World, play, streamed

from unbroken.testing import STALL, Answer
from unbroken_gateway.config.settings import CORS, Model, Plan
from unbroken_gateway.values import Allowance, Price

JSON = {"content-type": "application/json"}
PAGE = "https://app.example"
UNKNOWN = "x" * 24
OPENAI_KEYS = {"message", "type", "param", "code"}


def is_anthropic(got: Any) -> bool:
    return (
        got.json().keys() == {"type", "error", "request_id"} and got.headers["request-id"] == got.json()["request_id"]
    )


def is_openai(got: Any) -> bool:
    return got.json().keys() == {"error"} and got.json()["error"].keys() == OPENAI_KEYS


# Dialects


@pytest.mark.parametrize(
    ("path", "anthropic"),
    [
        ("/v1/messages", True),
        ("/v1/messages/count_tokens", True),
        ("/api/claude", True),
        ("/v1/chat/completions", False),
        ("/v1/responses", False),
    ],
)
def test_an_error_has_the_shape_of_its_route(path: str, anthropic: bool) -> None:
    async def story(world: World) -> None:
        for token, body in ((None, {}), (TOKEN, {"model": "no-such-model"}), (TOKEN, b"{"), (TOKEN, [])):
            got = await world.ask("POST", path, body, token=token).whole()
            assert got.status in (400, 401, 404)
            assert is_anthropic(got) if anthropic else is_openai(got)
            assert got.headers["x-request-id"]
            assert got.headers["cache-control"] == "no-store"
        await world.nothing_is_left()

    play(story)


@pytest.mark.parametrize("path", ["/v1/models", f"/v1/streams/{UNKNOWN}", "/nowhere"])
def test_on_shared_routes_a_header_decides_the_shape(path: str) -> None:
    async def story(world: World) -> None:
        plain = await world.ask("GET", path, token=None).whole()
        named = await world.ask("GET", path, token=None, headers=[("anthropic-version", "2023-06-01")]).whole()
        assert (is_openai(plain), is_anthropic(named)) == (True, True)
        assert plain.status == named.status == (404 if path == "/nowhere" else 401)

    play(story)


def test_models_in_the_shape_of_the_caller() -> None:
    async def story(world: World) -> None:
        openai = await world.ask("GET", "/v1/models").whole()
        assert [each["id"] for each in openai.json()["data"]] == ["gpt"]
        anthropic = await world.ask("GET", "/v1/models", headers=[("anthropic-version", "2023-06-01")]).whole()
        assert [each["id"] for each in anthropic.json()["data"]] == ["claude"]
        assert openai.headers["vary"] == anthropic.headers["vary"] == "anthropic-version"
        assert not world.ledger.starts

    play(story)


def test_an_alias_fills_in_what_a_page_leaves_out() -> None:
    async def story(world: World) -> None:
        got = await world.ask("POST", "/api/claude", {"messages": [], "stream": True}).whole()
        assert got.status == 200
        (request,) = world.upstream.requests
        assert request.url == "https://up.example/v1/messages"
        sent = json.loads(request.content)
        assert (sent["model"], sent["max_tokens"]) == ("claude-up", 4096)
        assert world.ledger.starts[0].route == "/api/claude"

    play(story, [streamed()])


# The edge


def test_s10_exactly_one_credential() -> None:
    async def story(world: World) -> None:
        both = [("authorization", f"Bearer {TOKEN}"), ("x-api-key", TOKEN)]
        twice = [("authorization", f"Bearer {TOKEN}"), ("authorization", f"Bearer {TOKEN}")]
        for headers in (both, twice, [("x-api-key", TOKEN)] * 2, [("authorization", f"Basic {TOKEN}")], []):
            got = await world.ask("GET", "/v1/models", token=None, headers=headers).whole()
            assert (got.status, got.headers["www-authenticate"]) == (401, "Bearer")
        for headers in ([("x-api-key", TOKEN)], [("authorization", f"Bearer {TOKEN}")]):
            assert (await world.ask("GET", "/v1/models", token=None, headers=headers).whole()).status == 200
        query = await world.ask("GET", "/v1/models", token=None, query=f"key={TOKEN}&api_key={TOKEN}").whole()
        assert query.status == 401

    play(story)


def test_s11_cve_2026_59822_an_authenticator_that_fails_lets_nobody_in(caplog: Any) -> None:
    """CVE-2026-59822: an empty principal after a failed authentication."""

    async def story(world: World) -> None:
        snapshot = world.services.live._version.snapshot

        class Broken:
            async def authenticate(self, *_: Any) -> Any:
                raise RuntimeError("secret words")

            async def aclose(self) -> None:
                pass

        snapshot.authenticator = Broken()  # type: ignore[assignment]
        for form in ROUTES:
            got = await world.post(form).whole()
            assert (got.status, b"secret words" in got.body) == (500, False)
        assert (world.upstream.requests, world.ledger.starts) == ([], [])
        assert [alert.problem for alert in world.services.traffic.alerts] == ["internal"] * 3
        await world.nothing_is_left()

    play(story)
    assert "failed by a bug" in caplog.text


@pytest.mark.parametrize("host", [None, "evil.example", "localhost@evil.example", "localhost, localhost", ""])
def test_s13_another_host_is_refused_before_anything_is_done(host: str | None) -> None:
    async def story(world: World) -> None:
        got = await world.ask("POST", "/v1/messages", BODIES["messages"], host=host).whole()
        assert got.status == 400
        assert (world.upstream.requests, world.ledger.starts) == ([], [])
        for path in ("/health/live", "/health/ready"):
            assert (await world.ask("GET", path, host=host, token=None).whole()).status == 200

    play(story)


def test_s13_two_hosts_are_refused() -> None:
    async def story(world: World) -> None:
        hosts = [("host", "localhost"), ("host", "localhost")]
        assert (await world.ask("GET", "/v1/models", headers=hosts).whole()).status == 400

    play(story)


@pytest.mark.parametrize("host", ["evil.example/health/live", "localhost/health/live", "localhost?x=/health/live"])
def test_s13_cve_2026_48710_a_host_cannot_make_a_path_public(host: str) -> None:
    """Authorised by `scope["path"]`, not by a URL that is made of the Host."""

    async def story(world: World) -> None:
        got = await world.ask("GET", "/v1/models", host=host, token=None).whole()
        assert got.status in (400, 401)
        forwarded = [("x-forwarded-host", "localhost"), ("x-original-url", "/health/live")]
        assert (await world.ask("GET", "/v1/models", token=None, headers=forwarded).whole()).status == 401

    play(story)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("content-type", "text/plain")], 415),
        ([("content-type", "application/json"), ("content-encoding", "gzip")], 415),
        ([("content-type", "multipart/form-data")], 415),
        ([("transfer-encoding", "chunked"), ("content-length", "10")], 400),
        ([("content-length", "10"), ("content-length", "11")], 400),
        ([("content-length", "33554433")], 413),
        ([(f"x-{n}", "") for n in range(101)], 431),
        ([("x", "x" * 32768)], 431),
    ],
    ids=["S16-text", "S16-gzip", "S16-form", "S14-both", "S14-two", "S15-length", "S15-headers", "S15-head"],
)
def test_the_head_decides_before_the_body_is_read(headers: Any, status: int) -> None:
    async def story(world: World) -> None:
        got = await world.ask("POST", "/v1/messages", BODIES["messages"], headers=headers, token=None).whole()
        assert (got.status, is_anthropic(got)) == (status, True)
        assert got.headers["connection"] == "close"
        await world.nothing_is_left()

    play(story)


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/v1", "/v1/messages/", "//v1/messages", "/v1//messages", "/v1/./messages", "/v1/x/../messages"),
        *(
            "/V1/messages",
            "/v1/messages%2f",
            "/v1/%6dessages",
            "/v1/messages;x",
            "/v1/messages\x00",
            "/admin",
            "/metrics",
        ),
        *("/v1/streams/", "/v1/streams/x", "/v1/streams/{id}", f"/v1/streams/{UNKNOWN}/x"),
    ],
)
def test_s18_any_other_path_is_404(path: str) -> None:
    async def story(world: World) -> None:
        for method in ("POST", "GET"):
            got = await world.ask(method, path, b"{}").whole()
            assert got.status == 404
        assert world.upstream.requests == []

    play(story)


def test_s31_another_method_is_405() -> None:
    async def story(world: World) -> None:
        for path, method, allow in [
            ("/v1/messages", "GET", "POST"),
            ("/v1/models", "POST", "GET"),
            (f"/v1/streams/{UNKNOWN}", "PUT", "GET, DELETE"),
            (f"/v1/streams/{UNKNOWN}/ticket", "GET", "POST"),
            ("/health/live", "DELETE", "GET, HEAD"),
        ]:
            got = await world.ask(method, path).whole()
            assert (got.status, got.headers["allow"]) == (405, allow)

    play(story)


# What goes through


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("form", ROUTES)
def test_s20_only_the_lists_of_headers_go_through(form: str, stream: bool) -> None:
    sent = [
        *(("anthropic-beta", "beta-1"), ("openai-beta", "beta-2"), ("x-forwarded-for", "1.2.3.4"), ("cookie", "a=b")),
        *(("authorization_", "x"), ("anthropic_version", "x"), ("x_api_key", "x"), ("connection", "x-api-key")),
        *(("proxy-authorization", "x"), ("openai-organization", "org"), ("idempotency-key", "k"), ("te", "trailers")),
        *(
            ("x-stainless-lang", "js"),
            ("user-agent", "evil/1"),
            ("accept-encoding", "gzip"),
            ("expect", "100-continue"),
        ),
        *(("origin", PAGE), ("referer", PAGE), ("x-request-id", "mine")),
    ]
    answered = {"openai-version": "v", "set-cookie": "a=b", "x-secret": "s", "server": "s", "x-request-id": "theirs"}

    async def story(world: World) -> None:
        got = await world.post(form, stream=stream, headers=sent).whole()
        assert got.status == 200
        (request,) = world.upstream.requests
        names = {name.lower() for name, _ in request.headers.items_raw}
        allowed = {"accept", "accept-encoding", "cache-control", "content-type", "user-agent", "idempotency-key"}
        own = (
            {"anthropic-version", "anthropic-beta", "x-api-key"}
            if form == "messages"
            else {"authorization", "openai-beta"}
        )
        assert names <= allowed | own
        values = {value for _, value in request.headers.items_raw}
        assert not values & {"evil/1", "org", "k", "a=b", "mine", "gzip"}
        assert TOKEN not in str(request.headers.items_raw)
        assert not got.headers.keys() & {"set-cookie", "x-secret", "server"}
        assert got.headers["x-request-id"] == "mine"

    body = EVENTS_OF(form) if stream else b'{"type":"message"}'
    kind = "text/event-stream" if stream else "application/json"
    play(story, [Answer(headers={"content-type": kind, **answered}, body=body)])


def EVENTS_OF(form: str) -> Any:
    return streamed(form).body


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1_2.3", True),
        ("x" * 128, True),
        ("x" * 129, False),
        ("", False),
        ("a b", False),
        ("ä", False),
        ("<script>", False),
    ],
)
def test_s21_a_request_id_is_the_clients_or_ours(given: str, kept: bool) -> None:
    async def story(world: World) -> None:
        got = await world.ask("GET", "/v1/models", headers=[("x-request-id", given)]).whole()
        assert (got.headers["x-request-id"] == given) is kept
        assert kept or got.headers["x-request-id"].startswith("req_")

    play(story)


def test_s22_cve_2026_42208_data_never_becomes_a_header_or_html() -> None:
    """CVE-2026-42208: what a client sends is data on the error path too."""
    nasty = "x'; DROP TABLE calls; --\r\nset-cookie: a=b\r\n\r\n<script>"

    async def story(world: World) -> None:
        for body in (
            {"model": nasty},
            {"model": "claude", "stream": nasty},
            {"model": "claude", nasty: 1, "max_tokens": nasty},
        ):
            got = await world.ask("POST", "/v1/messages", body).whole()
            assert got.headers["content-type"] == "application/json"
            assert (b"script" in got.body, b"DROP" in got.body) == (False, False)
            assert "set-cookie" not in got.headers
        query = await world.ask("GET", "/v1/models", query="after=%0d%0aset-cookie:a=b").whole()
        assert query.status == 200

    play(story)


def test_s23_the_caps_are_kept() -> None:
    async def story(world: World) -> None:
        asked: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("messages", {"max_tokens": 10**9}, {"max_tokens": 4096}),
            ("messages", {"max_tokens": None}, {"max_tokens": 4096}),
            ("chat", {"max_tokens": 10**9, "n": 100}, {"max_tokens": 4096, "n": 1}),
            ("chat", {}, {"max_completion_tokens": 4096}),
            ("responses", {"max_output_tokens": 5000}, {"max_output_tokens": 4096}),
            ("responses", {}, {"max_output_tokens": 4096}),
        ]
        for form, body, sent in asked:
            await world.post(form, body=body).whole()
            assert sent.items() <= json.loads(world.upstream.requests[-1].content).items()

    forms = iter(["messages", "messages", "chat", "chat", "responses", "responses"])
    play(story, lambda _: streamed(next(forms)))


def test_s24_cve_2026_47101_an_unknown_model_and_a_forbidden_one_look_the_same() -> None:
    """CVE-2026-47101: a plan cannot be widened by fields of the body either."""

    async def story(world: World) -> None:
        answers = []
        for model in ("secret", "no-such", "gpt", "claude-up"):
            got = await world.post(body={"model": model}, headers=[("x-request-id", "same")]).whole()
            answers.append((got.status, got.headers, got.body))
        assert all(each == answers[0] for each in answers)
        assert answers[0][0] == 404
        more: dict[str, Any] = {
            "plan": "all",
            "models": ["secret"],
            "user": {"plan": "all"},
            "metadata": {"models": ["*"]},
        }
        assert (await world.post(body={**more, "model": "secret"}).whole()).status == 404
        assert world.upstream.requests == []

    secret = Model(name="secret", upstream="claude", model="secret-up", price=Price())
    plan = Plan(name="development", models=("claude",), allowance=Allowance())
    play(
        story,
        models={**SETTINGS.models, "secret": secret},
        plans={"development": plan, "all": Plan(name="all", models=("*",))},
    )


NAMES = [
    "api_base",
    "base_url",
    "api_key",
    "extra_headers",
    "custom_llm_provider",
    "fallbacks",
    "proxy",
    "url",
    "endpoint",
]


@pytest.mark.parametrize("form", ROUTES)
def test_s19_cve_2024_6587_nothing_of_a_request_decides_where_it_goes(form: str) -> None:
    """CVE-2024-6587: `api_base` and its relatives."""
    evil = "https://evil.example"

    async def story(world: World) -> None:
        body = dict.fromkeys(NAMES, evil)
        headers = [(name.replace("_", "-"), evil) for name in NAMES] + [
            ("x-upstream", evil),
            ("x-forwarded-host", evil),
        ]
        query = "&".join(f"{name}={evil}" for name in NAMES)
        assert (await world.post(form, body=body, headers=headers, query=query).whole()).status == 200
        (request,) = world.upstream.requests
        assert request.url == f"https://up.example{ROUTES[form]}"
        assert evil not in str(request.headers.items_raw)
        sent = json.loads(request.content)
        assert not sent.keys() & {
            "api_base",
            "base_url",
            "api_key",
            "extra_headers",
            "custom_llm_provider",
            "fallbacks",
        }

    play(story, [streamed(form)])


# Pages


def test_s29_a_preflight_is_answered_without_a_credential() -> None:
    async def story(world: World) -> None:
        asked = [
            ("origin", PAGE),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", "authorization, x-evil, x-stainless-os"),
        ]
        got = await world.ask("OPTIONS", "/v1/messages", token=None, headers=asked).whole()
        assert (got.status, got.headers["access-control-allow-origin"]) == (204, PAGE)
        allowed = got.headers["access-control-allow-headers"].split(", ")
        assert allowed == ["authorization", "x-stainless-os"]
        elsewhere = [("origin", "https://evil.example"), *asked[1:]]
        other = await world.ask("OPTIONS", "/v1/messages", token=None, headers=elsewhere).whole()
        assert "access-control-allow-origin" not in other.headers
        assert (await world.ask("OPTIONS", "/nowhere", token=None, headers=asked).whole()).status == 404
        plain = await world.ask("OPTIONS", "/v1/messages", token=None).whole()
        assert plain.status == 405

    play(story, cors=CORS(origins=frozenset({PAGE})))


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
def test_s29_every_answer_can_be_read_by_the_page(stream: bool) -> None:
    async def story(world: World) -> None:
        headers = [("origin", PAGE)]
        for got in (world.post(stream=stream, headers=headers), world.post(headers=headers, token=None)):
            await got.whole()
            assert got.headers["access-control-allow-origin"] == PAGE
            assert "x-request-id" in got.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in got.headers

    good = streamed() if stream else Answer(headers=JSON, body=b'{"type":"message"}')
    play(story, [good], cors=CORS(origins=frozenset({PAGE})))


# Health, drain, other scopes


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_needs_nothing(method: str) -> None:
    async def story(world: World) -> None:
        for path in ("/health/live", "/health/ready"):
            got = await world.ask(method, path, token=None).whole()
            assert (got.status, got.json()) == (200, {"status": "ok"})

    play(story)


def test_a_gateway_without_its_state_is_alive_but_not_ready() -> None:
    from unbroken_gateway.state import StateUnavailable

    async def story(world: World) -> None:
        class Down:
            async def users(self) -> Any:
                raise StateUnavailable

            async def aclose(self) -> None:
                pass

        world.services.state = Down()  # type: ignore[assignment]
        assert (await world.ask("GET", "/health/live", token=None).whole()).status == 200
        assert (await world.ask("GET", "/health/ready", token=None).whole()).status == 503

    play(story)


def test_r20_while_it_drains_new_calls_are_503_and_those_under_way_end_well() -> None:
    async def story(world: World) -> None:
        got = world.post()
        await got.until(lambda its: bool(its.parts))
        world.services.draining = True
        for form in ROUTES:
            for stream in (True, False):
                refused = await world.post(form, stream=stream).whole()
                assert (refused.status, refused.headers["retry-after"]) == (503, "1")
                assert refused.headers["x-should-retry"] == "true"
        assert (await world.ask("GET", "/health/ready", token=None).whole()).status == 503
        assert (await world.ask("GET", "/health/live", token=None).whole()).status == 200
        assert (await world.ask("GET", "/v1/models").whole()).status == 200
        await got.whole()
        assert b"message_stop" in got.body

    play(story, [streamed("messages", None, None, None, 5.0)])


@pytest.mark.parametrize("form", ROUTES)
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "plain"])
@pytest.mark.parametrize("drains", [True, False], ids=["drain", "cancel"])
def test_r20_a_cut_ends_each_request_with_an_error(form: str, stream: bool, drains: bool) -> None:
    async def story(world: World) -> None:
        silent = world.post(form, stream=stream)
        body = world.ask("POST", ROUTES[form], chunks=[b"{"])
        await asyncio.sleep(1)
        world.gateway.cut()
        await asyncio.gather(silent.whole(), body.whole())
        for got in (silent, body):
            assert (got.status, got.ended, got.headers["x-should-retry"]) == (503, True, "true")
        await world.nothing_is_left()
        assert [(end.ending, end.status) for end in world.ledger.ends] == [("cut", 503)]

    play(story, lambda _: Answer(latency=STALL), upstream={"on_disconnect": "drain" if drains else "cancel"})


@pytest.mark.parametrize("form", ROUTES)
@pytest.mark.parametrize("drains", [True, False], ids=["drain", "cancel"])
def test_r20_a_cut_ends_a_stream_with_an_error_frame(form: str, drains: bool) -> None:
    async def story(world: World) -> None:
        got = world.post(form)
        await got.until(lambda its: bool(its.parts))
        world.gateway.cut()
        await got.whole()
        assert (got.ended, got.body.count(b'"error":')) == (True, 1)
        await world.nothing_is_left()
        assert [(end.ending, end.status) for end in world.ledger.ends] == [("cut", 200)]

    between = [None] * {"messages": 2, "chat": 1, "responses": 3}[form]
    play(story, [streamed(form, *between, STALL)], upstream={"on_disconnect": "drain" if drains else "cancel"})


def test_a_websocket_is_closed() -> None:
    async def story(world: World) -> None:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await world.gateway({"type": "websocket", "path": "/v1/responses"}, None, send)  # type: ignore[arg-type]
        assert sent == [{"type": "websocket.close", "code": 1000}]

    play(story)


def test_a_plan_that_a_reload_has_removed_is_no_plan() -> None:
    async def story(world: World) -> None:
        snapshot = world.services.live._version.snapshot
        snapshot.settings = evolve(snapshot.settings, plans={})
        assert (await world.post().whole()).status == 401

    play(story)


def test_a_bug_is_500_with_nothing_of_it_and_an_alert(caplog: Any, monkeypatch: Any) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("secret words")

    async def story(world: World) -> None:
        got = await world.post().whole()
        assert (got.status, is_anthropic(got), b"secret words" in got.body) == (500, True, False)
        assert world.services.traffic.alerted["internal"] == 1
        await world.nothing_is_left()

    monkeypatch.setattr("unbroken_gateway.calls.rules.prepare", broken)
    play(story)
    assert "failed by a bug" in caplog.text
