"""Where the time of a turn went, as the event and the page tell it, against moments that were measured otherwise."""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import expect

from fullduplex.mock_live import Connection, Conversation, Step, UserTurn, say, stall
from tests.web.browser import VoiceBrowser, VoicePage, write_wav

from .answering import QUERY, Answering, answering
from .tap import Tap

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time]

LIMIT_MS = 15
DELAYS_MS = (200, 400, 800)
TRIES = 3
"""What the figures are compared with is measured, too: the page's thread notes when a piece of audio came, and does so
late on a machine that is busy for 15 ms. Such a turn says nothing; a figure that is wrong is so in every turn."""

LEAD_MS = 150
LEAST_SILENCE_MS = 450
"""Of silence after the voice, before Mock Live takes it to be over: 500, less what comes early in bursts."""

_MIC_RATE = 16_000
_SPEECH_S = 0.7
_LOUD = 4_000

_WATCH = """(loud) => {
  window.loudSent = [];
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (data) {
    if (data instanceof ArrayBuffer && new Int16Array(data).some((sample) => Math.abs(sample) > loud)) {
      loudSent.push(performance.now());
    }
    return send.call(this, data);
  };
}"""


@dataclass(frozen=True)
class Moments:
    """The moments of a turn, in seconds since the epoch."""

    speech_end: float
    server_in: float
    model_out: float
    first_byte: float
    server_out: float
    first_audible: float

    @property
    def parts(self) -> dict[str, float]:
        """How long each stretch took, named by the moment that ends it, and the whole, in ms."""
        names = [field.name for field in fields(self)]
        times = [getattr(self, name) for name in names]
        found = {
            name: (after - before) * 1_000 for name, before, after in zip(names[1:], times, times[1:], strict=False)
        }
        return found | {"total": (times[-1] - times[0]) * 1_000}


class SlowModel:
    """Answers each turn after a delay, with silence before its first word; `spoke_at` is when its last answer began."""

    def __init__(self) -> None:
        self.delay_ms = 0
        self.spoke_at = 0.0

    def __call__(self, turn: UserTurn, talk: Conversation) -> Sequence[Step]:
        """The reactor."""
        return [stall(self.delay_ms / 1_000), self._note, say("It is noon.", audio_ms=800, lead_silence_ms=LEAD_MS)]

    def _note(self, turn: UserTurn, talk: Conversation) -> Sequence[Step]:
        self.spoke_at = time.time()
        return []


def question(folder: Path) -> Path:
    """A voice that ends from one sample to the next, as a WAV file."""
    tone = 8_000 * np.sin(np.arange(_SPEECH_S * _MIC_RATE) * 2 * np.pi * 440 / _MIC_RATE)
    path = folder / "question.wav"
    write_wav(path, bytes(6_400) + tone.astype("<i2").tobytes() + bytes(96_000))
    return path


def told(latency: dict[str, float]) -> Moments:
    """The moments that an event tells."""
    return Moments(
        latency["speechEndAt"],
        latency["serverInAt"],
        latency["modelOutAt"],
        latency["firstByteAt"],
        latency["serverOutAt"],
        latency["firstAudibleAt"],
    )


async def true_moments(voice: VoicePage, tap: Tap, server: Answering, model: SlowModel, since: float) -> Moments:
    """The same, by the microphone's levels, the page's socket, the model's own books, and the tap on the output."""
    epoch = float(await voice.page.evaluate("performance.timeOrigin"))
    sent = await voice.page.evaluate("loudSent.at(-1)")
    entries = await voice.events(since)
    arrived = next(entry["at"] for entry in entries if entry["audio"] and entry["direction"] == "down")
    onset = (await tap.take()).onset_ms()
    ends = await speech_end(voice, since)
    return Moments(
        speech_end=(epoch + ends) / 1_000,
        server_in=(epoch + sent) / 1_000,
        model_out=last_loud_at(server.mock.connections[0]),
        first_byte=model.spoke_at,
        server_out=(epoch + arrived) / 1_000,
        first_audible=(epoch + onset) / 1_000,
    )


async def speech_end(voice: VoicePage, since: float) -> float:
    """When the voice's last sample was recorded, in ms of the page's clock."""
    levels = [level for level in await voice.levels("input", since) if level["rms"] > 0.005]
    full = np.median([level["rms"] for level in levels])
    last = levels[-1]
    return last["at"] + min(1.0, (last["rms"] / full) ** 2) * 128 / _MIC_RATE * 1_000


def last_loud_at(connection: Connection) -> float:
    """When the model got the last loud piece of the user's voice."""

    def is_loud(body: dict[str, Any]) -> bool:
        data = str((body.get("audio") or body["mediaChunks"][0])["data"])
        samples = np.frombuffer(base64.urlsafe_b64decode(data), dtype="<i2")
        return int(np.abs(samples.astype(np.int32)).max(initial=0)) > _LOUD

    heard = (message for message in connection.messages if message.kind in ("audio", "mediaChunks"))
    at = max(message.at for message in heard if is_loud(message.body))
    return time.time() - asyncio.get_running_loop().time() + at


def tell(capsys: pytest.CaptureFixture[str], delay_ms: int, found: Moments, truth: Moments) -> None:
    """Prints a turn into the test run: each stretch as told, and in brackets how much it is off."""
    shown = (f"{name} {value:.0f} ({value - truth.parts[name]:+.1f})" for name, value in found.parts.items())
    with capsys.disabled():
        print(f"\nlatency with {delay_ms} ms in the model, ms (limit {LIMIT_MS} off): " + ", ".join(shown))


async def test_latency_of_a_turn_is_the_truth(
    browser: VoiceBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = SlowModel()
    wav = question(tmp_path)
    async with answering(model, monkeypatch) as server, browser.page(server.url, query=QUERY) as voice:
        tap = await Tap.attach(voice)
        await voice.page.evaluate(_WATCH, _LOUD)
        for delay_ms in DELAYS_MS:
            model.delay_ms = delay_ms
            for left in reversed(range(TRIES)):
                await tap.take()
                asked = await voice.say(wav)
                ended = await voice.wait_event("message.turnComplete", since=asked)
                latency = ended["message"]["latency"]
                found, truth = told(latency), await true_moments(voice, tap, server, model, asked)
                tell(capsys, delay_ms, found, truth)
                if found.parts == pytest.approx(truth.parts, abs=LIMIT_MS):
                    break
                assert left, (found.parts, truth.parts)
            assert truth.parts["first_byte"] > delay_ms + LEAST_SILENCE_MS
            assert latency["totalMs"] == pytest.approx(truth.parts["total"], abs=LIMIT_MS)
            assert latency["leadingSilenceMs"] == pytest.approx(LEAD_MS, abs=1)
            tag = voice.page.locator(".row.agent .tag-time").last
            await expect(tag).to_have_text(in_words(latency["totalMs"]))
            await expect(tag).to_have_attribute("title", re.compile(f"with {LEAD_MS} ms of silence"))


def in_words(ms: float) -> re.Pattern[str]:
    """What the page says of a turn that took so long; whichever way half a millisecond is rounded."""
    return re.compile(rf"^answered in ({int(ms)}|{int(ms) + 1}) ms$")
