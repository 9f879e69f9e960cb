"""Checks a dialect against the contract of dialect authors, with one recorded stream."""

from collections.abc import Sequence
from importlib.util import find_spec
from typing import Final

from ..dialect import Dialect
from ..errors import NetworkError
from ._decoder_rules import DecoderRules
from ._findings import Findings
from ._player import Body, Player
from ._reader_rules import ReaderRules
from ._stream_rules import StreamRules
from .recording import Recording, inserted
from .runner import AsyncBackend

_MOST_TWINS: Final = 16


def check_dialect(dialect: Dialect, recording: Recording) -> None:
    """Check `dialect` with a good stream and what it means. Raises AssertionError that lists every breach.

    The stream is cut at every byte, in two and for good, by a normal end and by a failure of the network; keep-alives,
    unknown events, failures and garbage are put in every place; events are repeated, left out and moved; data is
    replaced by every type of JSON. No outcome may be a success without the proof or with another text, no failure may
    be anything but an `unbroken.Error` of the right class, and nothing that was delivered may be wrong. Each breach is
    named by its rule. `recording` may leave out what the API does not have, but what is left out is not checked.
    """
    findings = Findings()
    recording = recording.with_terminal(dialect.has_terminal_event)
    decoding = DecoderRules(dialect, recording, findings)
    reading = ReaderRules(dialect, recording, findings, decoding.view, decoding.events())
    player = Player(dialect, recording)
    decoding.run()
    reading.run()
    for error in recording.errors:
        if (event := decoding.reported(error)) is not None:
            reading.twins(error, event)
    streams = StreamRules(player, recording, findings, reading.texts(), decoding.is_whole)
    streams.run()
    _in_backends(player, recording, findings)
    problems = str(findings)
    assert not problems, f"the contract of dialects is broken:\n{problems}"


def _in_backends(player: Player, recording: Recording, findings: Findings) -> None:
    """Note what differs under an event loop."""
    bodies = _bodies(recording)
    expected = [player.play(*body) for body in bodies]
    backends: Sequence[AsyncBackend] = ("asyncio", "trio") if find_spec("trio") else ("asyncio",)
    for backend in backends:
        for number, seen in enumerate(player.in_backend(backend, bodies)):
            if seen.facts != expected[number].facts:
                findings.note("async", f"the outcome is not that of the sync client in {backend}", f"play {number + 1}")


def _bodies(recording: Recording) -> list[Body]:
    body, bodies = recording.body, list[Body]()
    bodies += [(body,), recording.pieces, [body[at : at + 1] for at in range(len(body))]]
    for at in recording.borders(_MOST_TWINS):
        start = b"".join(recording.pieces[:at])
        bodies += [(start,), (start, NetworkError("reset"))]
        bodies += [(inserted(recording.pieces, at, error.data),) for error in recording.errors]
    return bodies
