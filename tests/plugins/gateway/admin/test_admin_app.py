"""The routes of the admin port, and who may use them."""

import json
import re
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from prometheus_client.parser import text_string_to_metric_families

from unbroken_gateway.admin import events, guard
from unbroken_gateway.admin.guard import COOKIE, SESSION_SECONDS, Head, Sessions
from unbroken_gateway.audit import Audit
from unbroken_gateway.traffic import Traffic
from unbroken_metrics import Metrics

from ..operator import CANARY, CREDENTIAL, Operator, ended, populate, settings, started

HOST = "127.0.0.1:8081"
ORIGIN = {"origin": f"http://{HOST}", "sec-fetch-site": "same-origin"}
JSON = {"content-type": "application/json"}
CHANGES = ["/admin/reload", "/admin/revoke", "/admin/login", "/admin/logout"]
USER = {"kind": "user", "value": "keys|alice"}


class Answer:
    def __init__(self, messages: list[Any]) -> None:
        self.status: int = messages[0]["status"]
        self.headers = {name.decode(): value.decode() for name, value in messages[0]["headers"]}
        self.body = b"".join(message.get("body", b"") for message in messages[1:])
        self.json = json.loads(self.body) if self.headers["content-type"] == "application/json" else None

    @property
    def cookie(self) -> str:
        return self.headers["set-cookie"].partition(";")[0]


class Client:
    """Speaks ASGI to the app. `leave_after` events of a stream, it leaves."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    async def ask(self, method: str, path: str, body: Any = None, /, leave_after: int = 0, **headers: str) -> Answer:
        lines = {"host": HOST, **{name.replace("_", "-"): value for name, value in headers.items()}}
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        return await self.raw(method, path, [*lines.items()], content, leave_after=leave_after)

    async def raw(
        self, method: str, path: str, headers: list[Any], content: bytes = b"", leave_after: int = 0, **scope: Any
    ) -> Answer:
        sent: list[Any] = []
        left = anyio.Event()
        parts = [content[:7], content[7:]]

        async def receive() -> Any:
            if parts:
                return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)
            if leave_after and len(sent) > leave_after:
                left.set()
                await anyio.lowlevel.checkpoint()

        encoded = [(name.encode(), value.encode()) for name, value in headers]
        found = {"type": "http", "method": method, "path": path, "headers": encoded, "scheme": "http", **scope}
        await self.operator.app(found, receive, send)
        return Answer(sent)

    async def log_in(self) -> str:
        answer = await self.ask("POST", "/admin/login", {"credential": CREDENTIAL}, **JSON_, **ORIGIN_)
        assert answer.status == 200
        return answer.cookie


JSON_ = {name.replace("-", "_"): value for name, value in JSON.items()}
ORIGIN_ = {name.replace("-", "_"): value for name, value in ORIGIN.items()}
BEARER = {"authorization": f"Bearer {CREDENTIAL}"}


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request):
    return request.param


pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(anyio_backend):
    audit = Audit()
    yield Client(Operator(traffic=Traffic(metrics=Metrics()), audit=audit, interval=0.0))
    await audit.aclose()


async def test_the_page_is_whole(client):
    """One answer: its style and its script are in it, and it loads nothing."""
    answer = await client.ask("GET", "/admin")
    page = answer.body.decode()
    assert answer.status == 200
    assert "{{" not in page.partition("<script")[0]
    assert "EventSource" in page
    assert ":root" in page
    assert not re.search(r"<(img|link|iframe)\b|https?://", page)
    assert (await client.ask("HEAD", "/admin")).status == 200


async def test_s30_the_policy_allows_nothing_but_what_has_the_nonce_of_this_answer(client):
    """A nonce is used once; nothing is inline without it."""
    pages = [await client.ask("GET", "/admin") for _ in range(2)]
    nonces = []
    for answer in pages:
        policy = answer.headers["content-security-policy"]
        nonces.append(re.search(r"script-src 'nonce-([\w-]{24})'", policy)[1])
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert set(re.findall(r"<(?:script|style)([^>]*)>", answer.body.decode())) == {f' nonce="{nonces[-1]}"'}
        assert not re.search(r"""<[^>]*\s(on\w+|style)=""", answer.body.decode().partition("<script")[0])
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert nonces[0] != nonces[1]


async def test_s30_the_cookie_is_strict(client):
    """No script reads it, no other site sends it, and it is not sent to the clients' routes."""
    login = {"credential": CREDENTIAL}
    answer = await client.ask("POST", "/admin/login", login, **JSON_, **ORIGIN_)
    value, *attributes = answer.headers["set-cookie"].split("; ")
    assert value.startswith(f"{COOKIE}=")
    assert sorted(attributes) == ["HttpOnly", f"Max-Age={SESSION_SECONDS}", "Path=/admin", "SameSite=Strict"]
    assert CREDENTIAL not in str(answer.headers)
    headers = [("host", HOST), *JSON.items(), ("origin", f"https://{HOST}")]
    answer = await client.raw("POST", "/admin/login", headers, json.dumps(login).encode(), scheme="https")
    assert answer.headers["set-cookie"].endswith("; Secure")


@pytest.mark.parametrize("given", ["", "wrong", CREDENTIAL + "x", CREDENTIAL[:-1], None, 4711, [CREDENTIAL], True])
async def test_s30_a_wrong_credential_opens_nothing(client, given):
    answer = await client.ask("POST", "/admin/login", {"credential": given}, **JSON_, **ORIGIN_)
    assert answer.status == 401
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("how", ["login", "bearer"])
async def test_s27_an_address_that_guesses_has_to_wait(client, how):
    """Even with the right credential, so that it learns nothing; other addresses and sessions go on."""
    cookie = await client.log_in()
    client.operator.now = 100.0
    limit = client.operator.settings.bad_credentials

    async def attempt(credential, peer="192.0.2.1"):
        headers = [("host", HOST), *JSON.items()]
        if how == "bearer":
            headers.append(("authorization", f"Bearer {credential}"))
            return await client.raw("POST", "/admin/reload", headers, b"{}", client=(peer, 1))
        body = json.dumps({"credential": credential}).encode()
        return await client.raw("POST", "/admin/login", [*headers, *ORIGIN.items()], body, client=(peer, 1))

    statuses = [(await attempt("wrong")).status for _ in range(limit + 1)]
    assert statuses == [401] * limit + [429]
    answer = await attempt(CREDENTIAL)
    assert (answer.status, answer.headers["retry-after"], "set-cookie" in answer.headers) == (429, "60", False)
    assert (await attempt(CREDENTIAL, "192.0.2.2")).status == 200
    assert (await client.ask("POST", "/admin/reload", {}, **JSON_, **ORIGIN_, cookie=cookie)).status == 200
    client.operator.now += 60
    assert (await attempt(CREDENTIAL)).status == 200


async def test_s11_without_a_credential_nobody_is_the_operator(client):
    """Neither with an empty one, nor with a cookie that is signed with nothing."""
    client.operator.app.settings = settings(admin_credential=None)
    for given in ("", "None", None):
        answer = await client.ask("POST", "/admin/login", {"credential": given}, **JSON_, **ORIGIN_)
        assert answer.status == 401
    cookie = f"{COOKIE}={Sessions().open('')}"
    assert (await client.ask("POST", "/admin/reload", {}, **JSON_, **ORIGIN_, cookie=cookie)).status == 401
    assert (await client.ask("POST", "/admin/reload", {}, **JSON_, authorization="Bearer ")).status == 401


@pytest.mark.parametrize("path", ["/admin/events", "/admin/reload", "/admin/revoke"])
@pytest.mark.parametrize("how", ["nothing", "garbage", "forged", "expired", "another credential", "bearer"])
async def test_s30_what_shows_or_changes_something_needs_a_login(client, path, how, monkeypatch):
    cookie = await client.log_in()
    text, _, signature = cookie.rpartition(".")
    headers: dict[str, str] = {
        "nothing": {},
        "garbage": {"cookie": f"{COOKIE}=x; {COOKIE}; a=b; {COOKIE}=.ä"},
        "forged": {"cookie": text.replace("=1", "=9") + "." + signature},
        "expired": {"cookie": cookie},
        "another credential": {"cookie": cookie},
        "bearer": {"cookie": cookie, "authorization": "Bearer wrong"},
    }[how]
    if how == "expired":
        monkeypatch.setattr(client.operator.app, "_sessions", Sessions(lambda: 4e9))
    if how == "another credential":
        client.operator.app.settings = settings(admin_credential=CREDENTIAL * 2)
    method = "GET" if path.endswith("events") else "POST"
    answer = await client.ask(method, path, USER, **JSON_, **ORIGIN_, **headers)
    assert answer.status == 401
    assert (client.operator.reloads, client.operator.state.revoked) == (0, [])


FOREIGN = {
    "cross-site": {"origin": "https://evil.example", "sec_fetch_site": "cross-site"},
    "another port": {"origin": "http://127.0.0.1:8080", "sec_fetch_site": "same-site"},
    "origin alone": {"origin": "https://evil.example"},
    "null": {"origin": "null", "sec_fetch_site": "same-origin"},
    "no scheme": {"origin": HOST},
    "another scheme": {"origin": f"file://{HOST}"},
    "fetch site alone": {"sec_fetch_site": "none"},
    "nothing": {},
}


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_s30_a_page_of_another_origin_changes_nothing(client, path, headers):
    """Another port of the same machine is the same site, so its pages send the cookie."""
    cookie = await client.log_in()
    answer = await client.ask("POST", path, USER, **JSON_, **headers, cookie=cookie)
    assert answer.status == 403
    assert "set-cookie" not in answer.headers
    assert (client.operator.reloads, client.operator.state.revoked) == (0, [])


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
async def test_s30_a_page_of_another_origin_cannot_watch(client, site):
    cookie = await client.log_in()
    assert (await client.ask("GET", "/admin/events", cookie=cookie, sec_fetch_site=site)).status == 403


async def test_s30_a_header_that_comes_twice_proves_nothing(client):
    """A proxy and we could read different ones."""
    cookie = await client.log_in()
    for name, value in [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")]:
        headers = [("host", HOST), ("cookie", cookie), *JSON.items(), (name, value), *ORIGIN.items()]
        assert (await client.raw("POST", "/admin/reload", headers)).status == 403
    twice = [("host", HOST), *JSON.items(), *BEARER.items(), ("authorization", "Bearer other")]
    assert (await client.raw("POST", "/admin/reload", twice)).status == 403


@pytest.mark.parametrize("path", CHANGES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_s31_no_change_by_get(client, path, method):
    """Nor by any other method than POST."""
    cookie = await client.log_in()
    answer = await client.ask(method, path, USER, cookie=cookie, **ORIGIN_, **BEARER)
    assert answer.status == 405
    assert (client.operator.reloads, client.operator.state.revoked) == (0, [])


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_s16_a_form_changes_nothing(client, kind):
    """Forms are what pages can send without asking the browser first."""
    cookie = await client.log_in()
    answer = await client.ask("POST", "/admin/reload", {}, content_type=kind, cookie=cookie, **ORIGIN_)
    assert answer.status == 415


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8081", "127.0.0.1.evil.example", "", "[::2]:8081", "[::1"]
)
@pytest.mark.parametrize("path", ["/admin", "/metrics", "/admin/events", "/nothing"])
async def test_s13_an_unknown_host_is_refused(client, host, path):
    """Or a name of somebody else's could be pointed at us, and its pages would be of our origin."""
    if host == "[::1":
        client.operator.app.settings = settings(hosts=frozenset({"example.com"}), admin_listen="10.0.0.1:8081")
    assert (await client.raw("GET", path, [("host", host)])).status == 421


async def test_s13_two_hosts_are_refused(client):
    assert (await client.raw("GET", "/admin", [("host", HOST), ("host", HOST)])).status == 421
    assert (await client.raw("GET", "/admin", [])).status == 421


@pytest.mark.parametrize(
    ("listen", "host", "status"),
    [
        ("127.0.0.1:8081", "localhost:8081", 200),
        ("[::1]:8081", "[::1]:8081", 200),
        ("[::1]:8081", "LOCALHOST", 200),
        ("10.0.0.1:8081", "10.0.0.1:8081", 200),
        ("10.0.0.1:8081", "example.com:8081", 200),
        ("10.0.0.1:8081", "localhost:8081", 421),
        (None, "localhost:8081", 421),
    ],
)
async def test_s13_it_answers_to_its_own_names(client, listen, host, status):
    client.operator.app.settings = settings(hosts=frozenset({"example.com"}), admin_listen=listen)
    assert (await client.raw("GET", "/admin", [("host", host)])).status == status


@pytest.mark.parametrize("path", ["/", "/admin/", "//admin", "/admin/../admin", "/admin%2fevents", "/v1/messages"])
async def test_s18_other_paths_are_not_found(client, path):
    assert (await client.ask("GET", path)).status == 404


async def test_reload_swaps_the_settings(client):
    """A bearer credential is enough for a script, which has no origin."""
    client.operator.settings = settings(workers=4)
    answer = await client.ask("POST", "/admin/reload", {}, **JSON_, **BEARER)
    assert (answer.status, answer.json) == (200, {"reloaded": True})
    assert client.operator.app.settings.workers == 4


async def test_r28_a_configuration_that_is_not_valid_changes_nothing(client):
    """Each problem is told."""
    before = client.operator.app.settings
    client.operator.broken = ["must be a port", "is unknown"]
    cookie = await client.log_in()
    answer = await client.ask("POST", "/admin/reload", {}, **JSON_, **ORIGIN_, cookie=f"a=b; {cookie}")
    assert answer.status == 422
    assert len(answer.json["problems"]) == 2
    assert "must be a port" in answer.json["problems"][0]
    assert client.operator.app.settings is before


@pytest.mark.parametrize("kind", ["token", "user", "key", "issued-before"])
async def test_revoke_reaches_the_state(client, kind):
    asked = {"kind": kind, "value": "v", "seconds": 60}
    answer = await client.ask("POST", "/admin/revoke", asked, **JSON_, **BEARER)
    ((revoked, value, until, before),) = client.operator.state.revoked
    assert (answer.status, revoked, value, answer.json["until"]) == (200, kind, "v", until)
    assert before == (until - 60 if kind == "issued-before" else None)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"kind": "all", "value": "v"},
        {"kind": ["user"], "value": "v"},
        {"kind": "user"},
        {"kind": "user", "value": ""},
        {"kind": "user", "value": "v" * 1025},
        {"kind": "user", "value": 3},
        {"kind": "user", "value": "v", "seconds": 0},
        {"kind": "user", "value": "v", "seconds": True},
        {"kind": "user", "value": "v", "seconds": "60"},
        {"kind": "user", "value": "v", "seconds": 1e300},
        b"[]",
        b"{",
        b"[" * 10_000,
        b"\xff",
    ],
    ids=range(15),
)
async def test_revoke_refuses_nonsense(client, asked):
    answer = await client.ask("POST", "/admin/revoke", asked, **JSON_, **BEARER)
    assert (answer.status, client.operator.state.revoked) == (400, [])


async def test_a_body_is_bounded(client):
    """S15: in parts, too."""
    answer = await client.ask("POST", "/admin/revoke", b" " * 20_000, **JSON_, **BEARER)
    assert answer.status == 413


async def test_a_client_that_leaves_within_its_body_changes_nothing(client):
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    lines = {"host": HOST, **JSON, **BEARER}
    headers = [(name.encode(), value.encode()) for name, value in lines.items()]
    scope = {"type": "http", "method": "POST", "path": "/admin/revoke", "headers": headers, "scheme": "http"}
    await client.operator.app(scope, receive, send)
    assert Answer(sent).status == 400


async def test_a_revocation_that_the_state_did_not_take_is_told(client):
    client.operator.state.down = True
    answer = await client.ask("POST", "/admin/revoke", USER, **JSON_, **BEARER)
    assert (answer.status, answer.json["error"]) == (503, "the state does not answer; nothing is revoked")


async def test_logout_takes_the_cookie_back(client):
    cookie = await client.log_in()
    answer = await client.ask("POST", "/admin/logout", {}, **JSON_, **ORIGIN_, cookie=cookie)
    assert "Max-Age=0" in answer.headers["set-cookie"]


async def snapshots(client: Client, count: int) -> list[dict[str, Any]]:
    answer = await client.ask("GET", "/admin/events", leave_after=count, **BEARER)
    assert answer.headers["content-type"] == "text/event-stream"
    blocks = answer.body.decode().split("\n\n")[:-1]
    assert all(block.startswith("event: snapshot\ndata: {") for block in blocks)
    return [json.loads(block.partition("data: ")[2]) for block in blocks]


async def test_events_are_snapshots_until_the_viewer_leaves(client):
    """Of the traffic, the users with what they have used and may use, and the newest rows of the audit."""
    await populate(client.operator)
    first, *_ = found = await snapshots(client, 3)
    assert len(found) >= 3
    assert first["under_way"] == 6
    assert first["audit"][0]["model"] == CANARY
    users = {user["user"]: user for user in first["users"]}
    assert users["keys|alice"]["plan"] == "free"
    assert users["keys|alice"]["streams"] == {"used": 1, "limit": 2}
    assert users["keys|alice"]["requests"] == {"used": 7, "limit": 20, "seconds": 60.0}
    assert users["keys|alice"]["budget"] == {"used": 412_300, "limit": 1_000_000, "seconds": 86400.0}
    assert first["audit_status"]["written"] == 49


async def test_the_plan_of_a_user_of_another_process_is_that_in_the_audit(client, monkeypatch):
    """It is asked for once."""
    operator = client.operator
    await populate(operator)
    operator.app._view._traffic = Traffic()
    asked: list[str] = []
    real = operator.audit.by_user

    async def by_user(name: str, limit: int) -> Any:
        asked.append(name)
        return await real(name, limit)

    monkeypatch.setattr(operator.audit, "by_user", by_user)
    monkeypatch.setattr("unbroken_gateway.admin.view.MOST_PLANS", 2)
    operator.app.settings = settings(plans={})
    found = (await snapshots(client, 1))[0]["users"]
    assert {user["plan"] for user in found} == {"free"}
    assert found[0]["requests"]["limit"] is None
    assert len(asked) == 3
    operator.state.standings = {"keys|alice": operator.state.standings["keys|alice"]}
    await snapshots(client, 2)
    assert len(asked) <= 4


async def test_parts_that_do_not_answer_are_left_out(client):
    """The dashboard is needed most when something is broken."""
    await populate(client.operator)
    client.operator.state.down = True
    await client.operator.audit.aclose()
    (found, *_) = await snapshots(client, 1)
    assert (found["users"], found["audit"], found["under_way"]) == (None, None, 6)
    client.operator.state.down = False
    client.operator.app._view._traffic = Traffic()
    (found, *_) = await snapshots(client, 1)
    assert {user["plan"] for user in found["users"]} == {""}


async def test_viewers_are_bounded(client, monkeypatch):
    """One too many is told to come again later; its browser does."""
    monkeypatch.setattr(events, "MOST_VIEWERS", 0)
    answer = await client.ask("GET", "/admin/events", **BEARER)
    assert answer.body == b"retry: 10000\nevent: busy\ndata:\n\n"


async def test_close_ends_the_streams(client):
    """A server that stops waits for them."""
    client.operator.app._viewers._interval = 3600.0
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: client.ask("GET", "/admin/events", **BEARER))
        await anyio.wait_all_tasks_blocked()
        assert client.operator.app._viewers._open
        client.operator.app.close()
    assert not client.operator.app._viewers._open


async def test_metrics_need_no_login_and_name_no_user(client):
    """Labels are bounded: no user, no model of a client, no id."""
    await populate(client.operator)
    client.operator.traffic.failed("state")
    client.operator.traffic.metrics.on_circuit_state_change("claude", "https://api.example.com", "closed", "open", 5)
    answer = await client.ask("GET", "/metrics")
    text = answer.body.decode()
    for secret in (CANARY, "alice", "req-0", CREDENTIAL, "0197f2c4"):
        assert secret not in text
    samples = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["unbroken_gateway_calls_total", "/v1/messages", "claude", "failed"] == 2
    assert samples["unbroken_gateway_refused_total", "user_limit"] == 1
    assert samples["unbroken_gateway_errors_total", "ServerError"] >= 2
    assert samples["unbroken_gateway_alerts_total", "operator_fault"] == 1
    assert samples["unbroken_gateway_failures_total", "state"] == 1
    assert samples["unbroken_gateway_calls_under_way", "streaming"] == 1
    assert samples["unbroken_gateway_call_duration_seconds_count",] == 24
    assert samples["unbroken_gateway_first_byte_seconds_bucket", "0.5"] > 0
    assert samples["unbroken_gateway_audit_rows_total", "written"] == 49
    assert samples["unbroken_gateway_audit_waiting",] == 0
    assert samples["unbroken_circuit_state", "claude", "https://api.example.com", "open"] == 1


async def test_metrics_without_those_of_the_clients(client):
    client.operator.traffic.metrics = None
    assert b"unbroken_circuit" not in (await client.ask("GET", "/metrics")).body


async def test_a_row_of_the_audit_appears_while_it_is_open(client):
    await client.operator.audit.start(started("r1"))
    assert (await snapshots(client, 1))[0]["audit"][0]["state"] == "started"
    await client.operator.audit.end(ended("r1"))
    assert (await snapshots(client, 1))[0]["audit"][0]["state"] == "success"


async def test_a_server_that_starts_and_stops_is_answered(client):
    """The lifespan does nothing here."""
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await client.operator.app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    sent.clear()
    await client.operator.app({"type": "websocket"}, receive, send)
    assert sent == ["websocket.close"]


def test_a_head_is_read_without_regard_to_case():
    head = Head.of({"headers": [(b"Host", b"a"), (b"X-A", b"1"), (b"x-a", b"2")]})
    assert (head.get("host"), head.get("x-a"), head.twice) == ("a", "2", frozenset({"x-a"}))
    assert guard.bearer(Head.of({"headers": [(b"authorization", b"Basic eA==")]})) is None
