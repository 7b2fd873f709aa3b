"""The lean mock for benches, as a process of its own."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect

from fullduplex.testing import tagged_audio

SETUP = '{"setup": {"model": "models/gemini-live-2.5-flash"}}'


@contextmanager
def running(*options: str) -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "fullduplex.mock_live.loadgen", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        place = json.loads(process.stdout.readline())
        try:
            yield place
        finally:
            process.send_signal(signal.SIGTERM)
            last = json.loads(process.stdout.read())
            assert process.wait(timeout=10) == 0
            place["final"] = last["stats"]


def stats(place: dict[str, Any]) -> dict[str, Any]:
    with urllib.request.urlopen(place["url"] + "/stats", timeout=5) as response:
        found: dict[str, Any] = json.loads(response.read())
    return found


def pcm(socket: ClientConnection) -> bytes:
    message = json.loads(socket.recv(timeout=5))
    return base64.b64decode(message["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"])


def test_push() -> None:
    with running("--mode", "push", "--turn-chunks", "5") as place:
        with connect(f"ws://127.0.0.1:{place['port']}/any/path") as socket:
            socket.send(SETUP)
            assert json.loads(socket.recv(timeout=5)) == {"setupComplete": {}}
            chunks = [pcm(socket) for _ in range(5)]
            end = [json.loads(socket.recv(timeout=5)) for _ in range(2)]
            stamps = [tagged_audio.read_stamp(chunk) for chunk in chunks]
            assert stats(place)["open"] == 1
    assert tagged_audio.decode(b"".join(chunks), 24_000) == list(range(10))
    assert [sequence for _, sequence in stamps] == [0, 1, 2, 3, 4]
    assert all(0 <= time.monotonic_ns() - clock < 60e9 for clock, _ in stamps)
    assert stamps[4][0] - stamps[0][0] > 100e6  # four times 40 ms, less what the first one was late
    assert [next(iter(message["serverContent"])) for message in end] == ["generationComplete", "turnComplete"]
    assert place["final"]["sent"] >= 5


def test_echo_gives_the_stamp_back_whatever_the_alphabet() -> None:
    with running("--mode", "echo") as place:
        with connect(f"ws://127.0.0.1:{place['port']}/") as socket:
            socket.send(SETUP)
            socket.recv(timeout=5)
            clock = 0xFBFF_FEFF_FBEF_BEFB  # base64 with + and /, or - and _
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                data = encode(tagged_audio.stamp(bytes(1280), clock, 77)).decode()
                audio = {"data": data, "mime_type": "audio/pcm;rate=16000"}
                socket.send(json.dumps({"realtime_input": {"audio": audio}}))
                assert tagged_audio.read_stamp(pcm(socket)) == (clock, 77)
            socket.send('{"realtimeInput":{"audioStreamEnd":true}}')
            found = stats(place)
            while found["received"] < 4:
                found = stats(place)
    assert (found["connects"], found["setups"], found["received"], found["received_audio"]) == (1, 1, 4, 2)
    assert found["sent"] == 2


def test_sink_only_counts() -> None:
    with running("--mode", "sink") as place:
        with connect(f"ws://127.0.0.1:{place['port']}/") as socket:
            socket.send(SETUP)
            socket.recv(timeout=5)
            socket.send('{"realtime_input": {"audio": {"data": "AAAA", "mime_type": "audio/pcm"}}}')
            while stats(place)["received_audio"] < 1:
                pass
    assert place["final"]["sent"] == 0
    assert place["final"]["received_bytes"] > 0
