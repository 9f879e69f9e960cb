import socket
import urllib.error
import urllib.request

import unbroken_cli.faults as cli_faults
from unbroken_faults import parse_script


def test_the_catalogue_is_listed(invoke):
    """Every fault with how it is written in a script."""
    result = invoke("faults", "--list")
    assert result.exit_code == 0
    assert "rate_limited:retry_after=..." in result.stdout
    assert "Refuse with 429." in result.stdout


def _serve(monkeypatch, capsys, script: str, *paths: str) -> str:
    """Serve until these paths were asked for; return what was printed."""
    waiting = [*paths]

    def ask(line: str) -> None:
        try:
            urllib.request.urlopen(f"{line}{waiting.pop(0)}", data=b"{}").close()
        except urllib.error.HTTPError as error:
            error.close()

    seen: list[str] = []
    real = cli_faults._introduce

    def introduce(out, url: str, count: int) -> None:
        seen.append(url)
        real(out, url, count)

    def tick() -> None:
        if not waiting:
            waiting.append("")
            return
        if waiting == [""]:
            raise KeyboardInterrupt
        ask(seen[0])

    monkeypatch.setattr(cli_faults, "_introduce", introduce)
    cli_faults.serve(parse_script(script), port=0, seed=0, tick=tick)
    return capsys.readouterr().out


def test_each_request_is_printed_with_its_fault(monkeypatch, capsys):
    """From the script, then well, or as the request itself asks."""
    paths = ["/v1/messages", "/v1/messages", "/v1/messages?fault=401"]
    output = _serve(monkeypatch, capsys, "429:retry_after=0.2", *paths)
    assert "the next request follows the script" in output
    lines = [" ".join(line.split()) for line in output.splitlines() if "POST" in line]
    assert lines[0].endswith("POST /v1/messages status=429 headers=retry-after,0.2")
    assert lines[1].endswith("POST /v1/messages ok")
    assert lines[2].endswith("POST /v1/messages 401")
    assert output.endswith("3 requests\n")


def test_the_paths_of_all_apis_are_listed(monkeypatch, capsys):
    """The server answers at the first of each; only MCP asks for more than an empty object."""
    paths = [each.partition(",")[0].replace("MODEL", "m") for name, each in cli_faults.PATHS.items() if name != "mcp"]
    output = _serve(monkeypatch, capsys, "", *paths)
    assert all(each in output for each in cli_faults.PATHS.values())
    lines = [" ".join(line.split()) for line in output.splitlines() if "POST" in line]
    assert [line.endswith(" ok") for line in lines] == [True] * len(paths)


def test_a_long_fault_is_cut(monkeypatch, capsys):
    """One line per request, whatever the fault."""
    assert "…" in _serve(monkeypatch, capsys, f"ok:text={'x' * 100}", "/v1/messages")


def test_without_a_script_everything_is_answered_well(monkeypatch, capsys):
    """The server says what it will do."""
    assert "every request is answered well" in _serve(monkeypatch, capsys, "")


def test_a_script_that_makes_no_sense_is_exit_code_2(invoke):
    """With the item, and the nearest name."""
    result = invoke("faults", "--script", "ok, stahl")
    assert result.exit_code == 2
    assert "'stahl'" in result.stderr


def test_a_port_in_use_is_exit_code_2(invoke):
    """It says so, without a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = invoke("faults", "--port", str(taken.getsockname()[1]))
    assert result.exit_code == 2
    assert "--port" in result.stderr
