"""The decoder of Amazon event streams against the one of botocore: same messages, same refusals."""

import os
import struct
import zlib
from random import Random
from typing import Any

from botocore.eventstream import EventStreamBuffer, EventStreamHeaderParser, ParserError

from unbroken.errors import StreamError
from unbroken.eventstream import EventStreamDecoder, Message, decode_message, encode_message

FRAMES = 100_000 if os.environ.get("UNBROKEN_LONG") == "1" else 2_000
SEED = int(os.environ.get("UNBROKEN_SEED", "0"))
REFUSALS = (ParserError, struct.error, KeyError, UnicodeDecodeError)
"""What botocore raises for a message that is not valid."""


class Parser(EventStreamHeaderParser):
    """It also refuses a header that is cut off: botocore takes what is there of text, bytes and UUIDs."""

    def _advance_data(self, consumed: int) -> None:
        if consumed > len(self._data):
            raise ParserError("cut off")
        super()._advance_data(consumed)


class Buffer(EventStreamBuffer):
    """It also refuses a total length that is less than the headers need: botocore waits for it, or reads on."""

    def __init__(self) -> None:
        super().__init__()
        self._header_parser = Parser()

    def _validate_prelude(self, prelude: Any) -> None:
        super()._validate_prelude(prelude)
        if prelude.payload_length < 0:
            raise ParserError("too short")


def by_botocore(data: bytes) -> Message | None:
    buffer = Buffer()
    buffer.add_data(data)
    try:
        messages = list(buffer)
    except REFUSALS:
        return None
    whole = len(messages) == 1 and not buffer._data
    return Message(messages[0].headers, messages[0].payload) if whole else None


def by_us(data: bytes) -> Message | None:
    try:
        message = decode_message(data)
    except StreamError:
        return None
    # botocore leaves UUIDs as bytes
    headers = {name: getattr(value, "bytes", value) for name, value in message.headers.items()}
    return Message(headers, message.payload)


def value(chance: Random) -> bytes:
    kind = chance.randrange(10)
    some = chance.randbytes(chance.choice([0, 1, 7, 300]))
    if kind == 7:
        some = "".join(chance.choices("ab:é€\U0001f94c", k=chance.randrange(20))).encode()
    fixed = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
    return bytes([kind]) + (chance.randbytes(fixed[kind]) if kind in fixed else struct.pack(">H", len(some)) + some)


def frame(chance: Random) -> bytes:
    """Return a message with headers of all types, made without the code that is tested."""
    names = [f"{':' * (number % 2)}name-{number}".encode() for number in range(chance.randrange(6))]
    headers = b"".join(b"%c%b%b" % (len(name), name, value(chance)) for name in names)
    payload = chance.randbytes(chance.choice([0, 1, 40, 2000]))
    return sealed(struct.pack(">III", 16 + len(headers) + len(payload), len(headers), 0) + headers + payload + bytes(4))


def sealed(data: bytes) -> bytes:
    start = data[:8] + struct.pack(">I", zlib.crc32(data[:8])) + data[12:-4]
    return start + struct.pack(">I", zlib.crc32(start))


def corrupted(chance: Random, data: bytes) -> bytes:
    """Return `data` with a mistake; half of the mistakes have CRCs that fit."""
    damaged = bytearray(data)
    at = chance.choice([chance.randrange(len(data)), chance.randrange(12), 12 + chance.randrange(len(data) - 12)])
    match chance.randrange(4):
        case 0:
            damaged[at] ^= 1 << chance.randrange(8)
        case 1:
            damaged[at] = chance.randrange(256)
        case 2:
            del damaged[at : at + chance.randrange(1, 5)]
        case _:
            damaged[at:at] = chance.randbytes(chance.randrange(1, 5))
    if chance.random() < 0.5 or len(damaged) < 16:
        return bytes(damaged)
    if chance.random() < 0.7:
        damaged[:4] = struct.pack(">I", len(damaged))
    return sealed(bytes(damaged))


def test_the_messages_of_botocore_are_ours() -> None:
    """Headers and payloads are equal, and what one refuses the other refuses, too."""
    refused = 0
    for number in range(FRAMES):
        chance = Random(f"{SEED}:{number}")
        whole = frame(chance)
        expected = by_botocore(whole)
        assert expected is not None
        assert by_us(whole) == expected, (SEED, number)
        damaged = corrupted(chance, whole)
        expected = by_botocore(damaged)
        assert by_us(damaged) == expected, (SEED, number)
        refused += expected is None
    assert 0.4 * FRAMES < refused < FRAMES


def test_botocore_reads_what_we_write() -> None:
    """And both make the same of a stream of such messages."""
    chance = Random(SEED)
    written = [
        ({":message-type": "event", ":event-type": f"e{number}", "n": number - 25}, chance.randbytes(number))
        for number in range(50)
    ]
    stream = b"".join(encode_message(headers, payload) for headers, payload in written)
    buffer = EventStreamBuffer()
    buffer.add_data(stream)
    assert [(message.headers, message.payload) for message in buffer] == written
    assert [event.raw for event in EventStreamDecoder().feed(stream)] == [payload for _, payload in written]
