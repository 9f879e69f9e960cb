"""What the parts of a configuration say of each other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken_gateway.config.exposure import url_fault

from .kit import STRONG, WHOLE, problems_of, settings_of

ISSUER = """
[[gateway.issuers]]
issuer = "https://id.example.com"
audience = "gateway"
algorithms = ["RS256"]
jwks = "https://id.example.com/jwks"
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gateway.toml"


def change(old: str, new: str) -> str:
    """Return the whole configuration, with an issuer, and one change."""
    text = WHOLE + ISSUER
    assert old in text
    return text.replace(old, new, 1)


def top(line: str) -> str:
    return change("[gateway]", f"[gateway]\n{line}")


def more(lines: str) -> str:
    return f"{WHOLE}{ISSUER}{lines}\n"


def issuer(old: str, new: str) -> str:
    return change(old, new)


def upstream(line: str) -> str:
    return change('dialect = "anthropic"', f'dialect = "anthropic"\n{line}')


def model(line: str) -> str:
    return change('model = "claude-sonnet-x"', f'model = "claude-sonnet-x"\n{line}')


URL, FALLBACK = "upstreams.claude.url", "upstreams.claude.fallback"
CASES = [
    # Rule, configuration, place of the problem, words of the message.
    ("R24-issuer-without-audience", issuer('audience = "gateway"', ""), "issuers[0].audience", "is required"),
    ("R24-issuer-without-issuer", issuer('issuer = "https://id.example.com"', ""), "issuers[0].issuer", "is required"),
    ("R24-empty-audience", issuer('"gateway"', '""'), "issuers[0].audience", "not empty"),
    ("S1-alg-none", issuer('"RS256"', '"none"'), "issuers[0].algorithms", "must be out of RS256"),
    ("S8-leeway", issuer("jwks =", "leeway = 61\njwks ="), "issuers[0].leeway", "up to 60"),
    ("S2-lifetime", issuer("jwks =", "max_lifetime = 0\njwks ="), "issuers[0].max_lifetime", "above 0"),
    ("S12-admin", top("admin_credential = 'canary'"), "admin_credential", "is too weak"),
    ("S12-admin-port", top("admin_listen = '0.0.0.0:9'"), "admin_credential", "is required"),
    ("S13-no-hosts", change('hosts = ["api.example.com"]', ""), "hosts", "is required"),
    ("S13-empty-hosts", change('"api.example.com"', ""), "hosts", "must not be empty"),
    ("S13-host-with-port", change("api.example.com", "api.example.com:443"), "hosts", "without port or wildcard"),
    ("S13-wildcard", change("api.example.com", "*"), "hosts", "without port or wildcard"),
    (
        "S19-http",
        change("https://api.anthropic", "http://api.anthropic"),
        URL,
        "leaves this machine",
    ),
    (
        "S19-no-url",
        change("https://api.anthropic.com", "api.anthropic.com"),
        URL,
        "begins with https",
    ),
    ("S19-bad-port", change("anthropic.com", "anthropic.com:x"), URL, "must be a URL"),
    (
        "S19-user",
        change("https://api", "https://canary:canary@api"),
        URL,
        "must not hold credentials",
    ),
    ("S19-query", change("anthropic.com", "anthropic.com?x"), URL, "a query or a fragment"),
    ("url-v1", change("anthropic.com", "anthropic.com/v1"), URL, "must end before /v1"),
    ("url-slash", change("anthropic.com", "anthropic.com/"), URL, "must end before its last /"),
    ("key-newline", change('{ env = "ANTHROPIC_API_KEY" }', r'"canary\n"'), "upstreams.claude.key", "printable ASCII"),
    ("header", upstream(r'headers = { "x a" = "canary" }'), "upstreams.claude.headers", "is not a header name"),
    ("fallback", upstream("fallback = ['claud']"), FALLBACK, "did you mean 'claude'"),
    ("fallback-twice", upstream("fallback = ['b', 'b']"), FALLBACK, "names an upstream twice"),
    (
        "R17-itself",
        upstream("fallback = ['claude']"),
        FALLBACK,
        "leads back to itself: claude → claude",
    ),
    (
        "R17-circle",
        upstream("fallback = ['b']")
        + "[gateway.upstreams.b]\ndialect = 'anthropic'\nurl = 'https://b.example'\nfallback = ['c']\n"
        + "[gateway.upstreams.c]\ndialect = 'anthropic'\nurl = 'https://c.example'\nfallback = ['b']\n",
        "upstreams.b.fallback",
        "leads back to itself: b → c → b",
    ),
    (
        "fallback-dialect",
        upstream("fallback = ['b']") + "[gateway.upstreams.b]\ndialect = 'openai'\nurl = 'https://b.example'\n",
        FALLBACK,
        "must speak anthropic, which 'b' does not",
    ),
    ("policy", upstream("plugins = ['retyr']"), "upstreams.claude.policies.plugins", "retry"),
    (
        "policy-setting",
        upstream("policies.retry = { max_retires = 1 }"),
        "upstreams.claude.policies.retry.max_retires",
        "did you mean 'max_retries'?",
    ),
    ("model-upstream", change('upstream = "claude"', 'upstream = "cluade"'), "models.default.upstream", "did you mean"),
    ("S23-body", model("body = { max_tokens = 9 }"), "models.default.body", "must not set max_tokens"),
    ("S23-cap", model("max_tokens = 0"), "models.default.max_tokens", "at least 1"),
    (
        "plan-model",
        change('models = ["default"]', 'models = ["defalt"]'),
        "plans.free.models",
        "did you mean 'default'",
    ),
    ("plan-empty", change('models = ["default"]', "models = []"), "plans.free.models", "must not be empty"),
    ("plan-streams", more("[gateway.plans.x]\nmodels = ['*']\nstreams = 0"), "plans.x.streams", "at least 1, not 0"),
    (
        "plan-ambiguous",
        more(
            "[gateway.models.b]\nname = 'default'\nupstream = 'claude'\nmodel = 'b'\n[gateway.plans.x]\nmodels = ['*']"
        ),
        "plans.x.models",
        "has two models of the name 'default' for anthropic",
    ),
    ("alias-route", more("[gateway.aliases]\n'/x' = '/v1/mesages'"), "aliases.'/x'", "did you mean '/v1/messages'?"),
    ("S18-alias-dots", more("[gateway.aliases]\n'/a/../b' = '/v1/messages'"), "aliases.'/a/../b'", "a plain path"),
    ("S18-alias-escape", more("[gateway.aliases]\n'/a%2fb' = '/v1/messages'"), "aliases.'/a%2fb'", "a plain path"),
    ("S18-alias-taken", more("[gateway.aliases]\n'/v1/models' = '/v1/messages'"), "aliases.'/v1/models'", "itself"),
    (
        "S18-alias-prefix",
        more("[gateway.aliases]\n'/v1/streams/x' = '/v1/messages'"),
        "aliases.'/v1/streams/x'",
        "of the gateway itself",
    ),
    ("R9-workers", top("workers = 2"), "workers", 'must be 1 with state = "memory"'),
    ("state", top("state = 'canary'"), "state", "the value is not shown"),
    ("state-sqlite", top("state = 'sqlite:'"), "state", "the value is not shown"),
    ("S29-any-origin", more("[gateway.cors]\norigins = ['*']"), "cors.origins", "must be origins such as"),
    ("S29-path", more("[gateway.cors]\norigins = ['https://a.example/']"), "cors.origins", "must be origins"),
    ("S29-bad-port", more("[gateway.cors]\norigins = ['https://a:x']"), "cors.origins", "must be origins"),
    ("listen", change("0.0.0.0:8080", "8080"), "listen", "an address and a port"),
    ("admin-listen", top("admin_listen = 'x'"), "admin_listen", "an address and a port"),
    ("same-port", top("admin_listen = '0.0.0.0:8080'"), "admin_listen", "must not be the address of listen"),
    ("no-upstreams", "[gateway]", "upstreams", "is required"),
    ("no-models", "[gateway]", "models", "is required"),
]


@pytest.mark.parametrize(("text", "place", "words"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_a_configuration_that_cannot_be_right_is_refused(path, text, place, words) -> None:
    """At its place, in words that say what is right."""
    assert [message for where, message in problems_of(path, text) if where == place and words in message]


GOOD = [
    ("issuer", more("")),
    ("hs", issuer('"RS256"]\njwks = "https://id.example.com/jwks"', f'"HS256"]\nsecret = "{STRONG}"')),
    ("edwards", issuer("RS256", "Ed25519")),
    ("loopback-jwks", issuer("https://id.example.com/jwks", "http://127.0.0.1:9/jwks")),
    ("no-plan-claim", issuer("jwks =", "plan_claim = 'none'\ndefault_plan = 'free'\njwks =")),
    ("insecure", change("https://api.anthropic.com", "http://api.intra").replace("key =", "insecure = true\nkey =")),
    ("redis", top("state = 'rediss://cache:6379/1'\nworkers = 4")),
    ("sqlite", top("state = 'sqlite:gateway.db'\nworkers = 4")),
    ("no-admin", top("admin_listen = 'none'")),
    ("hosts", change('"api.example.com"', '"API.example.com", "10.0.0.1", "::1"')),
    ("origins", more("[gateway.cors]\norigins = ['http://localhost:3000', 'https://[::1]:1', 'https://a.example']")),
    ("proxies", top("trusted_proxies = ['10.0.0.0/8', '::1']")),
    ("encryption", more("[gateway.resume]\nencryption_key = 'MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE='")),
    ("policies", upstream("plugins = ['timeout', 'retry']\npolicies.retry = { max_retries = 1 }")),
    (
        "diamond",
        upstream("fallback = ['b', 'c']")
        + "[gateway.upstreams.b]\ndialect = 'anthropic'\nurl = 'https://b.example'\nfallback = ['c']\n"
        + "[gateway.upstreams.c]\ndialect = 'anthropic'\nurl = 'https://c.example'\n",
    ),
    (
        "one-name-in-two-plans",
        more(
            "[gateway.models.b]\nname = 'default'\nupstream = 'claude'\nmodel = 'b'\n[gateway.plans.x]\nmodels = ['b']"
        ),
    ),
]


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in GOOD])
def test_a_configuration_that_can_be_right_is_taken(path, text) -> None:
    """The checks do not refuse what works."""
    settings_of(path, text)


def test_s13_hosts_are_compared_in_lower_case(path) -> None:
    """As they are written in no particular case."""
    assert settings_of(path, change("api.example.com", "API.Example.com")).hosts == {"api.example.com"}


@given(st.binary(min_size=32, max_size=32))
def test_s12_a_url_fault_never_shows_the_url(data) -> None:
    """Whatever stands there."""
    url = f"http://{data.hex()}@{data.decode('latin-1')}"
    assert data.hex() not in url_fault(url)
