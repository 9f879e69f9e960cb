"""No credential of a known shape survives, whatever is around it; what is no credential does."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unbroken.secrets import MASK, SHAPES, redact
from unbroken_logging.redaction import MAX_LENGTH, clean, clean_id, clean_named, one_line

ALNUM = string.ascii_letters + string.digits
BASE64 = ALNUM + "+/"
BASE64URL = ALNUM + "-_"


def mixed(alphabet, least):
    """Random text with lower case, upper case and a digit in it, as random text of such a length has."""
    return st.text(alphabet, min_size=least, max_size=least + 30).map(lambda text: "aB3" + text)


def prefixed(*prefixes, alphabet=ALNUM, least=20):
    return st.tuples(st.sampled_from(prefixes), mixed(alphabet, least)).map("".join)


# What is recognised by itself, even in the middle of a word.
BARE = {
    "hexadecimal": st.text("0123456789abcdef", min_size=32, max_size=64),
    "base64": mixed(BASE64, 37),
    "base64url": mixed(BASE64URL, 29),
    "web token": st.lists(st.text(BASE64URL, min_size=8, max_size=40), min_size=3, max_size=3).map(
        lambda parts: "eyJ" + ".".join(parts)
    ),
    "anthropic": prefixed("sk-ant-api03-", "sk-ant-admin01-", alphabet=BASE64URL),
    "openai": prefixed("sk-proj-", "sk-svcacct-", "sk-", alphabet=BASE64URL),
    "stripe": prefixed("sk_live_", "rk_test_", "pk_live_"),
    "amazon": st.text(string.ascii_uppercase + string.digits, min_size=16, max_size=16).map("AKIA".__add__),
    "google": prefixed("AIza", "ya29.", alphabet=BASE64URL),
    "git": prefixed("ghp_", "gho_", "github_pat_", "glpat-"),
    "others": prefixed("xoxb-", "gsk_", "xai-", "hf_"),
}
# What is recognised by the words before it.
ORDINARY = st.text(ALNUM + "!$%()-._", min_size=6, max_size=30)
NAMED = [
    "Authorization: {}",
    "authorization: Token {}",
    "Proxy-Authorization: Digest {}",
    "x-api-key: {}",
    "API_KEY={}",
    "cookie: session={}; other={}",
    "Set-Cookie: a={}",
    "password={}",
    "client_secret={}",
    "access_token={}",
    "api key: Bearer {}",
    '{{"x-api-key": "{}", "model": "m"}}',
    "{{'authorization': 'Basic {}'}}",
    "[(b'authorization', b'Bearer {}')]",
    '{{\\"token\\": \\"{}\\"}}',
    "Bearer {}",
    "https://user:{}@example.org/",
    "https://example.org/path?anything={}",
    "GET /path?{}",
    "authorization:\n {}",
]


@settings(deadline=None)
@given(secret=st.one_of(*BARE.values()), before=st.text(), after=st.text())
def test_e68_no_secret_of_a_known_shape_survives(secret, before, after):
    """Whatever stands directly before and after it."""
    assert secret not in redact(before + secret + after)


@settings(deadline=None)
@given(shape=st.sampled_from(NAMED), secret=ORDINARY, before=st.text(), after=st.text())
def test_e68_no_secret_in_a_known_place_survives(shape, secret, before, after):
    """A secret without a shape of its own is known by the words before it."""
    secret = "Q7" + secret + "zX"
    assert secret not in redact(f"{before}\n{shape.format(secret, secret)}\n{after}")


PIECES = [
    "sk-",
    "eyJ",
    "Bearer ",
    "bearer\n",
    "basic ",
    "token=",
    "authorization: ",
    "cookie='",
    '"',
    "'",
    "\\",
]
PIECES += [
    "?",
    "://",
    "@",
    "***",
    "*",
    "=",
    ":",
    ",",
    " ",
    "\n",
    "a1B" * 11,
    "0" * 32,
    "-----BEGIN PRIVATE KEY-----",
]
TRICKY = st.lists(st.sampled_from(PIECES) | st.text(max_size=3)).map("".join)


@settings(max_examples=500, deadline=None)
@given(st.text() | TRICKY)
def test_redacting_never_fails_and_twice_is_once(text):
    """It reaches an end, and has nothing to add to it."""
    once = redact(text)
    assert redact(once) == once


@settings(deadline=None)
@given(st.text() | TRICKY)
def test_e69_a_clean_text_is_one_printable_line(text):
    """No character of it can end the line, move the cursor, turn the direction, or break the encoding."""
    for line in (one_line(text), clean(text), clean_id(text)):
        assert len(line.splitlines()) <= 1
        assert line.isprintable() or not any(ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in line)
        line.encode("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "HTTP 529: overloaded_error, retry in 2.5 s",
        "model claude-3-5-sonnet-20241022 not found",
        "https://api.example.org:443/v1/messages/batches/results",
        "max_tokens: 4096 is over the limit of 8192 output_tokens=12",
        "550e8400-e29b-41d4-a716-446655440000",
        "task-runner and disk-usage at risk-management-frameworks",
        "What? Nothing! (Really?) 'Yes?'",
        "Unexpected token } in JSON at position 12",
        "/usr/lib/python3.11/site-packages/unbroken/_engine.py",
        "basic authentication is off",
        "the author: somebody",
    ],
)
def test_ordinary_text_is_left_alone(text):
    """Hiding everything would be safe and useless."""
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("GET https://u:p@h.org/a?b=c failed", "GET https://***@h.org/a?*** failed"),
        ('{"x-api-key": "abc", "model": "m"}', '{"x-api-key": "***", "model": "m"}'),
        ("invalid key sk-ant-api03-abcdefgh", "invalid key ***"),
        ("Authorization: Bearer abc\nnext", "Authorization: ***\nnext"),
        ("Basic dXNlcjpwYXNz is wrong", "Basic *** is wrong"),
        ("x -----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY----- y", "x *** y"),
        ("x -----BEGIN PRIVATE KEY-----\nMII", "x ***"),
    ],
)
def test_what_is_around_a_secret_stays(text, expected):
    """So that the line still says what happened."""
    assert redact(text) == expected


REPEATED = [
    "sk-",
    "eyJ",
    "a",
    "aB3",
    "cookie:\n",
    "? ?a",
    "://",
    "-----BEGIN ",
    "bearer ",
    "token=",
    "\n",
    "x y",
]


@pytest.mark.parametrize("piece", [*REPEATED, "-----BEGIN PRIVATE KEY-----"])
def test_hostile_text_reaches_an_end(piece):
    """The longest text that is looked at, made to make the patterns try again and again."""
    longest = (piece * 2 * MAX_LENGTH)[: 2 * MAX_LENGTH]
    assert len(clean(longest)) <= MAX_LENGTH + 1


def test_long_text_is_cut_between_words():
    """Half a key has no shape that anybody could recognise."""
    key = "sk-ant-api03-" + "Ab1" * 10
    for padding in range(2 * MAX_LENGTH - 50, 2 * MAX_LENGTH + 1, 5):
        secret_words = "token=xxxxxxxxxxxxxxxxxxxxxxxxxxx " * 120
        shown = clean(secret_words + "y" * (padding - len(secret_words) - 1) + " " + key)
        assert shown.startswith("token=*** token=***")
        assert "sk-" not in shown
    assert clean("word " * 1000).startswith("word word ")
    assert len(clean("word " * 1000)) == MAX_LENGTH + 1


def test_values_are_cleaned_wherever_they_are():
    """In the keys and values of mappings and in sequences; what is not text is left as it is."""
    thing = object()
    value = {
        "note": ["Bearer CANARY\n", ("a\x1b", 1)],
        "my_password": "CANARY",
        "n\nn": {"x": None, "token": 5},
    }
    assert clean(value) == {
        "note": ["Bearer ***\\n", ["a\\x1b", 1]],
        "my_password": MASK,
        "n\\nn": {"x": None, "token": 5},
    }
    assert clean(thing) is thing


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        *[(name, True) for name in ("authorization", "X-Api-Key", "cookie", "Set-Cookie", "x-goog-api-key")],
        *[(name, True) for name in ("proxy-authorization", "x-auth-token", "ocp-apim-subscription-key", "apikey")],
        *[(name, False) for name in ("content-type", "idempotency-key", "author", "x-monkey", "retry-after")],
    ],
)
def test_headers_with_credentials_are_hidden_whatever_they_look_like(name, hidden):
    """A key of an unknown shape is a key all the same."""
    assert (clean_named(name, "plain") == MASK) is hidden


@pytest.mark.parametrize("id", ["0123456789abcdef" * 2, "req_011CSHoEeqs5C35K2UUqR7FyAbCdEf3"])
def test_ids_are_kept_though_they_look_random(id):
    """They are what a log is searched for; as a key they would be hidden."""
    assert clean_id(id) == id
    assert redact(id) == MASK
    assert clean_id("sk-ant-" + id) == MASK


def test_every_shape_says_what_it_is():
    """The table is read by people."""
    assert len({shape.what for shape in SHAPES}) == len(SHAPES)
