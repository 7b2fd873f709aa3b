"""`fullduplex run` as a user meets it: in a process, with piped input and in a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fullduplex.mock_live import say, tool_calls
from fullduplex.mock_live.http import Error, MockText
from fullduplex.mock_live.steps import FunctionCall
from tests.server.processes import environment

pytestmark = pytest.mark.timeout(60)

AGENT = """\
import asyncio
from fullduplex import Agent
from fullduplex.tools import FunctionTool

async def wait_for_ever():
    \"\"\"Waits. Examples: "wait for ever".\"\"\"
    await asyncio.Event().wait()

def pay(name: str) -> dict:
    \"\"\"Pays. Examples: "pay {name}".\"\"\"
    return {"report": f"Paid {name}."}

def look(city: str) -> dict:
    \"\"\"Tells the weather. Examples: "what is the weather in {city}".\"\"\"
    return {"report": f"It is clear in {city}."}

root_agent = Agent(
    name="guide", model=MODEL, tools=[look, wait_for_ever, FunctionTool(pay, require_confirmation=True)]
)
"""


def agent(folder: Path, model: str = '"local"') -> str:
    path = folder / "chat_agent.py"
    path.write_text(AGENT.replace("MODEL", model))
    return str(path)


def run(*arguments: str, says: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fullduplex", "run", *arguments],
        input=says,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(**env),
        timeout=40,
    )


def test_the_demo_agent_answers_line_after_line(tmp_path: Path) -> None:
    done = run(says="what time is it in Tokyo\n\nhello\n", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == '  · get_time(city="Tokyo")'
    assert lines[1].startswith("  · get_time → ")
    assert lines[2].startswith("demo> It is ")
    assert lines[3].startswith("demo> Hello.")
    assert len(lines) == 4


def test_a_tool_that_needs_a_yes_asks_for_it(tmp_path: Path) -> None:
    done = run(agent(tmp_path), says="pay Ada\ny\npay Bob\nno\npay Cy\n", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.count("Allow pay(name=") == 3
    assert all(line.endswith("[y/N] ") for line in done.stdout.splitlines() if line.startswith("Allow"))
    assert "guide> Paid Ada." in done.stdout
    assert "Paid Bob" not in done.stdout
    assert "Paid Cy" not in done.stdout


@pytest.mark.parametrize(
    ("arguments", "env", "words"),
    [
        (("--model", "gemini-2.5-flash"), {}, ("No key for the Gemini API", "--model")),
        (
            ("--model", "gemini-live-2.5-flash"),
            {"GOOGLE_API_KEY": "k"},
            ("can only be talked with", "gemini-3.5-flash"),
        ),
        (("--model", "hal-9000"), {}, ("hal-9000", "openai/…")),
        (("missing.py",), {}, ("there is no file missing.py",)),
        (("--state", "[]"), {}, ("--state is not a JSON object",)),
        (("--state", "{"), {}, ("--state is not JSON",)),
    ],
)
def test_what_cannot_be_run_is_said(
    arguments: tuple[str, ...], env: dict[str, str], words: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(*arguments, says="hello\n", cwd=tmp_path, **env)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("fullduplex: ")
    assert len(done.stderr.splitlines()) == 1
    for word in words:
        assert word in done.stderr


def test_the_demo_agents_live_model_gives_way_to_a_text_model(tmp_path: Path) -> None:
    async def serve() -> subprocess.CompletedProcess[str]:
        async with MockText([[say("Hello there.")]]) as mock:
            env = {"GOOGLE_API_KEY": "k", "GOOGLE_GEMINI_BASE_URL": mock.url}
            env["DEMO_AGENT_MODEL"] = "gemini-2.5-flash-native-audio-preview-12-2025"
            done = await asyncio.to_thread(run, says="hi\n", cwd=tmp_path, **env)
            assert [request.model for request in mock.requests] == ["gemini-3.5-flash"]
            return done

    done = asyncio.run(serve())
    assert (done.returncode, done.stdout) == (0, "demo> Hello there.\n")


def test_any_server_that_speaks_openais_api(tmp_path: Path) -> None:
    async def serve() -> subprocess.CompletedProcess[str]:
        turns = [[tool_calls([FunctionCall("look", {"city": "Oslo"})]), say("It is clear.")], [Error(status=500)]]
        async with MockText(turns) as mock:
            path = agent(tmp_path, '"openai/qwen3"')
            return await asyncio.to_thread(
                run, path, says="how is Oslo?\nand now?\n", cwd=tmp_path, OPENAI_BASE_URL=mock.openai_url
            )

    done = asyncio.run(serve())
    assert done.returncode == 1
    assert done.stdout.splitlines()[:3] == [
        '  · look(city="Oslo")',
        '  · look → {"report": "It is clear in Oslo."}',
        "guide> It is clear.",
    ]
    assert "! unavailable: " in done.stdout
    assert "Traceback" not in done.stderr


def test_a_session_in_a_database_is_gone_on_with(tmp_path: Path) -> None:
    remembering = tmp_path / "remembering.py"
    remembering.write_text(
        "from fullduplex import Agent\n"
        "from fullduplex.apps import App\n"
        "from fullduplex.plugins import BasePlugin\n"
        "from fullduplex.testing.scripted_text_model import ScriptedTextModel\n"
        "class Loud(BasePlugin):\n"
        "    async def on_event_callback(self, *, invocation_context, event):\n"
        "        event.content.parts[0].text = event.content.parts[0].text.upper()\n"
        "model = ScriptedTextModel(lambda request: f'{len(request.contents)} turns')\n"
        "app = App(name='chat', root_agent=Agent(name='guide', model=model), plugins=[Loud('loud')])\n"
    )
    database = ("--session-db", "sqlite:///chat.db")
    first = run(str(remembering), *database, says="hello\n", cwd=tmp_path)
    assert (first.stdout, first.stderr) == ("guide> 1 TURNS\n", "")
    assert run(str(remembering), *database, says="hello\n", cwd=tmp_path).stdout == "guide> 3 TURNS\n"
    assert run(str(remembering), *database, "--user", "b", says="hi\n", cwd=tmp_path).stdout == "guide> 1 TURNS\n"


class Terminal:
    """A process at a terminal of its own."""

    def __init__(self, process: subprocess.Popen[bytes], fd: int) -> None:
        self.process = process
        self._fd = fd
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def until(self, words: str) -> None:
        """Returns when `words` have been printed since the last such call."""
        while words not in self.seen:
            self.seen += os.read(self._fd, 4096).decode(errors="replace")
        self.seen = self.seen.partition(words)[2]


@contextmanager
def terminal(*arguments: str, cwd: Path) -> Iterator[Terminal]:
    ours, theirs = pty.openpty()
    # Tests that were started in the background have Ctrl-C switched off, and would hand that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [sys.executable, "-m", "fullduplex", "run", *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=cwd,
        env=environment(TERM="dumb"),
        start_new_session=True,
    )
    signal.signal(signal.SIGINT, before)
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_in_a_terminal_ctrl_c_stops_an_answer_and_ctrl_d_leaves(tmp_path: Path) -> None:
    with terminal(agent(tmp_path), cwd=tmp_path) as chat:
        chat.until("you> ")
        chat.type("what is the weather in Oslo\n")
        chat.until("guide> It is clear in Oslo.")
        chat.until("you> ")
        chat.type("wait for ever\n")
        chat.until("wait_for_ever()")
        time.sleep(0.2)
        chat.process.send_signal(signal.SIGINT)
        chat.until("(stopped)")
        chat.until("you> ")
        chat.type("what is the weather in Rome\n")
        chat.until("guide> It is clear in Rome.")
        chat.until("you> ")
        chat.type("\x04")
        assert chat.process.wait(20) == 0


def test_in_a_terminal_ctrl_c_at_the_prompt_leaves(tmp_path: Path) -> None:
    with terminal(agent(tmp_path), cwd=tmp_path) as chat:
        chat.until("you> ")
        time.sleep(0.2)
        chat.process.send_signal(signal.SIGINT)
        assert chat.process.wait(20) == 0


def test_in_a_terminal_ctrl_c_at_a_question_is_a_no(tmp_path: Path) -> None:
    with terminal(agent(tmp_path), cwd=tmp_path) as chat:
        chat.until("you> ")
        chat.type("pay Ada\n")
        chat.until("[y/N] ")
        time.sleep(0.2)
        chat.process.send_signal(signal.SIGINT)
        chat.until("did not approve")
        chat.until("you> ")
        chat.type("\x04")
        assert chat.process.wait(20) == 0
