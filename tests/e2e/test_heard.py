"""What the user heard of an answer that was cut off: the cursor's word against a tap on what the page really played."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import TimeoutError as TimedOut

from fullduplex.events import Event
from fullduplex.mock_live import Conversation, Step, UserTurn, interrupt, say, stall, transcript
from tests.machine import Slowness
from tests.web.browser import PATIENCE_S, VoiceBrowser, VoicePage, write_wav

from .answering import QUERY, Answering, answering
from .results import percentile, write_results
from .tap import Tap
from .turns import Entry, down

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time]

LIMIT_MS = 10
BOUNDARY_MS = 30
CHUNK_MS = 40
UNDERRUN_S = 0.8
ASK = "Tell me a story."
STOP = "Stop."

EVEN = tuple(f"{'abcdefg'[number % 7] * 3}{number:02}" for number in range(36))
"""Words of 400 ms: with their space 15 characters a second. Nobody can know how long a word would be whose end was not
sent when the answer was cut off; the cursor takes it to be spoken at the pace of those before, at first at this one."""

UNEVEN = tuple(f"{'abcdefg'[number % 7] * (1 + 3 * number % 8)}{number}" for number in range(36))

_WORD_MS = 400
_HEAD = 2
"""Words before the underrun."""


@dataclass(frozen=True)
class Condition:
    """What makes it hard. `slow`: how much slower the page's processor is; `ahead`: how much faster than real time the
    model sends its story; `underrun`: whether it pauses in the middle of it.
    """

    name: str
    slow: int = 1
    ahead: float = 1.0
    underrun: bool = False
    words: tuple[str, ...] = EVEN

    @property
    def earliest_s(self) -> float:
        """How long after the first sound the story may be cut off: when the underrun is over."""
        return _HEAD * _WORD_MS / 1_000 + UNDERRUN_S if self.underrun else 0.0

    def story(self, turn: UserTurn, talk: Conversation) -> Sequence[Step]:
        """The reactor: a story to whoever asks for it, to all else not a word."""
        if turn.kind == "voice":
            return [transcript("in", STOP, style="final")]
        if not turn.text.endswith(ASK):  # what was left unanswered stands before it
            return []
        head = _HEAD if self.underrun else 0
        parts = [" ".join(self.words[:head]), " ".join(self.words[head:])]
        pause = [say(f"{parts[0]} ", audio_ms=head * _WORD_MS), stall(UNDERRUN_S)] if head else []
        return [*pause, say(parts[1], audio_ms=(len(self.words) - head) * _WORD_MS)]


PLAIN = Condition("plain")
SLOW = Condition("CPU 6 times slower", slow=6)
AHEAD = Condition("sent 3 times faster", ahead=3.0, words=UNEVEN)
UNDERRUN = Condition("underrun of 800 ms", underrun=True)
CONDITIONS = (PLAIN, SLOW, AHEAD, UNDERRUN)


@dataclass(frozen=True)
class Cut:
    """One barge-in, in ms of the answer's audio: how much was heard in truth, by the cursor, and by the wall clock."""

    kind: str
    heard: float
    cursor: float
    wall: float
    known_after: float | None
    """Seconds from the interruption to the player's last word; None when that came too late to count."""
    text: str
    """What the session has kept."""

    @property
    def off(self) -> float:
        """How much the cursor is ahead of the truth."""
        return self.cursor - self.heard

    @property
    def wall_off(self) -> float:
        """How much the wall clock is ahead of the truth."""
        return self.wall - self.heard


def accepted(words: Sequence[str], heard: float) -> set[str]:
    """The texts that may be kept: they end with the last word of which more than half was heard, or at a boundary."""
    counts = {sum(heard > (number + 0.5) * _WORD_MS for number in range(len(words)))}
    nearest = round(heard / _WORD_MS)
    if abs(heard - nearest * _WORD_MS) <= BOUNDARY_MS:
        counts |= {nearest, nearest + 1}
    return {" ".join(words[:count]) for count in counts}


class Listener:
    """A user who has stories told to them and cuts them off, in one of three ways after the other."""

    def __init__(self, server: Answering, voice: VoicePage, tap: Tap, shout: Path) -> None:
        self._server = server
        self._voice = voice
        self._tap = tap
        self._shout = shout
        self._cuts = 0

    async def cut_off(self, kind: str, after_s: float) -> Cut:
        """Asks for a story, cuts it off `after_s` seconds after its first sound was sent, and compares.

        Nothing is polled in the page until all is over: a slow one has enough to do.
        """
        voice, mock = self._voice, self._server.mock
        sent = mock.stats.audio_bytes_out
        asked = await voice.now()
        await voice.type(ASK)
        await mock.wait_for(lambda mock: mock.stats.audio_bytes_out > sent)
        await asyncio.sleep(after_s)
        await self._interrupt(kind)
        kept = await self._kept()
        stopped = await voice.wait_event("message.interrupted", since=asked)
        assert not stopped["message"]["heard"].get("estimated"), "the player's own word counts"
        settled = await self._settled(asked)
        if kind == "spoken":
            await voice.wait_event("message.inputTranscription?.finished", since=asked)
        assert kept.heard is not None
        assert kept.heard.played_ms is not None
        assert kept.output_transcription is not None
        assert settled is None or settled["message"]["heard"]["playedMs"] == kept.heard.played_ms
        return Cut(
            kind=kind,
            heard=(await self._tap.take()).heard_ms(),
            cursor=kept.heard.played_ms,
            wall=(stopped["message"]["timestamp"] - await self._first_audio(asked)) * 1_000,
            known_after=None if settled is None else settled["message"]["timestamp"] - stopped["message"]["timestamp"],
            text=(kept.output_transcription.text or "").rstrip(),
        )

    async def _interrupt(self, kind: str) -> None:
        if kind == "pushed":
            await self._server.mock.push(interrupt())
        elif kind == "typed":
            await self._voice.type(STOP)
        else:
            await self._voice.say(self._shout)

    async def _kept(self) -> Event:
        """Waits until the session has the next answer that was cut off."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                events = (await self._server.session()).events
                cut = [event for event in events if event.heard is not None and event.output_transcription is not None]
                if len(cut) > self._cuts:
                    self._cuts = len(cut)
                    return cut[-1]
                await asyncio.sleep(0.05)

    async def _settled(self, since: float) -> Entry | None:
        """The event with the player's last word; None when a page that was too slow said it too late."""
        try:
            return await self._voice.wait_event("message.heard && !message.interrupted", since=since, timeout=2)
        except TimedOut:
            return None

    async def _first_audio(self, since: float) -> float:
        """When the server had the first audio of the answer since then, in seconds of its own clock."""
        entries = await down(self._voice, since)
        return float(next(entry["message"]["timestamp"] for entry in entries if entry["audio"]))


async def barge_in(
    browser: VoiceBrowser, condition: Condition, count: int, folder: Path, patch: pytest.MonkeyPatch
) -> list[Cut]:
    """So many stories cut off in one call; then the model's line drops, and the next one is told what was heard."""
    options = {"chunk_ms": CHUNK_MS, "pace": condition.ahead, "resumption_updates": "never"}
    query = {**QUERY, "probe": "0"}
    async with answering(condition.story, patch, **options) as server, browser.page(server.url, query=query) as voice:
        listener = Listener(server, voice, await Tap.attach(voice), shout(folder))
        devtools = await voice.page.context.new_cdp_session(voice.page)
        slowness = Slowness()
        for _ in range(3):
            slowness.look()
        # As many times slower as an ordinary machine would be, however slow this one is by itself.
        rate = max(1.0, condition.slow / slowness.factor)
        await devtools.send("Emulation.setCPUThrottlingRate", {"rate": rate})
        chance = random.Random(condition.name)
        cuts = []
        for _, kind in zip(range(count), cycle(("typed", "spoken", "pushed")), strict=False):
            cuts.append(await listener.cut_off(kind, condition.earliest_s + chance.uniform(0.3, 1.8)))
        for cut in cuts:  # where the player's last word came too late, the position is an estimate, and counts as off
            assert cut.known_after is None or cut.text in accepted(condition.words, cut.heard), cut
        mock = server.mock
        await mock.drop_all()
        await mock.wait_for(lambda mock: len(mock.connections) == 2 and mock.connections[1].contents)
        assert said(mock.connections[1].contents) == [cut.text for cut in cuts if cut.text]
    return cuts


def shout(folder: Path) -> Path:
    """What the user says over the story, as a WAV file; it begins when a slow page, too, has its microphone open."""
    tone = 8_000 * np.sin(np.arange(6_400) * 2 * np.pi * 440 / 16_000)
    path = folder / "shout.wav"
    write_wav(path, bytes(32_000) + tone.astype("<i2").tobytes() + bytes(64_000))
    return path


def said(contents: Sequence[dict[str, Any]]) -> list[str]:
    """What a model is told that it has said."""
    return [content["parts"][0]["text"].rstrip() for content in contents if content["role"] == "model"]


def figures(cuts: Sequence[Cut]) -> dict[str, float]:
    """How far the cursor and the wall clock are off, in ms; at least two cuts."""
    off = [abs(cut.off) for cut in cuts]
    wall_off = [abs(cut.wall_off) for cut in cuts]
    return {
        "cursor_mean": round(statistics.mean(off), 3),
        "cursor_p95": round(percentile(off, 95), 3),
        "cursor_max": round(max(off), 3),
        "wall_clock_mean": round(statistics.mean(wall_off), 1),
        "wall_clock_p95": round(percentile(wall_off, 95), 1),
        "wall_clock_max": round(max(wall_off), 1),
        "too_late": sum(cut.known_after is None for cut in cuts),
        "known_after_max": round(1_000 * max((cut.known_after or 0.0) for cut in cuts)),
    }


def tell(capsys: pytest.CaptureFixture[str], condition: Condition, found: dict[str, float], count: int) -> None:
    """Prints the figures into the test run."""
    with capsys.disabled():
        shown = ", ".join(f"{name.replace('_', ' ')} {value:g}" for name, value in found.items())
        print(f"\nheard, {condition.name}, {count} cuts, ms off: {shown} (limit: p95 of the cursor {LIMIT_MS})")


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda condition: condition.name)
async def test_cursor_is_where_the_ear_is(
    browser: VoiceBrowser,
    condition: Condition,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cuts = await barge_in(browser, condition, 4, tmp_path, monkeypatch)
    tell(capsys, condition, figures(cuts), 4)
    # On a busy machine a slow page is slower still, and its last word may come too late: of four cuts, for one.
    timely = [cut for cut in cuts if cut.known_after is not None]
    assert len(timely) >= 3
    found = figures(timely)
    assert found["cursor_p95"] <= LIMIT_MS
    if condition.underrun:
        assert found["wall_clock_mean"] > 1_000 * UNDERRUN_S / 2, "the underrun was none"


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_cursor_is_where_the_ear_is_fifty_times(
    browser: VoiceBrowser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """All conditions; the figures go to bench/results."""
    found = {}
    for condition in CONDITIONS:
        cuts = await barge_in(browser, condition, 50, tmp_path, monkeypatch)
        found[condition.name] = figures(cuts)
        tell(capsys, condition, found[condition.name], len(cuts))
    write_results(
        "heard",
        "what of an interrupted answer was heard: the cursor and the wall-clock rule (time from the first audio to the "
        "interruption, on the server) against a tap on the page's output less its latency; headless Chromium, ms off",
        "make test-slow PYTEST_ARGS=tests/e2e/test_heard.py",
        {"cuts_each": 50, "conditions": found},
    )
    assert max(one["cursor_p95"] for one in found.values()) <= LIMIT_MS
