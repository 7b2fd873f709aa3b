from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from fullduplex.cli.web import NATIVE_AUDIO_MODEL, demo_model
from tests.server.processes import Program, environment, running

EXAMPLES = Path(__file__).parents[2] / "examples"

PRINTS_ITS_KEY = """\
import os
from fullduplex import Agent
print("imported with", os.environ.get("GOOGLE_API_KEY"), os.environ.get("MY_NAME"), flush=True)
root_agent = Agent(name=os.environ["MY_NAME"], model="local")
"""


def web(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """`fullduplex web` that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "fullduplex", "web", "--port", "0", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(**env),
        timeout=30,
    )


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (("--model", "gemini-live-2.5-flash"), {}, ("gemini-live-2.5-flash needs a key", "GOOGLE_API_KEY")),
        ((), {"DEMO_AGENT_MODEL": "gemini-live-2.5-flash"}, ("GOOGLE_API_KEY",)),
        (("--model", "hal-9000"), {}, ("hal-9000",)),
        (("missing.py",), {}, ("there is no file missing.py",)),
        ((), {"FULLDUPLEX_SESSION_CONFLICT": "fight"}, ("session_conflict",)),
        (("--session-db", "mongodb://here"), {}, ("there is no database to open", "mongodb")),
    ],
)
@pytest.mark.spec(179)
def test_what_is_missing_is_said_in_one_line(
    arguments: tuple[str, ...], env: dict[str, str], words: tuple[str, ...], tmp_path: Path
):
    done = web(*arguments, cwd=tmp_path, **env)
    assert done.returncode == 2
    assert done.stderr.startswith("fullduplex: ")
    assert len(done.stderr.strip().splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_a_port_that_is_taken(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = web("--model", "local", "--port", port, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == f"fullduplex: cannot listen on 127.0.0.1:{port}: Address already in use"


@pytest.mark.spec(179)
def test_dotenv_is_read_before_the_agent_is_imported(tmp_path: Path):
    (tmp_path / ".env").write_text("GOOGLE_API_KEY=from-the-file\nMY_NAME=from_the_file\n")
    (tmp_path / "agent.py").write_text(PRINTS_ITS_KEY)
    with running(
        "-m", "fullduplex", "web", "agent.py", "--port", "0", cwd=tmp_path, env=environment(MY_NAME="mine")
    ) as p:
        address = p.read_until(r"http://\S+")[0]
        assert "imported with from-the-file mine" in p.lines, "the environment's own values stay"
        assert httpx.get(f"{address}/api/info").json()["agent"] == "mine"
        p.stop()


@pytest.mark.parametrize(
    ("env", "model"),
    [
        ({}, "local"),
        ({"GOOGLE_API_KEY": "k"}, NATIVE_AUDIO_MODEL),
        ({"GOOGLE_API_KEY": "k", "DEMO_AGENT_MODEL": "gemini-x"}, "gemini-x"),
        ({"DEMO_AGENT_MODEL": "local"}, "local"),
        ({"GOOGLE_API_KEY": "", "DEMO_AGENT_MODEL": " "}, "local"),
    ],
)
def test_the_demo_runs_on_what_is_there(env: dict[str, str], model: str):
    assert demo_model(env) == model


def wait_for_turn(client: ClientConnection) -> list[dict[str, object]]:
    events = [json.loads(client.recv(timeout=10))]
    while "turnComplete" not in events[-1]:
        events.append(json.loads(client.recv(timeout=10)))
    return events


def test_the_quickstart_answers(tmp_path: Path):
    agent = str(EXAMPLES / "quickstart" / "agent.py")
    with running("-m", "fullduplex", "web", agent, "--port", "0", cwd=tmp_path) as server:
        address = server.read_until(r"http://(\S+)")[1]
        assert httpx.get(f"http://{address}/health").json() == {"status": "ok"}
        with connect(f"ws://{address}/ws/me/s1?modality=TEXT") as client:
            client.send('{"type":"text","text":"how long is a marathon"}')
            events = wait_for_turn(client)
        assert "A marathon is 42.2 kilometres long." in json.dumps(events)
        code, _ = server.stop()
        assert code == 0


@contextmanager
def a_call(server: Program) -> Iterator[ClientConnection]:
    """A voice call in the middle of a long answer."""
    address = server.read_until(r"http://(\S+)")[1]
    with connect(f"ws://{address}/ws/me/s1", max_size=None) as client:
        client.send('{"type":"text","text":"tell me about yourself"}')
        while "inlineData" not in str(client.recv(timeout=10)):
            pass
        yield client


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_is_gone_soon_after_a_signal_with_a_call_in_progress(number: signal.Signals, tmp_path: Path):
    with running("-m", "fullduplex", "web", "--port", "0", cwd=tmp_path) as server:
        with a_call(server) as client:
            helpers = server.children()
            code, seconds = server.stop(number)
            assert code == 0
            assert seconds < 2
            _wait_until_gone(helpers)
        assert client.close_code == 1012
        assert server.process.stdout is not None
        said = server.process.stdout.read()
        assert "Traceback" not in said, said


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_helper_processes_do_not_outlive_a_server_that_is_killed(tmp_path: Path):
    with running("-m", "fullduplex", "web", "--port", "0", cwd=tmp_path) as server:
        with a_call(server):
            helpers = server.children()
            server.stop(signal.SIGKILL)
            _wait_until_gone(helpers)


def _wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 3
    while left := [pid for pid in pids if _alive(pid)]:
        assert time.monotonic() < deadline, f"still there: {left}"
        time.sleep(0.02)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_tool_that_no_model_can_be_told_of_is_said_at_the_start(tmp_path: Path):
    (tmp_path / "agent.py").write_text(
        "from fullduplex import Agent\n"
        "def rotate(by: complex) -> str:\n    return str(by)\n"
        "root_agent = Agent(name='spinner', model='local', tools=[rotate])\n"
    )
    done = web("agent.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("fullduplex: a tool of agent spinner: ")
    assert len(done.stderr.strip().splitlines()) == 1


def test_two_tools_of_one_name_are_named_at_the_start(tmp_path: Path):
    (tmp_path / "agent.py").write_text(
        "from fullduplex import Agent\n"
        "from fullduplex.tools import FunctionTool\n"
        "def find(what: str) -> str:\n    return what\n"
        "root_agent = Agent(name='finder', model='local', tools=[find, FunctionTool(find)])\n"
    )
    done = web("agent.py", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("fullduplex: a tool of agent finder: more than one tool is called find")
