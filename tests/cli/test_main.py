from __future__ import annotations

import subprocess
import sys

import pytest

import fullduplex
from fullduplex.cli import build_parser, main
from tests.server.processes import environment


def test_version(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith(f"fullduplex {fullduplex.__version__} (Python 3.")


@pytest.mark.parametrize("arguments", [["--help"], ["web", "--help"], ["run", "--help"], ["mock-live", "--help"]])
def test_help(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 0
    assert "usage: fullduplex" in capsys.readouterr().out


def test_without_a_command_it_says_how_to_call_it(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert "fullduplex web" in capsys.readouterr().out


def test_an_unknown_command_is_an_error(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as left:
        main(["dance"])
    assert left.value.code == 2
    assert "dance" in capsys.readouterr().err


def test_the_module_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "fullduplex", "--version"], capture_output=True, text=True, env=environment(), timeout=30
    )
    assert done.returncode == 0
    assert done.stdout.startswith("fullduplex ")


def test_the_parser_needs_no_server():
    code = (
        "import sys; from fullduplex.cli import build_parser; build_parser(); "
        "sys.exit('fastapi' in sys.modules or 'uvicorn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), timeout=30)
    assert done.returncode == 0


def test_options_of_web():
    options = build_parser().parse_args(["web", "agent.py:one", "--port", "0", "--host", "0.0.0.0", "--model", "local"])
    assert (options.agent, options.port, options.host, options.model) == ("agent.py:one", 0, "0.0.0.0", "local")
