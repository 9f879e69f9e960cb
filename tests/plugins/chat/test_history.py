"""Which part of a conversation is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import ConfigurationError
from unbroken_chat import ChatMessage, TextPart, ToolCallPart, ToolResultPart
from unbroken_chat.apis.messages import written
from unbroken_chat.history import as_message, system_text, trimmed

NOW = ChatMessage.user("now")
RESULT_NOW = ChatMessage.tool_result("t9", "now")


def conversation(pattern: str) -> list[ChatMessage]:
    """u: the user speaks; a: the model; c: the model calls a tool; r: its result; s: system."""
    made = {
        "u": lambda n: ChatMessage.user(f"u{n}"),
        "a": lambda n: ChatMessage.assistant(f"a{n}"),
        "c": lambda n: ChatMessage.assistant(TextPart(f"c{n}"), ToolCallPart(f"t{n}", "tool")),
        "r": lambda n: ChatMessage.tool_result(f"t{n - 1}", f"r{n}"),
        "s": lambda n: ChatMessage.system(f"s{n}"),
    }
    return [made[letter](number) for number, letter in enumerate(pattern)]


@pytest.mark.parametrize(
    ("pattern", "limit", "kept"),
    [
        ("", 20, []),
        ("ua", None, [0, 1]),
        ("ua", 0, []),
        ("uaua", 2, [2, 3]),
        ("uaua", 3, [2, 3]),  # the third from the end is an answer, and its question is too old
        ("uaua", 4, [0, 1, 2, 3]),
        ("uaua", 1, []),
        ("auau", 4, [1, 2, 3]),
        ("ucra", 4, [0, 1, 2, 3]),
        ("ucraua", 5, [4, 5]),  # a result without its call, a call without its question
        ("ucraua", 4, [4, 5]),
        ("ucraua", 6, [0, 1, 2, 3, 4, 5]),
        ("sua", 2, [1, 2]),
        ("usa", 2, [0, 2]),
        ("uauasss", 2, [2, 3]),
    ],
)
def test_the_newest_are_kept_from_a_plain_message_of_the_user_on(pattern, limit, kept) -> None:
    """The limit counts what is before the present message, without instructions."""
    history = conversation(pattern)
    assert trimmed(history, NOW, limit) == [*(history[place] for place in kept), NOW]


@pytest.mark.parametrize("limit", [0, 1, 2, 3])
def test_a_result_brings_its_call_with_it_whatever_the_limit(limit) -> None:
    """And all since the question, or the API would refuse it."""
    history = conversation("uaucrc")
    assert trimmed(history, RESULT_NOW, limit) == [*history[2:], RESULT_NOW]


def test_a_result_without_any_question_is_sent_as_it_is() -> None:
    """What is wrong with it, the API says."""
    assert trimmed(conversation("c"), RESULT_NOW, 5) == [RESULT_NOW]


@given(st.text("uacrs", max_size=12), st.none() | st.integers(0, 14), st.booleans())
def test_whatever_the_conversation_what_is_sent_fits_together(pattern, limit, answers_a_tool) -> None:
    """The newest, in order, from a plain message of the user on, within the limit."""
    history = conversation(pattern)
    current = RESULT_NOW if answers_a_tool else NOW
    *kept, last = trimmed(history, current, limit)
    turns = [message for message in history if message.role != "system"]
    assert last is current
    assert kept == turns[len(turns) - len(kept) :]
    assert not kept or (kept[0].role == "user" and not kept[0].has_tool_results)
    if not answers_a_tool and limit is not None:
        assert len(kept) <= limit
    # Nothing that could have been kept is missing.
    longer = turns[len(turns) - (limit if limit is not None else len(turns)) :] if limit != 0 else []
    first = next((n for n, it in enumerate(longer) if it.role == "user" and not it.has_tool_results), len(longer))
    assert len(kept) >= len(longer[first:])


def test_messages_of_the_same_role_in_a_row_become_one() -> None:
    """The API wants them in turns."""
    messages = [
        ChatMessage.user("one"),
        ChatMessage.user("two"),
        ChatMessage.assistant("three"),
        ChatMessage.user(ToolResultPart("t", "four"), "five"),
    ]
    assert written(messages) == [
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
        {"role": "assistant", "content": [{"type": "text", "text": "three"}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "four"},
                {"type": "text", "text": "five"},
            ],
        },
    ]


def test_instructions_are_one_text() -> None:
    """Those of the generator first, then those of the conversation, whatever is trimmed."""
    assert system_text("Be kind.", history=conversation("sus")) == "Be kind.\n\ns0\n\ns2"
    assert system_text(None, history=conversation("u")) == ""


def test_text_is_a_message_of_the_user() -> None:
    """The short form."""
    assert as_message("Hi") == ChatMessage.user("Hi")
    assert as_message(NOW) is NOW


@pytest.mark.parametrize(
    "message", [None, 5, ["Hello"], {"role": "system", "content": "x"}, ChatMessage.system("x")], ids=str
)
def test_what_is_no_message_is_refused(message) -> None:
    """With its name."""
    with pytest.raises(ConfigurationError, match="message"):
        as_message(message)
