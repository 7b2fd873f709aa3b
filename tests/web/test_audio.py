"""Sound through the page: the microphone's way up, the agent's way out, and silence when it is interrupted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import expect

from .browser import AUDIBLE, VoiceBrowser, VoicePage, write_wav
from .standin import Connection, Standin, audio, event, spoken, tone

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.real_time]

Samples = NDArray[np.float64]


def speechlike(seconds: float, rate: int = 16_000) -> Samples:
    """Noise that swells and fades four times a second: unlike itself at any other delay or rate.

    It stays below 2.5 kHz, because above that the fake device's own resampling shows.
    """
    count = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(5).standard_normal(count))
    hertz = np.fft.rfftfreq(count, 1 / rate)
    spectrum[(hertz < 120) | (hertz > 2_500)] = 0
    noise = np.fft.irfft(spectrum, count)
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * np.arange(count) / rate)
    return np.asarray(noise / np.abs(noise).max() * swell * 0.6)


def best_match(source: Samples, received: Samples) -> float:
    """The highest correlation of `source` with any equally long stretch of `received`."""
    size = 1 << (len(source) + len(received)).bit_length()
    product = np.fft.rfft(received, size) * np.conj(np.fft.rfft(source, size))
    cross = np.fft.irfft(product, size)[: len(received) - len(source) + 1]
    energy = np.concatenate([[0.0], np.cumsum(received**2)])
    window = energy[len(source) :] - energy[: -len(source)]
    return float(np.max(cross / np.sqrt(np.maximum(window, 1e-9) * np.sum(source**2))))


async def audible(voice: VoicePage, agent: Connection, seconds: float) -> None:
    """Make the agent speak for `seconds` and wait until it can be heard."""
    began = await voice.now()
    pcm = tone(seconds)
    await agent.send(*(audio(pcm[at : at + 1_920]) for at in range(0, len(pcm), 1_920)))
    await voice.wait_audible(since=began)


@pytest.mark.spec(161)
async def test_start_and_stop_audio(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await expect(voice.page.locator("#stopAudioButton")).to_be_hidden()
        await voice.start_audio()
        await expect(voice.page.locator("#startAudioButton")).to_be_hidden()
        await expect(voice.page.locator("#voiceText")).to_have_text("Listening")
        await agent.wait(lambda self: len(self.audio) >= 5)
        assert await voice.page.evaluate("fullduplex.recorder.context.sampleRate") == 16_000
        assert await voice.page.evaluate("fullduplex.player.context.sampleRate") == 24_000
        track = await voice.page.evaluate_handle("fullduplex.recorder.stream.getTracks()[0]")
        await voice.stop_audio()
        await agent.wait_message("audio_stream_end")
        frames = len(agent.audio)
        assert await track.evaluate("(track) => track.readyState") == "ended"
        assert await voice.page.evaluate("fullduplex.recorder") is None
        await expect(voice.page.locator("#voiceText")).to_have_text("Microphone off")
        await voice.type("a message after the last audio frame")
        await agent.wait_message("text")
        assert len(agent.audio) == frames
        assert voice.errors == []


async def test_microphone_arrives_as_pcm16_16k_mono_in_frames_of_20_ms(
    browser: VoiceBrowser, standin: Standin, tmp_path: Path
) -> None:
    source = speechlike(1.5)
    wav = tmp_path / "speech.wav"
    lead = np.zeros(6_400)  # the file begins when the device opens, a moment before the page listens
    write_wav(wav, (np.concatenate([lead, source]) * 32_767).astype("<i2").tobytes())
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.say(wav)
        began = asyncio.get_running_loop().time()
        await agent.wait(lambda self: len(self.audio) >= 100)
        took = asyncio.get_running_loop().time() - began
        assert {len(frame) for frame in agent.audio} == {640}
        assert 1.2 < took < 4.0  # 100 frames are 2 s of sound: in real time, not faster
        received = np.frombuffer(b"".join(agent.audio), dtype="<i2") / 32_768
        assert best_match(source, received) > 0.95
        assert max(level["rms"] for level in await voice.levels("input")) > 0.1


async def test_second_utterance_is_another_file(browser: VoiceBrowser, standin: Standin, tmp_path: Path) -> None:
    """What the tests of whole voice turns build on: the microphone can be given new words while the page runs."""
    hertz = []
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        for wanted in (500, 1_500):
            write_wav(tmp_path / "tone.wav", tone(0.6, wanted, rate=16_000))
            agent.audio.clear()
            began = await voice.say(tmp_path / "tone.wav")
            await agent.wait(lambda self: len(self.audio) >= 35)
            samples = np.frombuffer(b"".join(agent.audio[:35]), dtype="<i2")
            hertz.append(float(np.argmax(np.abs(np.fft.rfft(samples))) * 16_000 / len(samples)))
            loud = [level for level in await voice.levels("input", began) if level["rms"] > AUDIBLE]
            # Quanta of 8 ms, of one file and not of two: a device that is kept waiting stretches it.
            assert 450 < 8 * len(loud) < 1_000
    assert hertz == pytest.approx([500, 1_500], abs=5)


async def test_browser_cleans_the_microphones_sound_unless_told_otherwise(
    browser: VoiceBrowser, standin: Standin
) -> None:
    names = ["echoCancellation", "noiseSuppression", "autoGainControl"]
    for raw, wanted in (("0", [True] * 3), ("1", [False] * 3)):
        async with browser.page(standin.url, query={"raw_mic": raw}) as voice:
            await voice.start_audio()
            settings = await voice.page.evaluate("fullduplex.recorder.settings")
            assert [settings[name] for name in names] == wanted


async def test_refused_microphone_is_explained(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        await voice.page.evaluate(
            """() => {
                 const refuse = () => Promise.reject(new DOMException("no", "NotAllowedError"));
                 navigator.mediaDevices.getUserMedia = refuse;
               }"""
        )
        await voice.page.click("#startAudioButton")
        await expect(voice.page.locator(".note.error")).to_contain_text("did not allow the microphone")
        await expect(voice.page.locator("#startAudioButton")).to_be_enabled()
        await expect(voice.page.locator("#voiceText")).to_have_text("Microphone off")


@pytest.mark.spec(171)
async def test_audio_of_any_base64_is_played_to_the_last_sample(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        began = await voice.now()
        pcm = tone(0.25, level=0.9)
        for urlsafe, padded in ((True, True), (True, False), (False, True), (False, False)):
            for at in range(0, len(pcm), 1_000):  # 500 samples: its base64 needs padding
                await agent.send(audio(pcm[at : at + 1_000], urlsafe=urlsafe, padded=padded))
            await agent.send(event(turnComplete=True))
        books = await voice.wait_stats("books.responses.length === 4 && books.buffered === 0")
        assert (books["received"], books["rendered"], books["cleared"], books["dropped"]) == (24_000, 24_000, 0, 0)
        assert [(book["response"], book["rendered"]) for book in books["responses"]] == [
            (n, 6_000) for n in range(1, 5)
        ]
        first = books["responses"][0]
        assert first["lastFrame"] - first["firstFrame"] >= 6_000
        loudest = max(level["rms"] for level in await voice.levels("output", since=began))
        assert loudest == pytest.approx(0.9 / np.sqrt(2), abs=0.02)
        assert await voice.page.locator(".note.error").count() == 0


@pytest.mark.spec(170)
async def test_playback_is_silent_within_100_ms_of_an_interruption(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        silent_after = []
        for _ in range(5):
            await audible(voice, agent, seconds=4)
            asked = await voice.now()
            await agent.send(event(interrupted=True), event(turnComplete=True))
            interrupted = await voice.wait_event("message.interrupted", since=asked)
            last = await voice.wait_silent(quiet_ms=150)
            silent_after.append(last - interrupted["at"])
        books = await voice.stats()
        assert max(silent_after) < 100, silent_after
        assert books["buffered"] == 0
        assert books["cleared"] > 5 * 24_000  # most of 5 × 4 s were never heard, and the books say so
        assert books["dropped"] == 0
        assert books["received"] == books["rendered"] + books["cleared"] == 5 * 4 * 24_000


async def test_answer_after_an_interruption_is_heard_from_its_beginning(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.allow_sound()
        await audible(voice, agent, seconds=3)
        await agent.send(event(interrupted=True), audio(tone(0.2)), spoken("Yes?", finished=True))
        books = await voice.wait_stats("books.responses.length === 2 && books.buffered === 0")
        cut, answer = books["responses"]
        assert cut["cleared"] > 0
        assert (answer["rendered"], answer["cleared"]) == (4_800, 0)


async def test_muted_agent_is_counted_as_played(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.page.click("#muteButton")
        await expect(voice.page.locator("#muteButton")).to_have_attribute("aria-pressed", "true")
        await voice.allow_sound()
        assert await voice.page.evaluate("fullduplex.player.volume.gain.value") == 0
        await agent.send(audio(tone(0.1)))
        await voice.wait_stats("books.rendered === 2400")


async def test_what_the_agent_says_before_sound_is_allowed_is_counted_as_unheard(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.send(audio(tone(0.1)), spoken("Hello", finished=True))
        await expect(voice.page.locator(".agent .bubble")).to_have_text("Hello")
        assert await voice.page.evaluate("fullduplex.client.unheardBytes") == 4_800


@asynccontextmanager
async def player_held_up(voice: VoicePage) -> AsyncIterator[None]:
    """A gesture has been made, but until the end of the block the player's worklet does not come."""
    await voice.page.evaluate(
        """() => {
             const { addModule } = AudioWorklet.prototype;
             const held = new Promise((release) => { window.release = release; });
             AudioWorklet.prototype.addModule = async function (url) {
               await held;
               return addModule.call(this, url);
             };
           }"""
    )
    await voice.page.click("#message")
    yield
    assert await voice.page.evaluate("fullduplex.player") is None
    await voice.page.evaluate("release()")
    await voice.page.wait_for_function("() => fullduplex.player")


def told_of(books: dict[str, Any]) -> list[tuple[int, int, int, int]]:
    """Of each response what was received, rendered, dropped and cleared."""
    columns = ("received", "rendered", "dropped", "cleared")
    return [(book[columns[0]], book[columns[1]], book[columns[2]], book[columns[3]]) for book in books["responses"]]


async def test_what_the_agent_says_while_the_player_is_being_made_is_heard(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await agent.send(audio(tone(0.1)), spoken("Hello", finished=True))
        await expect(voice.page.locator(".agent .bubble")).to_have_text("Hello")
        async with player_held_up(voice):
            await agent.send(audio(tone(0.2)), event(turnComplete=True))
            await agent.send(audio(tone(0.3)), event(turnComplete=True), spoken("All of it", finished=True))
            await expect(voice.page.locator(".agent .bubble").last).to_have_text("All of it")
        books = await voice.wait_stats("books.responses.length === 2 && books.buffered === 0")
        # Only what came before the gesture is lost.
        assert told_of(books) == [(7_200, 4_800, 2_400, 0), (7_200, 7_200, 0, 0)]
        assert await voice.page.evaluate("fullduplex.client.unheardBytes") == 4_800


@pytest.mark.parametrize("how", ["interrupted", "silenced"])
async def test_what_is_silenced_while_the_player_is_being_made_is_never_heard(
    browser: VoiceBrowser, standin: Standin, how: str
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        before, cut, answer = audio(tone(0.1)), audio(tone(0.2)), audio(tone(0.3))
        async with player_held_up(voice):
            await agent.send(before, event(turnComplete=True), cut, spoken("Well", finished=True))
            await expect(voice.page.locator(".agent .bubble").last).to_contain_text("Well")
            if how == "silenced":
                await voice.page.evaluate("fullduplex.client.interrupt()")
                await agent.send(audio(tone(0.1)))  # still on its way
            await agent.send(event(interrupted=True), answer, spoken("Yes?", finished=True))
            await expect(voice.page.locator(".agent .bubble").last).to_have_text("Yes?")
        books = await voice.wait_stats("books.responses.length === 3 && books.buffered === 0")
        late = 2_400 if how == "silenced" else 0
        assert told_of(books) == [
            (2_400, 0, 2_400, 0),
            (4_800 + late, 0, 4_800 + late, 0),
            (7_200, 7_200, 0, 0),
        ]
        await agent.wait(lambda self: [one["played_ms"] for one in self.told("playout", answer["id"])][-1:] == [300])
        for gone in (before, cut):
            [report] = agent.told("playout", gone["id"])
            assert (report["played_ms"], report["cleared"]) == (0, True)


async def test_player_that_could_not_be_made_is_made_at_the_next_message(
    browser: VoiceBrowser, standin: Standin
) -> None:
    async with browser.page(standin.url) as voice:
        agent = await standin.connection()
        await voice.page.evaluate(
            """() => {
                 const { addModule } = AudioWorklet.prototype;
                 AudioWorklet.prototype.addModule = async () => {
                   AudioWorklet.prototype.addModule = addModule;
                   throw new DOMException("no network", "AbortError");
                 };
               }"""
        )
        await voice.page.click("#message")
        await voice.page.wait_for_function("() => !fullduplex.client.speaker.starting")
        await agent.send(audio(tone(0.1)), event(turnComplete=True), spoken("Hello", finished=True))
        await expect(voice.page.locator(".agent .bubble")).to_have_text("Hello")
        assert await voice.page.evaluate("fullduplex.client.unheardBytes") == 4_800
        await voice.type("are you there")
        await voice.page.wait_for_function("() => fullduplex.player")
        await agent.send(audio(tone(0.2)))
        books = await voice.wait_stats("books.received > 0 && books.buffered === 0")
        assert told_of(books) == [(4_800, 4_800, 0, 0)]


async def test_microphone_goes_on_after_a_lost_connection(browser: VoiceBrowser, standin: Standin) -> None:
    async with browser.page(standin.url) as voice:
        first = await standin.connection()
        await voice.start_audio()
        await first.wait(lambda self: self.audio)
        await first.close()
        second = await standin.connection(2)
        await second.wait(lambda self: len(self.audio) >= 3)
        assert await voice.page.evaluate("fullduplex.client.socket.droppedAudioFrames") > 0
