"""Bodies of requests, with the JSON of the standard library as the judge."""

import asyncio
import json
import threading

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.locals import own_context

from unbroken_gateway.edge import bodies
from unbroken_gateway.edge.bodies import MAX_DECODED, MAX_DEPTH, MAX_FIELDS, encode_body, parse_body, read_body
from unbroken_gateway.replies.errors import Refused


def refused(body):
    with pytest.raises(Refused) as caught:
        parse_body(body)
    assert caught.value.problem.status == 400
    assert own_context(caught.value) is None  # an error of a decoder keeps a part of the body
    return caught.value.problem.message


def nested(depth, inner=b"1"):
    """A body with objects and lists by turns, `depth` of them with its own."""
    pairs = [(b'{"a":', b"}") if level % 2 == 0 else (b"[", b"]") for level in range(depth)]
    return b"".join(start for start, _ in pairs) + inner + b"".join(end for _, end in reversed(pairs))


def test_fields_are_decoded_and_what_is_in_them_stays_as_it_was_written():
    written = (
        b'{ "model" : "m\\u00fc", "n":2, "t": 0.5, "stream":true, "stop":null, "messages": [ {"a": 1.0} ], "o": { } }'
    )
    body = parse_body(written)
    assert {name: value for name, value in body.items() if not isinstance(value, msgspec.Raw)} == {
        "model": "mü",
        "n": 2,
        "t": 0.5,
        "stream": True,
        "stop": None,
    }
    assert bytes(body["messages"]) == b'[ {"a": 1.0} ]'
    assert encode_body({**body, "model": "x"}) == (
        b'{"model":"x","n":2,"t":0.5,"stream":true,"stop":null,"messages":[ {"a": 1.0} ],"o":{ }}'
    )


def test_a_long_text_stays_as_it_was_written():
    body = parse_body(b'{"input":"%b","model":"%b"}' % (b"\\u00fc" * MAX_DECODED, b"x" * (MAX_DECODED - 2)))
    assert isinstance(body["input"], msgspec.Raw)
    assert len(body["model"]) == MAX_DECODED - 2


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"model":"a","model":"b"}', id="S17-model"),
        pytest.param(b'{"model":"a","model":"a"}', id="S17-the-same-twice"),
        pytest.param(b'{"model":"a","mod\\u0065l":"b"}', id="S17-escaped"),
        pytest.param(b'{"max_tokens":1, "x":{"a":[1,2]},\n"max_tokens":2}', id="S17-another-field"),
        pytest.param(b'{"":1,"":1}', id="S17-no-name"),
    ],
)
def test_s17_a_field_that_stands_twice_is_refused(body):
    assert "twice" in refused(body)


def test_s17_fields_deeper_in_the_body_are_not_looked_at():
    assert set(parse_body(b'{"a":{"b":1,"b":2},"c":[{"d":1,"d":2},{"d":3}]}')) == {"a", "c"}


@pytest.mark.parametrize("inner", [b"1", b"[]", b"{}", b'"[[[["'])
def test_s17_a_body_is_nested_at_most_64_deep(inner):
    levels = MAX_DEPTH - (inner in (b"[]", b"{}"))
    assert list(parse_body(nested(levels, inner))) == ["a"]
    assert "deep" in refused(nested(levels + 1, inner))


@pytest.mark.parametrize("depth", [65, 255, 256, 257, 10_000, 1_000_000])
def test_s17_a_body_of_any_depth_is_refused_without_recursion(depth):
    assert "deep" in refused(b'{"a":' + b"[" * depth)
    assert "deep" in refused(nested(depth))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[]",
        b"null",
        b'"a"',
        b"{",
        b'{"a":1',
        b'{"a":1}}',
        b'{"a":1}{}',
        b'{"a":1,}',
        b"{'a':1}",
        b"{a:1}",
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":[NaN]}',
        b'{"a":1e999}',
        b'{"a":"\xff"}',
        b'{"a":["\xff"]}',
        b'{"a":["\xc3',
        b'{"\xff":1}',
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"a":"\n"}',
        b'{"a":1}\x00',
        b'{"a":]}',
        b'{"a":' + b"9" * 5000 + b"}",
    ],
    ids=repr,
)
def test_s17_only_one_valid_object_is_read(body):
    assert "valid" in refused(body)


def test_s17_a_body_has_at_most_256_fields():
    fields = [b'"%d":1' % number for number in range(MAX_FIELDS)]
    assert len(parse_body(b"{" + b",".join(fields) + b"}")) == MAX_FIELDS
    assert "fields" in refused(b"{" + b",".join([*fields, b'"x":1']) + b"}")


@pytest.mark.parametrize("unit", [b"1", b"[]", b"{}", b'","', b'{"a":1}'])
def test_r18_a_body_has_a_bounded_number_of_values(unit, monkeypatch):
    monkeypatch.setattr(bodies, "MAX_VALUES", 10_000)
    assert parse_body(b'{"a":[' + b",".join([unit] * 2000) + b"]}")
    assert "values" in refused(b'{"a":[' + b",".join([unit] * 20_000) + b"]}")


def test_r18_brackets_and_commas_in_texts_do_not_count(monkeypatch):
    monkeypatch.setattr(bodies, "MAX_VALUES", 10)
    text = '[{,\\"]}' * 10_000
    assert set(parse_body(json.dumps({"a": text, "b": [text]}).encode())) == {"a", "b"}


def test_r18_a_large_body_is_read_in_a_thread_and_a_small_one_is_not(monkeypatch):
    seen = []
    monkeypatch.setattr(bodies, "parse_body", lambda body: seen.append(threading.current_thread()) or {"n": len(body)})

    async def both():
        return [await read_body(b"x" * size, 4.0) for size in (bodies.IN_THREAD, bodies.IN_THREAD + 1)]

    sizes = [bodies.IN_THREAD, bodies.IN_THREAD + 1]
    assert [body for body, _ in asyncio.run(both())] == [{"n": size} for size in sizes]
    assert [thread is threading.main_thread() for thread in seen] == [True, False]


def test_r18_a_refusal_in_the_thread_is_raised():
    with pytest.raises(Refused):
        asyncio.run(read_body(b"[" + b" " * bodies.IN_THREAD + b"]", 4.0))


def depth_of(value):
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth_of, inner), default=0)


def judged(body):
    """The fields as the standard library reads them, None where they may not pass."""
    twice = []

    def pairs(found):
        names = [name for name, _ in found]
        twice[:] = [len(names) != len(set(names))]  # that of the outermost object, which ends last
        return dict(found)

    def no_constant(name):
        raise ValueError(name)

    try:
        value = json.loads(body.decode(), object_pairs_hook=pairs, parse_constant=no_constant)
    except ValueError:
        return None
    return value if isinstance(value, dict) and not twice[0] and depth_of(value) <= MAX_DEPTH else None


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=5) | st.text('"\\[]{},:a', max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=12,
)


@st.composite
def objects(draw):
    """JSON objects with a field twice, some of them, written in different ways."""
    fields = draw(st.lists(st.tuples(texts, values), max_size=5))
    ascii, space = draw(st.booleans()), draw(st.sampled_from(["", " ", "\n\t"]))
    written = [
        f"{json.dumps(name, ensure_ascii=ascii)}{space}:{space}{json.dumps(value, ensure_ascii=ascii)}"
        for name, value in fields
    ]
    return f"{space}{{{space}{f'{space},'.join(written)}{space}}}{space}".encode()


@given(objects(), st.integers(1, 9))
@example(b'{"a":"\\\\","b":"\\\\\\"","c":"\\\\\\\\\\"["}', 1)
def test_s17_it_agrees_with_the_standard_library_wherever_pieces_are_cut(body, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_PIECE", piece)
        expected = judged(body)
        if expected is None:
            refused(body)
        else:
            assert json.loads(encode_body(parse_body(body))) == expected


fragments = st.sampled_from(
    [b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b'"a"', b'"a":', b"1", b"null", b"\xff", b"\xc3\xa4", b" "]
)


@given(st.lists(fragments, max_size=20).map(b"".join), st.integers(1, 5))
def test_s17_whatever_is_sent_nothing_passes_that_the_standard_library_refuses(body, piece):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "_PIECE", piece)
        try:
            found = parse_body(b"{" + body + b"}")
        except Refused:
            assert judged(b"{" + body + b"}") is None
        else:
            assert json.loads(encode_body(found)) == judged(b"{" + body + b"}")
