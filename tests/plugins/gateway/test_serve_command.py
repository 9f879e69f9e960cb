"""What `unbroken serve` says when it cannot serve."""

import sys

import pytest
from typer.testing import CliRunner, Result

from unbroken_gateway.__main__ import app


def serve(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["serve", *arguments])


def test_a_missing_extra_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to install."""
    for name in [name for name in sys.modules if name.startswith("unbroken_gateway.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    ran = serve()
    assert (ran.exit_code, ran.stderr) == (2, "unbroken serve needs uvicorn: pip install 'unbroken[gateway]'\n")


def test_all_problems_are_told_at_once(tmp_path) -> None:
    """Each on a line, with its place and the file."""
    file = tmp_path / "gateway.toml"
    file.write_text("[gateway]\nkeepalive = 'soon'\nhostz = []\n[gateway.plans.free]\nmodels = ['none']\n", "utf-8")
    ran = serve("--config", str(file))
    assert ran.exit_code == 2
    first, *problems = ran.stderr.splitlines()
    assert first == "The configuration cannot be used:"
    assert {line.split()[1] for line in problems} >= {
        "gateway.keepalive:",
        "gateway.hostz:",
        "gateway.plans.free.models:",
    }
    assert all(str(file) in line for line in problems)


@pytest.mark.parametrize("arguments", [("--listen", "0.0.0.0:0"), ("--workers", "2")], ids=["listen", "workers"])
def test_a_trial_is_for_one_worker_on_this_machine(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, str]) -> None:
    """And the command says that it is one."""
    monkeypatch.delenv("UNBROKEN_GATEWAY_CONFIG", raising=False)
    ran = serve(*arguments)
    assert ran.exit_code == 2
    assert ran.stderr.endswith("Without --config the gateway is a trial for this machine, with one worker.\n")
