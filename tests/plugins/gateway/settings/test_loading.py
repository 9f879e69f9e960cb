"""The file as a whole."""

import secrets
from pathlib import Path

import pytest

from unbroken import ConfigurationError
from unbroken_gateway.config.checks import check
from unbroken_gateway.config.loading import development, load
from unbroken_gateway.config.settings import Alias, Model
from unbroken_gateway.values import Allowance, Price, Rate

from .kit import ENVIRON, SECRET, STRONG, WHOLE, problems_of, settings_of

LOOPBACK = WHOLE.replace("0.0.0.0", "127.0.0.1").replace('keys = "keys.db"', "")
ONE_WORKER = (
    'must be 1 with state = "memory", because each worker would count alone: '
    'set state to "sqlite:gateway.db" or to the URL of a Redis'
)
URLS = {"anthropic": "http://127.0.0.1:1234", "openai": "http://127.0.0.1:1234"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gateway.toml"


def test_a_file_becomes_settings(path) -> None:
    """With the defaults of all that it leaves out."""
    settings = settings_of(path, WHOLE)
    assert settings.upstreams["claude"].key == SECRET
    assert settings.models["default"] == Model(name="default", upstream="claude", model="claude-sonnet-x")
    assert settings.plans["free"].allowance == Allowance()
    assert settings.aliases == (Alias(path="/api/claude", route="/v1/messages"),)
    assert (settings.pepper, settings.development_token) == (STRONG, None)


def test_the_units_of_the_file_are_read(path) -> None:
    """Sizes, rates, budgets and prices."""
    text = (
        WHOLE.replace("[gateway]", '[gateway]\nmax-body = "1 MiB"\nstate = { env = "REDIS" }\nworkers = 4')
        + 'requests = "20/min"\ntokens = "40000/min"\nstreams = 2\nbudget = "1.00/day"\n'
        + "[gateway.models.priced]\nname = 'default'\nupstream = 'claude'\nmodel = 'm'\n"
        + "price = { input = 3.0, cache_read = 0.3 }\n"
        + "[gateway.resume]\nmax_bytes = '1 kB'\n[gateway.aliases]\n'/api/x' = '/v1/responses'\n"
    )
    settings = settings_of(path, text)
    assert (settings.max_body, settings.resume.max_bytes, settings.state) == (2**20, 1000, ENVIRON["REDIS"])
    assert settings.plans["free"].allowance == Allowance(
        requests=Rate(20, 60.0), tokens=Rate(40000, 60.0), streams=2, budget=Rate(1_000_000, 86400.0)
    )
    assert settings.models["priced"].price == Price(input=3_000_000, cache_read=300_000)
    assert settings.models["priced"].name == "default"
    assert settings.aliases == (Alias(path="/api/x", route="/v1/responses"),)


def test_s32_no_secret_is_in_the_repr(path) -> None:
    """Not the key, the pepper, the headers or the password of Redis."""
    text = WHOLE.replace("[gateway]", '[gateway]\nstate = { env = "REDIS" }').replace(
        "key =", 'headers = { "x-canary" = "canary-header" }\nkey ='
    )
    shown = repr(settings_of(path, text))
    assert not [secret for secret in (SECRET, STRONG, "canary-word", "canary-header") if secret in shown]


def test_all_problems_are_told_at_once(path) -> None:
    """Of every part, with the nearest names, and nothing twice."""
    text = (
        WHOLE.replace("hosts", "host")
        .replace("[gateway]", "[gateway]\nworkers = 4\nkeepalive = 0\nmax_body = '1 mb'")
        .replace('dialect = "anthropic"', 'dialect = "antropic"')
        .replace("ANTHROPIC_API_KEY", "ANTHROPIC_KEY")
        .replace("models = [", "requests = '20/minute'\nmodels = ['defualt', ")
        + "[[gateway.issuers]]\nissuer = 'https://id.example.com'\n"
    )
    assert problems_of(path, text) == [
        ("upstreams.claude.key", "names the environment variable ANTHROPIC_KEY, which is not set"),
        ("upstreams.claude.dialect", "must be one of 'anthropic', 'openai', not 'antropic'"),
        ("plans.free.requests", "must be per s, min, hour, day, not per 'minute' (did you mean 'min'?)"),
        ("issuers[0].audience", "is required"),
        ("issuers[0].algorithms", "is required"),
        ("max_body", "must have a unit out of B, kB, MB, GB, KiB, MiB, GiB, not 'mb'"),
        ("host", "is not one of its settings (did you mean 'hosts'?)"),
        ("keepalive", "must be a finite number above 0, not 0.0"),
        ("hosts", "is required, because listen is reached from other machines: the names that clients call"),
        ("workers", ONE_WORKER),
        ("plans.free.models", "names no model: 'defualt' (did you mean 'default'?)"),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = [", "is not valid TOML"),
        ("gateway = 5", "must be a table, not 5"),
        ("", "is required"),
        ("[gatewy]\n", "is not the table [gateway] (did you mean 'gateway'?)"),
    ],
)
def test_a_file_without_the_table_is_refused(path, text, found) -> None:
    """Before anything in it is looked at."""
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert found in str(caught.value)


def test_the_file_may_be_named_by_a_variable(path) -> None:
    """Without either there is nothing to load."""
    path.write_text(WHOLE)
    assert load(None, {**ENVIRON, "UNBROKEN_GATEWAY_CONFIG": str(path)}) == load(path, ENVIRON)
    with pytest.raises(ConfigurationError, match="UNBROKEN_GATEWAY_CONFIG"):
        load(None, {})
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        load(path.parent / "none.toml", {})


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("upstreams = 5", "upstreams", "must be a table, not 5"),
        ("upstreams.claude = 5", "upstreams.claude", "must be a table, not 5"),
        ("upstreams.claude.name = 'x'", "upstreams.claude.name", "is not one of its settings"),
        ("upstreams.claude.headers = 5", "upstreams.claude.headers", "must be a table"),
        ("models.default = 5", "models.default", "must be a table, not 5"),
        ("models.default.price = 5", "models.default.price", "must be a table, not 5"),
        ("models.default.price.input = -1", "models.default.price.input", "at least 0, not -1"),
        ("models.default.price.inptu = 1", "models.default.price.inptu", "did you mean 'input'?"),
        ("plans.free = 5", "plans.free", "must be a table, not 5"),
        ("plans.free.allowance = {}", "plans.free.allowance", "is not one of its settings"),
        ("plans.free.name = 'x'", "plans.free.name", "is not one of its settings"),
        ("plans.free.streams = 2.5", "plans.free.streams", "must be a whole number or none, not 2.5"),
        ("issuers = {}", "issuers", "must be a list of tables ([[gateway.issuers]]), not a table"),
        ("issuers = [5]", "issuers[0]", "must be a table, not 5"),
        ("aliases = 5", "aliases", "must be a table, not 5"),
        ("aliases.x = 5", "aliases.'x'", "must be the path of a route, not 5"),
        ("cors = 5", "cors", "must be a table, not 5"),
        ("cors.origns = []", "cors.origns", "did you mean 'origins'?"),
        ("development_token = 'canary'", "development_token", "is not set in the file"),
        ("max-body = 1\nmax_body = 2", "max_body", "is given twice"),
        ("pepper = 5", "pepper", "the value is not shown"),
        ("audit.on_failure = 'ignore'", "audit.on_failure", "must be one of 'refuse', 'go-on', not 'ignore'"),
        ("resume.encryption_key = 'canary'", "resume.encryption_key", "must be 32 bytes in base64"),
    ],
)
def test_a_value_in_the_wrong_form_is_refused(path, text, place, words) -> None:
    """At its place, once."""
    found = [message for where, message in problems_of(path, f"[gateway]\n{text}\n") if where == place]
    assert len(found) == 1
    assert words in found[0]


def test_relative_paths_begin_at_the_directory_of_the_file(path, monkeypatch) -> None:
    """However the file is named, and wherever the process runs; absolute ones and URLs stay as they are."""
    text = WHOLE.replace("[gateway]", "[gateway]\nstate = 'sqlite:data/gateway.db'")
    place = path.parent
    expected = (f"{place}/keys.db", f"sqlite:{place}/data/gateway.db", f"{place}/audit.db")
    for name in (path, Path("gateway.toml")):
        monkeypatch.chdir(place)
        settings = settings_of(name, text)
        assert (settings.keys, settings.state, settings.audit.path) == expected
    text = WHOLE.replace("[gateway]", "[gateway]\nstate = { env = 'REDIS' }").replace("keys.db", "/var/keys.db")
    settings = settings_of(path, f"{text}[gateway.audit]\npath = 'none'")
    assert (settings.keys, settings.state, settings.audit.path) == ("/var/keys.db", ENVIRON["REDIS"], None)


UNSET = (
    WHOLE.replace("[gateway]", "[gateway]\nadmin_listen = '0.0.0.0:1'\nstate = { env = 'REDIS' }\nworkers = 4")
    .replace("key =", "headers = { x = { env = 'HEADER' } }\nkey =")
    .replace("hosts =", "admin_credential = { env = 'ADMIN' }\nhosts =")
    + """
[[gateway.issuers]]
issuer = "a"
audience = "a"
algorithms = ["HS256"]
secret = { env = "SHARED" }
[gateway.resume]
encryption_key = { env = "SEAL" }
"""
)


def test_a_command_reads_the_file_without_the_secrets_that_it_does_not_need(path) -> None:
    """Those that it names are needed all the same, and everything else is checked."""
    path.write_text(UNSET)
    settings = load(path, {}, secrets=())
    assert (settings.upstreams["claude"].key, settings.pepper, settings.admin_credential) == ("", None, None)
    assert settings.workers == 4
    assert load(path, {"UNBROKEN_GATEWAY_PEPPER": STRONG}, secrets=("pepper",)).pepper == STRONG
    for text, needed, place in [
        (UNSET, ("pepper",), "gateway.pepper"),
        (UNSET.replace("[gateway]", "[gateway]\npepper = { env = 'P' }"), ("pepper",), "gateway.pepper"),
        (UNSET.replace("\nkey = {", "\nkey = { x = 1,"), (), "gateway.upstreams.claude.key"),
        (UNSET.replace('"a"\nalg', "'a'\nleeway = 61\nalg"), (), "gateway.issuers[0].leeway"),
    ]:
        path.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            load(path, {}, secrets=needed)
        assert [problem.path for problem in caught.value.problems] == [place]


def test_each_secret_that_is_missing_is_told_once(path) -> None:
    """What follows from it is not: four workers are right with a Redis."""
    assert [place for place, _ in problems_of(path, UNSET, {"UNBROKEN_GATEWAY_PEPPER": STRONG})] == [
        "upstreams.claude.headers",
        "upstreams.claude.key",
        "issuers[0].secret",
        "resume.encryption_key",
        "state",
        "admin_credential",
    ]


def test_a_part_that_failed_is_not_called_unknown(path) -> None:
    """One mistake is one problem."""
    text = (
        WHOLE.replace('model = "claude-sonnet-x"', "model = 5")
        .replace("https://api", "ftp://api")
        .replace("[gateway.models", "fallback = ['b']\n[gateway.models")
        + "[gateway.upstreams.b]\ndialect = 'anthropic'\n[gateway.models.x]\nupstream = 'b'\nmodel = 'x'"
    )
    assert [place for place, _ in problems_of(path, text)] == [
        "upstreams.b.url",
        "models.default.model",
        "upstreams.claude.url",
    ]


def test_r24_on_loopback_a_development_token_takes_the_place_of_issuers(path) -> None:
    """It is random, or that of a variable; its plan has all models."""
    settings = settings_of(path, LOOPBACK)
    assert settings.development_token is not None
    assert len(settings.development_token) > 40
    assert settings.plans["development"].models == ("*",)
    assert settings_of(path, LOOPBACK, {**ENVIRON, "UNBROKEN_GATEWAY_TOKEN": STRONG}).development_token == STRONG
    assert settings_of(path, LOOPBACK).development_token != settings.development_token


def test_s12_the_pepper_and_the_admin_credential_come_from_their_variables(path) -> None:
    """The file may name another one."""
    word = secrets.token_urlsafe(32)
    without = {name: value for name, value in ENVIRON.items() if name != "UNBROKEN_GATEWAY_PEPPER"}
    message = "is required for stored keys, because listen is reached from other machines: set UNBROKEN_GATEWAY_PEPPER"
    assert problems_of(path, WHOLE, without) == [("pepper", message)]
    assert settings_of(path, WHOLE, {**ENVIRON, "UNBROKEN_GATEWAY_ADMIN": word}).admin_credential == word
    text = WHOLE.replace("[gateway]", '[gateway]\nadmin_credential = { env = "ADMIN" }')
    assert settings_of(path, text, {**ENVIRON, "ADMIN": word}).admin_credential == word


def test_without_a_file_there_is_a_gateway_for_this_machine() -> None:
    """Both dialects, any name, one token, no key and no file left behind."""
    settings = development({"ANTHROPIC_API_KEY": SECRET}, URLS)
    assert not check(settings)
    assert settings.development_token is not None
    assert SECRET not in str([upstream.key for upstream in settings.upstreams.values()])
    assert (settings.audit.path, settings.keys, settings.state) == (None, None, "memory")
    assert [model.name for model in settings.models.values()] == ["claude-sonnet-5-5", "gpt-5.4-mini", "*", "*"]


def test_the_embedded_upstream_may_speak_one_dialect() -> None:
    """There are no models for the other; a URL that leaves the machine is refused."""
    settings = development({"UNBROKEN_GATEWAY_TOKEN": STRONG}, {"openai": URLS["openai"]})
    assert {model.upstream for model in settings.models.values()} == {"openai"}
    assert settings.development_token == STRONG
    with pytest.raises(ConfigurationError, match="leaves this machine"):
        development({}, {"openai": "http://example.com"})
