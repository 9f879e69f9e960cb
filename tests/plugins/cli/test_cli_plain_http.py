"""`--insecure`: a key goes over http:// to another machine only where that is allowed."""

import socket

import pytest

BODY = '{"model": "m", "stream": true, "messages": []}'
KEY = "canary-4711-secret"


@pytest.fixture
def elsewhere(server, monkeypatch) -> str:
    """The URL of the server under the name of another machine."""
    real = socket.getaddrinfo

    def getaddrinfo(host, *arguments, **options):
        return real("127.0.0.1" if host in {"other.example", b"other.example"} else host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return server.url.replace("127.0.0.1", "other.example")


@pytest.fixture(params=["stream", "backend", "compatible", "anthropic"])
def command(request, elsewhere, monkeypatch) -> list[str]:
    """Each way to send a key."""
    keys = {"backend": "UNBROKEN_TOKEN", "compatible": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
    if request.param == "stream":
        dialect = ["--dialect", "anthropic", "--json-body", BODY]
        return ["stream", f"{elsewhere}/v1/messages", "--header", f"x-api-key: {KEY}", *dialect]
    monkeypatch.setenv(keys[request.param], KEY)
    places = {
        "backend": ["--endpoint", f"{elsewhere}/v1/messages"],
        "compatible": ["--dialect", "openai", "--base-url", f"{elsewhere}/v1"],
        "anthropic": ["--base-url", elsewhere],
    }
    return ["chat", "Hi", *places[request.param]]


def test_a_key_is_refused_and_the_remedy_is_said(invoke, command, server):
    """Exit code 2, as for any configuration that cannot be used; nothing was sent, and the key is not printed."""
    result = invoke(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "would be sent unencrypted to http://other.example:" in result.stderr
    assert "--insecure" in result.stderr
    assert KEY not in result.stderr
    assert server.requests == []


@pytest.mark.parametrize("how", ["option", "variable", "file"])
def test_a_key_is_sent_where_that_is_allowed(invoke, command, server, monkeypatch, nowhere, how):
    """By the option, the environment or the file."""
    if how == "variable":
        monkeypatch.setenv("UNBROKEN_INSECURE", "1")
    if how == "file":
        (nowhere / "unbroken.toml").write_text("insecure = true\n")
    result = invoke(*command, *(["--insecure"] if how == "option" else []))
    assert (result.exit_code, result.stderr) == (0, "")
    assert any(KEY in value for value in server.requests[0].headers.values())


def test_the_option_beats_the_file(invoke, command, server, nowhere):
    """As an argument does."""
    (nowhere / "unbroken.toml").write_text("insecure = false\n")
    assert invoke(*command).exit_code == 2
    assert invoke(*command, "--insecure").exit_code == 0


def test_explain_says_where_it_is_allowed(invoke, nowhere, monkeypatch):
    """And nothing about it where nothing is set."""
    assert "insecure" not in invoke("explain").stdout
    (nowhere / "unbroken.toml").write_text("insecure = true\n")
    output = invoke("explain").stdout
    assert "transport: wire\ninsecure: credentials may be sent over http:// to any host\n" in output
    assert "insecure: from " in output
    monkeypatch.setenv("UNBROKEN_INSECURE", "0")
    output = invoke("explain").stdout
    assert "insecure: from UNBROKEN_INSECURE" in output
    assert "may be sent" not in output
