"""The command line, as a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from websockets.sync.client import connect

from fullduplex.mock_live.cli import main

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k"


def test_serves_a_script_until_it_is_stopped(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('{"turns": [[{"type": "say", "text": "From a file."}]]}')
    command = [sys.executable, "-m", "fullduplex.mock_live", "--flat-out", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())
        with connect(place["url"].replace("http", "ws") + PATH) as socket:
            config = {"responseModalities": ["TEXT"]}
            socket.send(json.dumps({"setup": {"model": "models/gemini-live-2.5-flash", "generationConfig": config}}))
            socket.recv(timeout=5)
            socket.send('{"realtime_input": {"text": "hi"}}')
            texts = [json.loads(socket.recv(timeout=5)) for _ in range(3)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    parts = [message["serverContent"]["modelTurn"]["parts"][0]["text"] for message in texts]
    assert "".join(parts) == "From a file."


def test_a_bad_script_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "bad.json"
    script.write_text('{"turns": [[{"type": "sing"}]]}')
    assert main(["--script", str(script)]) == 2
    assert "bad.json" in capsys.readouterr().err
    assert main(["--script", str(tmp_path / "none.json")]) == 2


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    for option in ("--port", "--tls", "--script", "--pace", "--flat-out", "--model-behaviour"):
        assert option in text
