"""A real Chromium as a voice client: it speaks WAV files into the page's microphone and measures what comes out.

For tests of the page and of whole voice turns. Times are in ms on the page's own `performance.now()`; levels are RMS
from 0 to 1, one for each render quantum (5.3 ms of output, 8 ms of microphone), reported by the audio threads because
the page is opened with `?probe=1`.

    async with VoiceBrowser.launch() as browser:
        async with browser.page("http://127.0.0.1:8000") as voice:
            began = await voice.say("tokyo.wav")
            heard = await voice.wait_audible(since=began)

Not for anything that needs no browser: the pure modules of the server are tested without one.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

CHROMIUM = "/usr/bin/chromium"

#: RMS above which a quantum counts as speech; the synthetic voices reach 0.05 to 0.2, an empty WAV is exactly 0.
AUDIBLE = 0.01

#: How long something is waited for that has no limit of its own, in seconds: no measure of anything.
PATIENCE_S = 25.0
expect.set_options(timeout=PATIENCE_S * 1_000)


def chromium_flags(microphone: Path, camera: Path | None = None, *, refuse: bool = False) -> list[str]:
    """The flags that make headless Chromium a voice client: fake devices, no prompts, sound allowed, no other network.

    `microphone` is a WAV file that is played once for each time the page opens the microphone. `camera` is a y4m or
    mjpeg file; without it Chromium shows its own test picture. `refuse`: no page gets microphone or camera.
    """
    flags = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}%noloop",
        # The networking flags alone do not keep Chromium from calling its maker; name resolution is what does.
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
    ]
    if refuse:
        flags[flags.index("--use-fake-ui-for-media-stream")] = "--deny-permission-prompts"
    if camera is not None:
        flags.append(f"--use-file-for-fake-video-capture={camera}")
    return flags


def write_wav(path: Path, pcm: bytes, rate: int = 16_000) -> None:
    """Write PCM16 mono samples as a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm)


class VoicePage:
    """The page in one tab, with a user who speaks, types and listens."""

    def __init__(self, page: Page, microphone: Path) -> None:
        self.page = page
        self.microphone = microphone
        #: What the page wrote to the browser's console.
        self.console: list[str] = []
        #: Uncaught errors of the page; a test may assert that there are none.
        self.errors: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def _on_console(self, message: ConsoleMessage) -> None:
        self.console.append(message.text)

    async def wait_open(self) -> None:
        """Wait until the page is connected."""
        await self.page.locator("#sendButton:enabled").wait_for()

    async def now(self) -> float:
        """The page's clock."""
        return float(await self.page.evaluate("performance.now()"))

    async def type(self, text: str) -> None:
        """Type a message and press Enter."""
        await self.page.fill("#message", text)
        await self.page.press("#message", "Enter")

    async def allow_sound(self) -> None:
        """Make the gesture without which browsers hold back sound, and wait for the player."""
        await self.page.click("#message")
        await self.page.wait_for_function("() => fullduplex.player")

    async def start_audio(self) -> None:
        """Press "Start audio" and wait until the microphone runs; it hears the WAV file from its beginning."""
        await self.page.click("#startAudioButton")
        await self.page.locator("#stopAudioButton").wait_for(state="visible")

    async def stop_audio(self) -> None:
        """Press "Stop audio" and wait until the microphone is off."""
        await self.page.click("#stopAudioButton")
        await self.page.locator("#startAudioButton:enabled").wait_for(state="visible")

    async def say(self, wav: Path | str) -> float:
        """Speak a WAV file into the microphone, opening it anew; return the time just before it was opened."""
        if await self.page.locator("#stopAudioButton").is_visible():
            await self.stop_audio()
        shutil.copyfile(wav, self.microphone)
        began = await self.now()
        await self.start_audio()
        return began

    # What was heard and spoken

    async def wait_audible(self, since: float, threshold: float = AUDIBLE, timeout: float = PATIENCE_S) -> float:
        """Wait for the first audible output after `since`; return when it was rendered. `timeout` is in seconds."""
        found = await self.page.wait_for_function(
            "([since, threshold]) => fullduplex.probe.output?.firstLoud(since, threshold) ?? false",
            arg=[since, threshold],
            timeout=timeout * 1000,
            polling=20,
        )
        return float(await found.json_value())

    async def wait_silent(
        self, quiet_ms: float = 300.0, threshold: float = AUDIBLE, timeout: float = PATIENCE_S
    ) -> float:
        """Wait until nothing was audible for `quiet_ms`; return when the last audible quantum was rendered."""
        found = await self.page.wait_for_function(
            """([quiet, threshold]) => {
                 const now = performance.now();
                 const last = fullduplex.probe.output?.lastLoud(now, threshold) ?? null;
                 return last !== null && now - last > quiet ? last : false;
               }""",
            arg=[quiet_ms, threshold],
            timeout=timeout * 1000,
            polling=20,
        )
        return float(await found.json_value())

    async def levels(self, track: str = "output", since: float = 0.0) -> list[dict[str, float]]:
        """The levels of `output` or `input` after `since`: `{at, frame, rms}` for each render quantum."""
        levels: list[dict[str, float]] = await self.page.evaluate(
            "([track, since]) => fullduplex.probe[track]?.levels(since) ?? []", [track, since]
        )
        return levels

    async def speech_bounds(self, since: float = 0.0, threshold: float = AUDIBLE) -> tuple[float, float]:
        """When the microphone's first and last loud quantum after `since` were recorded."""
        loud = [level["at"] for level in await self.levels("input", since) if level["rms"] > threshold]
        if not loud:
            raise AssertionError("the microphone heard nothing")
        return loud[0], loud[-1]

    async def stats(self) -> dict[str, Any]:
        """The player's books, in samples (see web/client/player.js)."""
        books: dict[str, Any] = await self.page.evaluate("fullduplex.player.stats()")
        return books

    async def wait_stats(self, condition: str, timeout: float = PATIENCE_S) -> dict[str, Any]:
        """Wait until the player's books fulfil `condition`, JavaScript about `books`, and return them.

        await voice.wait_stats("books.rendered > 0 && books.buffered === 0")
        """
        async with asyncio.timeout(timeout):
            books: dict[str, Any] = await self.page.evaluate(
                f"""async () => {{
                      for (;;) {{
                        const books = await fullduplex.player.stats();
                        if ({condition}) return books;
                        await new Promise((resolve) => setTimeout(resolve, 10));
                      }}
                    }}"""
            )
            return books

    # What went over the wire

    async def events(self, since: float = 0.0) -> list[dict[str, Any]]:
        """Log entries `{at, direction, message, audio, bytes}` from `since` on, oldest first; audio as its size."""
        entries: list[dict[str, Any]] = await self.page.evaluate(
            "(since) => fullduplex.events.filter((entry) => entry.at >= since)", since
        )
        return entries

    async def wait_event(self, condition: str, since: float = 0.0, timeout: float = PATIENCE_S) -> dict[str, Any]:
        """Wait for a message from the server; `condition` is JavaScript about `message`. `timeout` is in seconds.

        await voice.wait_event("message.turnComplete", since=began)
        """
        found = await self.page.wait_for_function(
            f"""(since) => fullduplex.events.find(({{ at, direction, message }}) =>
                  at >= since && direction !== "up" && ({condition})) ?? false""",
            arg=since,
            timeout=timeout * 1000,
            polling=20,
        )
        entry: dict[str, Any] = await found.json_value()
        return entry


class VoiceBrowser:
    """One Chromium process; each page in it has storage of its own, and all share one microphone file."""

    def __init__(self, browser: Browser, microphone: Path) -> None:
        self.browser = browser
        self.microphone = microphone

    @classmethod
    @asynccontextmanager
    async def launch(
        cls,
        microphone: Path | None = None,
        camera: Path | None = None,
        executable: str = CHROMIUM,
        refuse_microphone: bool = False,
    ) -> AsyncIterator[VoiceBrowser]:
        """Start Chromium. `microphone` is copied, so that `VoicePage.say` can put another file in its place."""
        with tempfile.TemporaryDirectory(prefix="voice-browser-") as folder:
            heard = Path(folder) / "microphone.wav"
            if microphone is None:
                write_wav(heard, bytes(3_200))
            else:
                shutil.copyfile(microphone, heard)
            async with async_playwright() as playwright:
                browser = await playwright.chromium.launch(
                    executable_path=executable,
                    headless=True,
                    args=chromium_flags(heard, camera, refuse=refuse_microphone),
                    ignore_default_args=["--mute-audio"],
                )
                try:
                    yield cls(browser, heard)
                finally:
                    await browser.close()

    @asynccontextmanager
    async def page(
        self,
        base_url: str,
        *,
        query: dict[str, str] | None = None,
        size: tuple[int, int] = (1100, 760),
        dark: bool = False,
        connected: bool = True,
    ) -> AsyncIterator[VoicePage]:
        """Open the page in a fresh tab with `probe=1` and `raw_mic=1`, wait until it is connected, close it at the end.

        `query` adds address parameters or replaces these; `connected=False` does not wait.
        """
        context = await self.browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            reduced_motion="no-preference",
        )
        try:
            voice = VoicePage(await context.new_page(), self.microphone)
            voice.page.set_default_timeout(PATIENCE_S * 1_000)
            await voice.page.goto(f"{base_url}/?{urlencode({'probe': '1', 'raw_mic': '1', **(query or {})})}")
            if connected:
                await voice.wait_open()
            yield voice
        finally:
            await context.close()
