"""What is written is what is read, and nothing that a client sends can change another row."""

import json

import attrs
import pytest

from unbroken_gateway.audit import AuditRow, sql
from unbroken_gateway.config.settings import AuditSettings
from unbroken_gateway.values import AuditEnd, AuditStart

from ..operator import ended, started
from .conftest import rows

ENDINGS = ["success", "failed", "cancelled", "cut", "lost"]
FULL = {
    "error": "ServerError",
    "attempts": 3,
    "upstream_request_id": "up-1",
    "upstream_model": "m-2026",
    "input_tokens": 0,
    "output_tokens": 7,
    "cache_read_tokens": 5,
    "cache_write_tokens": None,
    "estimated_tokens": 9,
    "micro_usd": 1234,
    "first_byte": 0.25,
    "on_disconnect": "drain",
}


@pytest.fixture(params=["file", "memory"])
def calls(request, make, path):
    return make(path=path if request.param == "file" else None)


def test_a_row_is_started_and_then_ended(calls):
    """Each field comes back as it was, and what is unknown is not 0 (R4)."""
    start = started("r1", client_request_id="theirs", stream_id="s1", prompt='{"x":"ä"}'.encode())
    calls.start(start)
    (row,) = calls.tail()
    assert (row.start, row.end, row.state) == (start, None, "started")
    end = ended("r1", ending="failed", status=502, **FULL)
    calls.end(end)
    (row,) = calls.tail()
    assert (row.start, row.end, row.state) == (start, end, "failed")
    assert isinstance(row, AuditRow)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_ending_can_be_written(calls, ending):
    calls.start(started("r1"))
    calls.end(ended("r1", ending=ending))
    assert [row.state for row in calls.tail()] == [ending]


def test_every_field_has_a_column(make, path):
    """A field that is added to the values needs one here."""
    make()
    named = {"at", "ending", *(each.name for each in (*attrs.fields(AuditStart), *attrs.fields(AuditEnd)))}
    for field in named - {"at"}:
        assert f" {field} " in sql.SCHEMA
        assert f"'$.{field}'" in sql.START + sql.END


def test_r3_an_aborted_stream_leaves_exactly_one_row_with_its_usage(calls):
    """The relay may tell the end twice: on the way that it left, and when it cleans up."""
    calls.start(started("r1"))
    calls.end(ended("r1", ending="cancelled", output_tokens=12, estimated_tokens=40))
    calls.end(ended("r1", ending="failed", output_tokens=None))
    (row,) = calls.tail()
    assert (row.state, row.end.output_tokens, row.end.estimated_tokens) == ("cancelled", 12, 40)


def test_r22_ids_of_others_may_repeat(make, path):
    """They are columns; the key is our own. A second row of the same id is a second row."""
    calls = make()
    for _ in range(2):
        calls.start(started("same", client_request_id="same", stream_id="same"))
    calls.close()
    assert [row["id"] for row in rows(path)] == [1, 2]


def test_r22_an_ending_without_a_start_is_kept(calls):
    """It gets a row, so that no cost disappears."""
    calls.end(ended("orphan", micro_usd=5))
    (row,) = calls.tail()
    assert (row.start.request_id, row.state, row.end.micro_usd) == ("orphan", "success", 5)


HOSTILE = ["'; DROP TABLE calls; --", '"}], "x": [{"', "%", "_", "\x00", "a\x00b", "\ud800", "ẞ\u2028", "x" * 100_000]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_text_of_others_is_a_parameter_wherever_it_stands(calls, text):
    """In every field, and in every question (CVE-2026-42208: SQL by a request, on the path of errors)."""
    calls.start(started("bystander", user="keys|bob"))
    names = {"client_request_id", "user", "issuer", "plan", "route", "dialect", "model", "upstream", "stream_id"}
    calls.start(started(text, **dict.fromkeys(names, text)))
    calls.end(ended(text, error=text, upstream_request_id=text, upstream_model=text, on_disconnect=text))
    newest, bystander = calls.tail()
    shown = text.replace("\x00", "\ufffd").replace("\ud800", "\ufffd")
    assert newest.start.model == newest.start.user == newest.end.error == newest.start.request_id == shown
    assert bystander.state == "started"
    if text == shown:
        assert [row.id for row in calls.show(text)] == [newest.id]
        assert [row.id for row in calls.by_user(text)] == [newest.id]


def test_a_name_with_a_nul_passes_for_no_other(calls):
    """SQLite would end the text there."""
    calls.start(started("r1", user="keys|alice\x00x"))
    assert calls.by_user("alice") == []


def test_tail_has_the_newest_first(calls):
    for number in range(5):
        calls.start(started(f"r{number}"))
    assert [row.start.request_id for row in calls.tail(2)] == ["r4", "r3"]


def test_show_finds_our_id_before_those_of_others(calls):
    """A client cannot hide a call of another one behind its own id."""
    calls.start(started("r1", client_request_id="theirs", stream_id="stream-1"))
    calls.end(ended("r1", upstream_request_id="up-1"))
    calls.start(started("r2", client_request_id="r1"))
    for id in ("r1", "theirs", "up-1", "stream-1"):
        assert [row.start.request_id for row in calls.show(id)] == ["r1"]
    assert calls.show("nothing") == []


def test_by_user_takes_a_name_with_or_without_its_issuer(calls):
    """Ids of some issuers have a bar in them."""
    calls.start(started("r1", user="keys|alice"))
    calls.start(started("r2", user="https://id|auth0|alice", issuer="https://id"))
    calls.start(started("r3", user="keys|bob"))

    def found(name):
        return [row.start.request_id for row in calls.by_user(name)]

    assert found("alice") == ["r1"]
    assert found("keys|alice") == ["r1"]
    assert found("auth0|alice") == found("https://id|auth0|alice") == ["r2"]
    assert found("nobody") == []


def test_a_row_is_plain_values(calls):
    """The prompt is only where it is asked for."""
    calls.start(started("r1", prompt=b"\xffsecret"))
    (row,) = calls.tail()
    assert "prompt" not in row.to_dict()
    assert row.to_dict(prompt=True)["prompt"] == "\ufffdsecret"
    calls.end(ended("r1", **FULL))
    (row,) = calls.tail()
    written = json.loads(json.dumps(row.to_dict()))
    assert (written["state"], written["micro_usd"], written["started_at"]) == ("success", 1234, 1_800_000_000.0)
    assert "secret" not in repr(row)
    calls.start(started("r2"))
    assert calls.tail(1)[0].to_dict(prompt=True)["prompt"] is None


def test_the_settings_say_where_it_is(portal, path):
    async def use():
        from unbroken_gateway.audit import Audit

        audit = Audit.of(AuditSettings(path=str(path), on_failure="go-on"))
        await audit.start(started("r1"))
        await audit.aclose()

    portal.call(use)
    assert len(rows(path)) == 1
