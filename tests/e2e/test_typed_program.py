"""The user's program that type-checks runs, too."""

from ..typing.program import main


def test_the_program_that_type_checks_does_what_it_says() -> None:
    """Over sockets, and in virtual time where it tests itself."""
    did = main()
    assert (did["text"], did["message"]) == ("<assistant>[0]Water runs.[0]<end_turn>", "Water runs.")
    assert (did["attempts"], did["whole"], did["both"]) == (2, "chat.completion", ["Water falls."] * 2)
    assert did["relayed"].endswith(b"\n\n")
    assert did["sdk"].endswith('data: {"type":"message_stop"}\n\n')
    assert [getattr(each, "text", each) for each in did["chat"]] == ["Water falls.", "Water", " falls.", "Water falls."]
    assert did["achat"].text == "Water falls."
    assert did["failures"] == ["cut: first_event", "later: 2.0"]
    assert did["refused"] == ["retry.max_retrys"]
    assert did["script"][1:] == ["POST", "POST"]
    assert did["tested"] == ["audit: TryAgain", "success after 2 events", "7"]
    assert did["requests"] == 12
