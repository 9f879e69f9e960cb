"""What the tests of all clients share."""

from unbroken.testing import Answer, sse
from unbroken_retry import Retry
from unbroken_sdk.testing import scripted

MESSAGES = [{"role": "user", "content": "hi"}]
PIECE = {"id": "1", "created": 0, "model": "m", "object": "chat.completion.chunk"}
SAID = {"role": "assistant", "content": "Half"}
HALF_OF_CHAT = Answer(
    body=sse(
        ("", {**PIECE, "choices": [{"index": 0, "delta": SAID, "finish_reason": None}]}),
    )
)
"""A stream of Chat Completions that ends behind its first text."""
HALF_OF_A_MESSAGE = Answer(
    body=sse(
        *(
            (event["type"], event)
            for event in (
                {
                    "type": "message_start",
                    "message": {
                        "id": "msg_1",
                        "type": "message",
                        "role": "assistant",
                        "model": "m",
                        "content": [],
                        "stop_reason": None,
                        "stop_sequence": None,
                        "usage": {"input_tokens": 1, "output_tokens": 1},
                    },
                },
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Half"}},
            )
        )
    )
)
"""A stream of Messages that does."""


def under(client, *answers, requests=None):
    """The client over a script, with retries."""
    return scripted(client, answers, [Retry()], requests=requests)
