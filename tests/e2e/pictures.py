"""Takes the pictures of the page that README.md shows, from a real conversation: `python -m tests.e2e.pictures`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from PIL import Image

from tests.needs import find
from tests.web.browser import CHROMIUM, VoiceBrowser

from .served import serving
from .speech import Line, Speech

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
CONCIERGE = ROOT / "examples" / "concierge"
SIZE = (1280, 800)


async def talk(browser: VoiceBrowser, url: str, speech: Speech, path: Path, *, dark: bool) -> None:
    """A spoken request and a typed one, each for another agent; the picture is of the second answer."""
    async with browser.page(url, size=SIZE, dark=dark) as voice:
        asked = await voice.say(speech.wav(Line("I need two towels")))
        await voice.wait_event("message.turnComplete", since=asked)
        asked = await voice.now()
        await voice.type("Book a table for four people, please.")
        await voice.page.mouse.move(SIZE[0] // 2, SIZE[1] // 3)
        await voice.wait_event("message.outputTranscription?.text.includes('tonight')", since=asked)
        await voice.wait_audible(since=asked)
        await voice.page.screenshot(path=str(path))
    with Image.open(path) as picture:
        picture.convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path, optimize=True)


async def main() -> None:
    """Writes page.png and page-dark.png."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, serving(str(CONCIERGE)) as served:
        await served.wait_warm()
        speech = Speech(find("flite") or "flite", Path(folder))
        async with VoiceBrowser.launch(executable=find("chromium") or CHROMIUM) as browser:
            for name, dark in (("page.png", False), ("page-dark.png", True)):
                await talk(browser, served.url, speech, IMAGES / name, dark=dark)


if __name__ == "__main__":
    asyncio.run(main())
