"""Scripts as text, and the values they become."""

import json

import pytest
from attrs import evolve

import unbroken_faults
from unbroken_faults import Fault, ScriptError, faults, parse_fault, parse_script


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("", ()),
        ("ok", (Fault(),)),
        ("429:retry_after=0.2,ok", (faults.rate_limited(retry_after=0.2), Fault())),
        (" 529 , ok ,", (faults.overloaded(), Fault())),
        ("3*reset", (faults.reset(),) * 3),
        ("error-first:type=api_error", (faults.error_first("api_error"),)),
        ("stall:after=3:latency=0.1", (evolve(faults.stall(after=3), latency=0.1),)),
        ("cut:how=bad-chunk", (faults.cut(how="bad-chunk"),)),
        ("redirect:location=http://other.test:8080/x", (faults.redirect("http://other.test:8080/x"),)),
        ("ok:text=5:content-type=null", (Fault(text="5", content_type=None),)),
        ('["ok", "2*503"]', (Fault(), faults.status(503), faults.status(503))),
        ('{"text": "Hello, world"}', (Fault(text="Hello, world"),)),
        ('[{"fault": "429", "retry_after": 1}]', (faults.rate_limited(retry_after=1),)),
        ('{"slice_size": [1, 3], "usage": [5, 6]}', (Fault(slice_size=(1, 3), usage=(5, 6)),)),
        ('{"headers": {"a": "b"}, "body": "x"}', (Fault(headers=[("a", "b")], body=b"x"),)),
        ('{"headers": [["a", "b"]], "events": [": x"]}', (Fault(headers=[(b"a", b"b")], events=[b": x"]),)),
    ],
)
def test_a_script_is_read(text, script):
    assert parse_script(text) == script


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stal", "'stal': there is no fault 'stal'; did you mean 'stall'?"),
        ("zzzz", "'zzzz': there is no fault 'zzzz'; there are bad_chunk, both_lengths"),
        ("ok,429:retry=1", "'429:retry=1': 429 has no argument 'retry'; did you mean 'retry_after'?"),
        ("429:code=3", "'429:code=3': 429 has no argument 'code'"),
        ("ok:", "'ok:': '' is not of the form key=value"),
        ("ok:fast", "'ok:fast': 'fast' is not of the form key=value"),
        ("*ok", "'*ok': is not of the form NAME or NAME:key=value:key=value"),
        ("2*", "'2*': is not of the form NAME"),
        ("17", "'17': 'status' must be a final HTTP status, not 17"),
        ("stall:after=x", "'stall:after=x': 'after' must be an integer, not 'x'"),
        ("stall:after=1.5", "'after' must be an integer, not 1.5"),
        ("ok:latency=soon", "'latency' must be seconds, 0 or more, not 'soon'"),
        ("ok:latency=-1", "'latency' must be seconds, 0 or more, not -1"),
        ("ok:latency=NaN", "'latency' must be seconds, 0 or more, not nan"),
        ("slow:bandwidth=0", "'bandwidth' must be a number above 0, not 0"),
        ("ok:times=-1", "'times' must be 0, 1, 2 ... or None, not -1"),
        ("ok:slice_size=-1", "'slice_size' must be a size or a pair (smallest, largest), not (-1, -1)"),
        ("ok:slice_size=x", "'slice_size' must be a size or a pair of sizes, not 'x'"),
        ("ok:usage=3", "'usage' must be a pair of token counts, not 3"),
        ("ok:headers=x", "'headers' must be pairs of name and value, not 'x'"),
        ("ok:events=3", "'events' must be texts or objects with a 'type', not 3"),
        ('{"events": [{"data": 1}]}', "'events' must be texts or objects with a 'type'"),
        ("ok:then=explode", "'then' must be in ('continue', 'drip', 'end'"),
        ("ok:after=1:after_bytes=2", "'after' and 'after_bytes' are two turning points, choose one"),
        ("hang_up:then=end", "'then' cannot be 'end' where no head was sent"),
        ("pings:framing=both", "'framing' needs a length, and 'times' without end has none"),
        ("huge_error:size=big", "'huge_error:size=big': "),
        ("{", "the script is not JSON: Expecting property name"),
        ("[5]", "'5': must be a name or an object"),
    ],
)
def test_a_bad_script_names_the_item_and_what_is_wrong(text, problem):
    with pytest.raises(ScriptError) as caught:
        parse_script(text)
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["", "ok,ok", "2*ok"])
def test_one_fault_is_one(text):
    assert parse_fault("stall:after=3") == faults.stall(after=3)
    with pytest.raises(ScriptError, match="one fault is wanted here, not"):
        parse_fault(text)


@pytest.mark.parametrize("name", faults.CATALOGUE)
def test_every_fault_of_the_catalogue_has_a_name_a_default_and_a_description(name):
    (fault,) = parse_script(name)
    assert fault == getattr(faults, name)()
    (usage,) = [usage for usage in faults.describe() if usage.partition(":")[0] == name]
    assert faults.describe()[usage].endswith(".")


def test_the_repr_of_a_huge_fault_is_short():
    assert len(repr(faults.endless_line())) < 1_000
    assert repr(Fault(body=b"x")).count("body=b'x'") == 1


@pytest.mark.parametrize("module", [unbroken_faults, faults], ids=lambda module: module.__name__)
def test_all_is_sorted_and_there(module):
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_the_catalogue_and_the_exports_are_the_same():
    assert {*faults.CATALOGUE, "CATALOGUE", "describe"} == set(faults.__all__)


def test_an_event_can_be_built_by_hand():
    assert unbroken_faults.sse("ping", {"type": "ping"}) == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert unbroken_faults.sse("x", b"{nonsense") == b"event: x\ndata: {nonsense\n\n"
    assert json.loads(unbroken_faults.sse("x", "Wörtchen")[15:]) == "Wörtchen"
