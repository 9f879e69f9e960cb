"""A client and generators whose server answers whatever it is told, and what every error of theirs must be."""

import json
from typing import Any

from unbroken import Client, Dialect, Error, Event, PluginError
from unbroken.testing import Answer, FakeClock, ScriptedTransport
from unbroken_chat import ChatCompletions, ContentGenerator

URL = "https://api.example.org/v1"


class Server:
    """A client and a generator, and the answer that they get next."""

    def __init__(self, dialect: Dialect, asked: dict[str, Any] | None = None) -> None:
        self.refused_arguments = False
        self.answer, self.asked = Answer(), asked or {}
        clock = FakeClock()
        transport: Any = ScriptedTransport(lambda _: self.answer, clock)
        self.client = Client([], dialect=dialect, transport=transport, clock=clock)
        self.generator = ContentGenerator.proxy(URL, transport=transport, clock=clock, plugins=[])
        self.completions = ChatCompletions(URL, transport=transport, clock=clock, plugins=[])
        self.forget = transport.requests.clear, transport.sent_at.clear, transport.exchanges.clear

    def text(self, answer: Answer) -> tuple[list[Event], list[str], Error | None]:
        """Return the events of `answer`, the text of each, and the error at the end."""
        self.answer, events, pieces = answer, list[Event](), list[str]()
        try:
            with self.client.stream("POST", URL, json=self.asked) as stream:
                for event in stream:
                    events.append(event)
                    pieces.append(stream.text_of(event) or "")
        except Error as error:
            return events, pieces, checked(error)
        finally:
            [forget() for forget in self.forget]
        return events, pieces, None

    def reply(self, answer: Answer) -> tuple[str, Any, Error | None]:
        """Return the text that the generator hands out of `answer`, the reply, and the error instead of it."""
        self.answer, text = answer, ""
        try:
            with self.generator.stream_request("Hello") as stream:
                for piece in stream.text():
                    text += piece
                reply = stream.reply()
                assert json.loads(json.dumps(reply.to_dict())) is not None
                return text, reply, None
        except Error as error:
            return text, None, checked(error)
        finally:
            [forget() for forget in self.forget]

    def completion(self, answer: Answer) -> str | None:
        """Return the text of `answer` as that of a completion, None after an error."""
        self.answer, self.refused_arguments = answer, False
        try:
            return self.completions.send_request("Hello", **self.asked).text
        except Error as error:
            self.refused_arguments = "arguments of tool call" in error.message
            checked(error)
            return None
        finally:
            [forget() for forget in self.forget]


def checked(error: Error) -> Error:
    """Return `error`, which must say in one line what is wrong."""
    said = error.message
    assert not isinstance(error, PluginError), repr(error)
    assert said.strip(), repr(error)
    assert said.isprintable(), said
    assert len(said) < 1200, said
    return error
