import re

import pytest

from unbroken import hookimpl


def _row(output: str, setting: str) -> list[str]:
    line = next(line for line in output.splitlines() if line.startswith(setting))
    return re.split(r"\s{2,}", line.strip())


def test_each_setting_has_its_value_and_its_source(invoke, nowhere, monkeypatch):
    """Defaults, a file and the environment are told apart."""
    (nowhere / "unbroken.toml").write_text("[retry]\nmax-delay = 9\n")
    monkeypatch.setenv("UNBROKEN_RETRY__MAX_RETRIES", "7")
    result = invoke("explain", "--dialect", "anthropic", "--plugins", "timeout,retry")
    assert result.exit_code == 0
    assert result.stdout.startswith("dialect: anthropic\ntransport: wire\nplugins: timeout, retry\n")
    assert _row(result.stdout, "retry.max_retries") == ["retry.max_retries", "7", "UNBROKEN_RETRY__MAX_RETRIES"]
    assert _row(result.stdout, "retry.jitter ") == ["retry.jitter", "0.1", "defaults"]
    assert _row(result.stdout, "retry.max_delay")[:2] == ["retry.max_delay", "9"]
    assert "unbroken.toml" in "".join(result.stdout.split())  # a long path is wrapped in its column


def test_a_list_on_the_command_line_wins(invoke, monkeypatch):
    """`--plugins` is what is explained, whatever the environment says."""
    monkeypatch.setenv("UNBROKEN_PLUGINS", "timeout")
    result = invoke("explain", "--plugins", " retry, ")
    assert "plugins: retry\n" in result.stdout
    assert "list: from --plugins" in result.stdout
    assert "timeout." not in result.stdout


def test_a_file_can_be_named(invoke, nowhere):
    """`--config` reads that file and no other."""
    (nowhere / "other.toml").write_text('plugins = ["retry"]\n[retry]\nmax_retries = 1\n')
    result = invoke("explain", "--config", "other.toml")
    assert _row(result.stdout, "retry.max_retries") == ["retry.max_retries", "1", "other.toml"]
    assert "list: from other.toml" in result.stdout


def test_no_plugins_is_an_empty_pipeline(invoke):
    """An empty list is no table."""
    result = invoke("explain", "--plugins", "")
    assert result.exit_code == 0
    assert "setting" not in result.stdout


def test_an_order_that_makes_no_sense_is_pointed_out(invoke, monkeypatch):
    """The warning of the registry is part of the explanation."""
    monkeypatch.setattr("unbroken.registry.order_problems", lambda names: ["this order makes no sense"])
    assert invoke("explain").stdout.count("! this order makes no sense") == 1


def test_plugins_without_a_configuration_have_no_rows(invoke, monkeypatch):
    """A plugin that is no more than hooks is in the pipeline, and not in the table."""

    class Bare:
        name = "bare"

        @hookimpl
        def on_event(self, call, event):
            return None

    monkeypatch.setattr("unbroken_cli.explain.resolve_plugins", lambda *_: [Bare()])
    result = invoke("explain")
    assert "plugins: bare\n" in result.stdout
    assert "setting" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--plugins", "tiemout"], "did you mean 'timeout'?"),
        (["--config", "missing.toml"], "cannot be read"),
        (["--dialect", "klingon"], "'klingon' is not installed"),
    ],
    ids=["plugin", "file", "dialect"],
)
def test_what_is_wrong_is_a_list_and_exit_code_2(invoke, arguments, expected):
    """A configuration that cannot be used is explained, without a traceback."""
    result = invoke("explain", *arguments)
    assert result.exit_code == 2
    assert result.stderr.startswith("The configuration cannot be used:\n  - ")
    assert expected in result.stderr


def test_all_problems_are_listed_at_once(invoke, monkeypatch):
    """Each with its path and its source."""
    monkeypatch.setenv("UNBROKEN_RETRY__MAX_RETRIES", "many")
    monkeypatch.setenv("UNBROKEN_TIMEOUT__IDEL", "3")
    lines = invoke("explain").stderr.splitlines()
    assert len(lines) == 3
    assert all("UNBROKEN_" in line for line in lines[1:])


def _worst(output: str) -> dict[str, str]:
    lines = output.partition("the worst case of a call\n")[2].splitlines()
    return dict(line.strip().split(": ", 1) for line in lines)


def test_the_worst_case_of_the_defaults(invoke):
    """Attempts times targets times time, and what an SDK above would make of it."""
    assert _worst(invoke("explain").stdout) == {
        "attempts": "4: 4 x 1 target",
        "to the first content, or to the error": "48 min: 4 x 600 s (first_event) + 3 x 120 s between them "
        "(retry) + 4 x 30 s in the queue (max_wait)",
        "after it": "no limit while there is progress; a silence of 60 s ends it, of 600 s where silence is normal",
        "under an SDK that retries too": "x 3, as with those of Anthropic and OpenAI by default: "
        "12 attempts, 144 min; set max_retries=0 there",
    }


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "[timeout]\ntotal = 90\n",
            ("90 s: the total timeout, else 4 x 600 s", "the rest of the total timeout", "270 s"),
        ),
        ('[timeout]\nfirst-event = "none"\nidle = "none"\n', ("no limit: 4 x no limit", "no limit", "no limit")),
        ('[rate-limit]\nmax-wait = "none"\n', ("no limit: 4 x 600 s", "no limit while", "no limit")),
        ("[retry]\nmax-retries = 0\n", ("10.5 min: 1 x 600 s", "no limit while", "31.5")),
        ("[retry]\nshadow = true\n", ("10.5 min: 1 x 600 s", "no limit while", "31.5 min")),
        ("[timeout]\nfirst-event = 10\nshadow = true\n", ("48 min: 4 x 600 s", "no limit while", "144 min")),
        ("[timeout]\nquiet = 5\n", ("48 min", "of 60 s where silence is normal", "144 min")),
        ("[rate-limit]\nshadow = true\n", ("46 min: 4 x 600 s", "no limit while", "138 min")),
    ],
)
def test_the_worst_case_follows_the_settings(invoke, nowhere, settings, expected):
    """A total timeout bounds everything; a policy in shadow changes nothing."""
    (nowhere / "unbroken.toml").write_text(settings)
    worst = _worst(invoke("explain").stdout)
    first, after, above = expected
    assert worst["to the first content, or to the error"].startswith(first)
    assert after in worst["after it"]
    assert above in worst["under an SDK that retries too"]


def test_the_worst_case_without_policies(invoke):
    """The engine's own timeouts are in force."""
    worst = _worst(invoke("explain", "--plugins", "").stdout)
    assert worst["attempts"] == "1: 1 x 1 target"
    assert worst["to the first content, or to the error"] == "600 s: 1 x 600 s (first_event)"


def test_the_worst_case_counts_targets_and_keys(invoke, nowhere):
    """Each with its own retries, and without a wait between two of them; the keys are not shown."""
    (nowhere / "unbroken.toml").write_text(
        """
        plugins = ["timeout", "fallback", "retry"]
        [fallback]
        targets = [
            { url = "https://eu.example.net?sig=CANARY", keys = [{ x-api-key = "CANARY" }, { x-api-key = "CANARY2" }] },
            { body = { model = "small", user = "CANARY" } },
        ]
        [retry]
        max_retries = 1
        max_retry_after = 30
        """
    )
    output = invoke("explain").stdout
    worst = _worst(output)
    assert worst["attempts"] == "8: 2 x 4 targets"
    assert worst["to the first content, or to the error"] == (
        "82 min: 8 x 600 s (first_event) + 4 x 30 s between them (retry)"
    )
    assert "CANARY" not in output
    flat = re.sub(r"\s", "", output)
    assert "url='https://eu.example.net'" in flat
    assert "keys=(hidden)" in flat
    assert "body={model='small',user}" in flat


def test_a_fallback_in_shadow_is_no_target(invoke, nowhere):
    """It sends nothing."""
    (nowhere / "unbroken.toml").write_text(
        'plugins = ["fallback"]\n[fallback]\nshadow = true\ntargets = [{ body = { model = "small" } }]\n'
    )
    assert _worst(invoke("explain").stdout)["attempts"] == "1: 1 x 1 target"
