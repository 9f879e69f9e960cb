"""What a conversation remembers, and the commands within it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unbroken import Usage
from unbroken_chat import ChatMessage
from unbroken_cli.chat._session import Session, Tokens
from unbroken_cli.chat._slash import COMMANDS, FileProblem, interpret, read, write

ONE = [ChatMessage.user("one"), ChatMessage.assistant("1")]
TWO = [ChatMessage.user("two"), ChatMessage.assistant("2")]
CONVERSATION = [*ONE, *TWO]


def talk(session: Session, *exchanges: tuple[str, str]) -> Session:
    """Ask and answer."""
    for question, answer in exchanges:
        assert session.answered(session.begin(question), ChatMessage.assistant(answer))
    return session


def texts(messages) -> list[str]:
    return [f"{message.role}: {message.text}" for message in messages]


@pytest.fixture
def session() -> Session:
    return talk(Session(model="m"), ("one", "1"), ("two", "2"))


def test_a_question_becomes_history_with_its_answer(session):
    """Both together, in order, and the next question is sent behind them."""
    assert session.history == CONVERSATION
    assert session.begin("three").history == tuple(CONVERSATION)


def test_a_question_without_an_answer_leaves_no_trace(session):
    """A failed or cancelled one is not sent again with the next."""
    session.begin("lost")
    assert session.history == CONVERSATION
    assert texts(session.context(session.begin("next"))) == texts(CONVERSATION)


@pytest.mark.parametrize("answer", [ChatMessage.assistant(""), ChatMessage.assistant(" \n", "")], ids=["none", "white"])
def test_an_empty_answer_is_no_history(session, answer):
    """APIs refuse empty messages, so that one would spoil every question after it."""
    assert not session.answered(session.begin("three"), answer)
    assert session.history == CONVERSATION


def test_the_system_text_goes_before_the_history(session):
    """As a system message, that every backend writes in its own way."""
    session.system = "Be brief"
    assert texts(session.context(session.begin("three")))[0] == "system: Be brief"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", ""),
        ("   ", ""),
        ("/clear", "Forgotten: 4 messages."),
        ("/system Be brief", "The model has new instructions."),
        ("/system", "The model has no instructions any more."),
        ("/model other", "The model is other."),
        ("/model", "The model is m."),
        ("/usage", "0 answers: 0 tokens read, 0 written."),
        ("/save", "Name a file: /save FILE."),
        ("/load  ", "Name a file: /load FILE."),
        ("/load nowhere.json", "nowhere.json cannot be read: No such file or directory."),
        ("/save no/such/folder", "no/such/folder cannot be written: No such file or directory."),
        ("/save .", ". is there already, and is no conversation."),
        ("/save ~nobody-of-that-name/x", "~nobody-of-that-name/x: there is no such home directory."),
        ("/load a\0b", "a\0b cannot be read: embedded null byte."),
    ],
)
def test_each_command_says_what_it_did(session, line, said):
    """And asks nothing, and goes on."""
    done = interpret(session, line)
    assert (done.said, done.ask, done.leave) == (said, None, False)


def test_help_names_every_command(session):
    """With what to type and what it does."""
    said = interpret(session, "/help").said
    assert all(command.usage in said and command.doc in said for command in COMMANDS)


@pytest.mark.parametrize("line", ["/foo", "/", "/clearly", "/etc/passwd what is it?"])
def test_an_unknown_command_says_which_there_are(session, line):
    """It is neither asked nor guessed at."""
    done = interpret(session, line)
    assert done.ask is None
    assert done.said.startswith(f"There is no {line.split()[0]}; there are /help, /clear,")


def test_a_space_makes_a_question_of_what_looks_like_a_command(session):
    """A user can ask about a path."""
    assert interpret(session, " /etc/passwd?").ask.question == ChatMessage.user("/etc/passwd?")


def test_quit_leaves(session):
    """Nothing else does."""
    assert [command.name for command in COMMANDS if interpret(session, command.name).leave] == ["/quit"]


def test_clear_forgets_the_history_and_nothing_else(session):
    """Model, system text and counts stay; there is nothing to ask again."""
    session.system = "Be brief"
    session.tokens.add(Usage(input_tokens=3), finished=True)
    interpret(session, "/clear")
    assert (session.history, session.model, session.system, session.tokens.read) == ([], "m", "Be brief", 3)
    assert interpret(session, "/retry").said == "There is no question to ask again."


def test_retry_asks_the_last_question_without_its_answer(session):
    """The new answer takes the place of the old one."""
    turn = interpret(session, "/retry").ask
    assert (list(turn.history), turn.question.text) == (ONE, "two")
    assert session.answered(turn, ChatMessage.assistant("2b"))
    assert texts(session.history) == ["user: one", "assistant: 1", "user: two", "assistant: 2b"]


def test_a_retry_that_fails_loses_nothing(session):
    """The old answer is there until there is a new one."""
    interpret(session, "/retry")
    assert session.history == CONVERSATION


def test_retry_after_a_failure_asks_what_failed(session):
    """The answer before it stays where it is."""
    session.begin("lost")
    turn = interpret(session, "/retry").ask
    assert (list(turn.history), turn.question.text) == (CONVERSATION, "lost")


@pytest.mark.parametrize(
    ("counted", "said"),
    [
        ([(Usage(input_tokens=10, output_tokens=4), True)], "1 answer: 10 tokens read, 4 written."),
        (
            [(Usage(input_tokens=1, output_tokens=2, cache_read_tokens=3, cache_write_tokens=4), True)] * 2,
            "2 answers: 2 tokens read and 14 from and to the cache, 4 written.",
        ),
        (
            [(Usage(input_tokens=10, output_tokens=1), False), (None, False)],
            "1 answer: 10 tokens read, 1 written. Of 1 not finished, what the server had counted by then.",
        ),
        ([(None, True)], "1 answer: 0 tokens read, 0 written. Of 1 the server gave no counts."),
        ([(Usage(), True)], "1 answer: 0 tokens read, 0 written."),
    ],
    ids=["one", "cache", "unfinished", "uncounted", "empty"],
)
def test_usage_adds_up_and_says_what_it_does_not_know(counted, said):
    """A cancelled answer costs tokens too; one that never came about is none."""
    session = Session(tokens=Tokens())
    for usage, finished in counted:
        session.tokens.add(usage, finished=finished)
    assert interpret(session, "/usage").said == said


def test_a_saved_conversation_can_be_loaded(session, nowhere):
    """History and system text; the last question can be asked again."""
    session.system = "Be brief"
    assert interpret(session, "/save talk.json").said == "5 messages written to talk.json."
    fresh = Session()
    assert interpret(fresh, "/load talk.json").said == "5 messages read from talk.json."
    assert (fresh.history, fresh.system) == (CONVERSATION, "Be brief")
    assert interpret(fresh, "/retry").ask.question.text == "two"
    assert [path.name for path in nowhere.iterdir()] == ["talk.json"]


def test_a_conversation_without_instructions_leaves_those_of_now(session):
    """What was given with `--system` is not lost by loading a file that has none."""
    interpret(session, "/save talk.json")
    fresh = Session(system="Be brief")
    interpret(fresh, "/load talk.json")
    assert fresh.system == "Be brief"


def test_a_question_that_tools_answered_is_asked_again_whole(nowhere):
    """The last question is the last one of the user, not the result of a tool."""
    question = {"role": "user", "content": "How warm is it?"}
    call = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "warmth", "input": {}}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "20"}]}
    answer = {"role": "assistant", "content": "20 degrees"}
    (nowhere / "talk.json").write_text(json.dumps([question, call, result, answer]))
    session = Session()
    interpret(session, "/load talk.json")
    turn = interpret(session, "/retry").ask
    assert (turn.history, turn.question.text) == ((), "How warm is it?")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{}", "holds no list of messages"),
        ("[1]", "message 1 is no object"),
        ('[{"role": "user", "content": "a"}, {"role": "judge", "content": "b"}]', "message 2: role must be one of"),
        ('[{"role": "user"}]', "message 1: content must be"),
        ('[{"role": "user", "content": [3]}]', "message 1: content must be"),
        ('[{"role": "user", "content": []}]', "message 1: parts a message must say something"),
    ],
    ids=["broken", "nested", "object", "number", "role", "content", "block", "empty"],
)
def test_a_file_that_is_no_conversation_changes_nothing(session, nowhere, content, said):
    """It says what is wrong and where, and the present conversation stays; it is not overwritten either."""
    (nowhere / "other.json").write_text(content)
    assert said in interpret(session, "/load other.json").said
    assert interpret(session, "/save other.json").said == "other.json is there already, and is no conversation."
    assert (session.history, (nowhere / "other.json").read_text()) == (CONVERSATION, content)


def test_a_conversation_is_written_over_an_older_one(session):
    """Saving again, after another answer, needs no other name."""
    interpret(session, "/save talk.json")
    talk(session, ("three", "3"))
    assert interpret(session, "/save talk.json").said == "6 messages written to talk.json."


def test_a_block_with_a_type_that_is_no_name_is_kept(nowhere):
    """Whatever a file says, loading it does not end the program."""
    (nowhere / "odd.json").write_text('[{"role": "user", "content": [{"type": []}]}]')
    (message,) = read(nowhere / "odd.json")
    assert message.to_dict()["content"] == [{"type": []}]


MESSAGES = st.lists(
    st.builds(ChatMessage, st.sampled_from(["user", "assistant"]), st.lists(st.text(), min_size=1, max_size=2))
)


@given(messages=MESSAGES)
def test_what_is_written_is_what_is_read(tmp_path_factory, messages):
    """Any text comes back as it was."""
    path = tmp_path_factory.mktemp("chat") / "talk.json"
    write(path, messages)
    assert read(path) == messages


def test_text_that_cannot_be_written_leaves_the_file_alone(nowhere):
    """Half a character, which only a program can make, is refused, and what was saved before is still there."""
    path = nowhere / "talk.json"
    write(path, CONVERSATION)
    with pytest.raises(FileProblem, match=r"cannot be written: .*surrogates"):
        write(path, [ChatMessage.user("\ud800")])
    assert read(path) == CONVERSATION
    assert list(nowhere.iterdir()) == [path]
