"""What messages are made of, and how they are written."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import ConfigurationError
from unbroken_chat import ChatMessage, ImagePart, OtherPart, TextPart, ThinkingPart, ToolCallPart, ToolResultPart
from unbroken_chat.parts import part_of

PNG = b"\x89PNG\r\n"
CITATION = {"type": "char_location", "cited_text": "water", "document_index": 0}

BLOCKS = [
    pytest.param(TextPart("Hi"), {"type": "text", "text": "Hi"}, id="text"),
    pytest.param(
        TextPart("Hi", citations=[CITATION]), {"type": "text", "text": "Hi", "citations": [CITATION]}, id="citations"
    ),
    pytest.param(
        ImagePart(data=PNG, media_type="image/png"),
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PNG).decode()},
        },
        id="image",
    ),
    pytest.param(
        ImagePart(url="https://example.org/a.png"),
        {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}},
        id="image-url",
    ),
    pytest.param(
        ToolCallPart("toolu_1", "open_gate", {"gate": 3}),
        {"type": "tool_use", "id": "toolu_1", "name": "open_gate", "input": {"gate": 3}},
        id="tool-call",
    ),
    pytest.param(
        ToolResultPart("toolu_1", "done"),
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "done"},
        id="tool-result",
    ),
    pytest.param(
        ToolResultPart("toolu_1", (TextPart("stuck"), ImagePart(url="https://example.org/b.png")), is_error=True),
        {
            "type": "tool_result",
            "tool_use_id": "toolu_1",
            "content": [
                {"type": "text", "text": "stuck"},
                {"type": "image", "source": {"type": "url", "url": "https://example.org/b.png"}},
            ],
            "is_error": True,
        },
        id="tool-error",
    ),
    pytest.param(ThinkingPart("hm", "sig"), {"type": "thinking", "thinking": "hm", "signature": "sig"}, id="thinking"),
    pytest.param(
        OtherPart({"type": "redacted_thinking", "data": "x"}), {"type": "redacted_thinking", "data": "x"}, id="other"
    ),
]


@pytest.mark.parametrize(("part", "block"), BLOCKS)
def test_a_part_is_written_as_the_api_writes_it_and_read_again(part, block) -> None:
    """There and back."""
    assert part.to_block() == block
    assert part_of(block) == part


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}},
        {"type": "text"},
        {"type": "text", "text": 5},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "?"}},
        {"type": "image", "source": {"type": "file", "file_id": "f"}},
        {"type": "image"},
        {"type": "tool_use", "id": "", "name": "x", "input": {}},
        {"type": "tool_use", "id": "a", "name": "x", "partial_json": "{"},
        {"type": "tool_use", "id": "a", "name": "x", "input": None, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "a", "name": "x", "input": "0"},
        {"type": "tool_result", "tool_use_id": "a"},
        {"type": "thinking", "thinking": "no signature"},
        {"type": "hologram", "depth": 3},
        {},
    ],
    ids=str,
)
def test_what_no_class_can_hold_without_loss_is_kept_as_it_is(block) -> None:
    """Extra fields, missing fields, types to come."""
    assert part_of(block) == OtherPart(block)
    assert part_of(block).to_block() == block


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
types = st.sampled_from(["text", "image", "tool_use", "tool_result", "thinking", "document"])
names = st.sampled_from(["text", "id", "name", "input", "content", "tool_use_id", "source", "is_error", "citations"])


@given(types, st.dictionaries(names, json, max_size=5))
def test_reading_and_writing_loses_nothing(kind, fields) -> None:
    """Whatever the API may send; only a null may be missing, and a tool call have an empty input in its place."""
    block = {**fields, "type": kind}
    part = part_of(block)
    if isinstance(part, OtherPart):
        assert part.to_block() == block
    else:
        implied = {"input": {}} if kind == "tool_use" else {}
        assert part.to_block() == implied | {name: value for name, value in block.items() if value is not None}


@pytest.mark.parametrize("fields", [{}, {"input": None}], ids=["missing", "null"])
def test_a_tool_call_without_input_has_an_empty_one(fields) -> None:
    """As in a stream."""
    message = ChatMessage.from_dict(
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "x", **fields}]}
    )
    assert message.tool_calls == (ToolCallPart("a", "x"),) == (ToolCallPart("a", "x", None),)
    assert message.to_dict()["content"] == [{"type": "tool_use", "id": "a", "name": "x", "input": {}}]


def test_a_null_counts_as_missing() -> None:
    """The API writes ``citations: null`` for text without any."""
    assert part_of({"type": "text", "text": "a", "citations": None}) == TextPart("a")


def test_arguments_are_a_mapping() -> None:
    """Anything else is named."""
    with pytest.raises(ConfigurationError, match="arguments"):
        ToolCallPart("a", "x", "{}")


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"\xff\xd8\xff\xe0....", "image/jpeg"),
        (b"GIF89a....", "image/gif"),
        (b"RIFF\x01\n\x03\x04WEBPVP8 ", "image/webp"),
    ],
    ids=["png", "jpeg", "gif", "webp"],
)
def test_an_image_is_read_from_a_file(tmp_path, data, media_type) -> None:
    """Its first bytes tell the type, whatever its name is."""
    path = tmp_path / "image.bin"
    path.write_bytes(data)
    assert ImagePart.from_file(path) == ImagePart.from_file(str(path)) == ImagePart(data=data, media_type=media_type)


def test_a_file_that_is_no_image_is_refused(tmp_path) -> None:
    """Unless the type is given."""
    path = tmp_path / "notes.png"
    path.write_bytes(b"text")
    with pytest.raises(ConfigurationError, match=r"media_type: 'notes.png' is no PNG"):
        ImagePart.from_file(path)
    assert ImagePart.from_file(path, "image/heic").media_type == "image/heic"
    with pytest.raises(FileNotFoundError):
        ImagePart.from_file(tmp_path / "none.png")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: TextPart(5), id="text"),
        pytest.param(lambda: ImagePart(), id="no-image"),
        pytest.param(lambda: ImagePart(data=b"x", media_type="image/png", url="https://x"), id="two-images"),
        pytest.param(lambda: ImagePart(data=b"x"), id="no-media-type"),
        pytest.param(lambda: ImagePart(url="https://x", media_type="image/png"), id="media-type-of-a-url"),
        pytest.param(lambda: ImagePart(data="x", media_type="image/png"), id="data"),
        pytest.param(lambda: ToolCallPart("", "name"), id="id"),
        pytest.param(lambda: ToolCallPart("id", 7), id="name"),
        pytest.param(lambda: ToolResultPart("id", [7]), id="content"),
        pytest.param(lambda: ChatMessage.user(), id="empty"),
        pytest.param(lambda: ChatMessage.user(7), id="part"),
        pytest.param(lambda: ChatMessage("robot", "Hi"), id="role"),
        pytest.param(lambda: ChatMessage.system(ImagePart(url="https://x")), id="system"),
        pytest.param(lambda: ChatMessage.from_dict({"role": "user"}), id="no-content"),
        pytest.param(lambda: ChatMessage.from_dict({"role": "user", "content": ["Hi"]}), id="no-blocks"),
        pytest.param(lambda: ChatMessage.from_dict({"content": "Hi"}), id="no-role"),
    ],
)
def test_nonsense_is_refused_at_once(make) -> None:
    """Not when the request has failed with a 400."""
    with pytest.raises(ConfigurationError):
        make()


MESSAGES = [
    ChatMessage.user("Hello"),
    ChatMessage.user("Look:", ImagePart(data=PNG, media_type="image/png")),
    ChatMessage.assistant(ThinkingPart("hm", "sig"), TextPart("Yes"), ToolCallPart("toolu_1", "open", {"gate": 1})),
    ChatMessage.tool_result("toolu_1", "open now"),
    ChatMessage.tool_result("toolu_1", (TextPart("stuck"),), is_error=True),
    ChatMessage.system("Be brief."),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.role)
def test_a_message_survives_being_written_and_read(message) -> None:
    """So a conversation can be kept as JSON."""
    assert ChatMessage.from_dict(message.to_dict()) == message


def test_a_message_whose_content_is_text_is_read_too() -> None:
    """The API's short form."""
    assert ChatMessage.from_dict({"role": "user", "content": "Hi"}) == ChatMessage.user("Hi")


def test_what_a_message_says_of_itself() -> None:
    """Its text without the rest, and its tool calls."""
    call = ToolCallPart("toolu_1", "open")
    message = ChatMessage.assistant("One ", call, "two")
    assert (message.text, message.tool_calls, message.has_tool_results) == ("One two", (call,), False)
    assert ChatMessage.tool_result("toolu_1").has_tool_results


def test_a_picture_is_not_in_the_repr() -> None:
    """It would fill the screen."""
    assert "PNG" not in repr(ImagePart(data=PNG, media_type="image/png"))
