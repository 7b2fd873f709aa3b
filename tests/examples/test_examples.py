"""Each example is run as its first lines say: served, and talked with over the socket, without a key and with Gemini.

Gemini is Mock Live here: it calls the tools as a script says.
"""

from __future__ import annotations

import asyncio
import base64
import importlib.util
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from fullduplex.mock_live import MockLive, Script, say, tool_call
from fullduplex.models.cascade import engines
from fullduplex.models.cascade.tts import VOICES
from fullduplex.server import create_app
from tests.needs import needs
from tests.server.harness import serving

EXAMPLES = Path(__file__).parents[2] / "examples"
GEMINI = "gemini-live-2.5-flash"
PATIENCE_S = 20.0

Event = dict[str, Any]


def load(example: str) -> ModuleType:
    """The module of an example, fresh."""
    path = EXAMPLES / example / "agent.py"
    spec = importlib.util.spec_from_file_location(f"example_{example}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Guest:
    """Somebody at the other end of the socket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.events: list[Event] = []

    async def send(self, **message: Any) -> None:
        await self._socket.send(json.dumps(message))

    async def until(self, seen: Callable[[Event], Any]) -> Event:
        """The next event that `seen` likes."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                event: Event = json.loads(await self._socket.recv())
                self.events.append(event)
                assert event.get("type") != "error", event
                assert "errorCode" not in event, event
                if seen(event):
                    return event

    async def says(self, text: str, *, by: str | None = None) -> str:
        """Types `text`; what the agent (`by` name) says to it, when that is finished."""
        await self.send(type="text", text=text)
        return await self.hears(by=by)

    async def hears(self, *, by: str | None = None) -> str:
        """What the agent says next, whole."""
        return words(await self.until(lambda event: words(event) and event["author"] == (by or event["author"])))


def words(event: Event) -> str:
    """What an agent has said in full; empty for any other event."""
    if event.get("partial") or event.get("author") == "user":
        return ""
    spoken = event.get("outputTranscription", {})
    written = "".join(part.get("text", "") for part in event.get("content", {}).get("parts", ()))
    return written or (spoken.get("text", "") if spoken.get("finished") else "")


def called(name: str) -> Callable[[Event], Any]:
    """Whether an event calls this tool; gives the call."""

    def find(event: Event) -> Any:
        parts = event.get("content", {}).get("parts", ())
        return [part["functionCall"] for part in parts if part.get("functionCall", {}).get("name") == name]

    return find


def answers(event: Event) -> list[Any]:
    """What tools answered in an event."""
    parts = event.get("content", {}).get("parts", ())
    return [part["functionResponse"]["response"] for part in parts if "functionResponse" in part]


@asynccontextmanager
async def talking(module: ModuleType) -> AsyncIterator[Guest]:
    async with serving(create_app(module.root_agent)) as address:
        async with connect(f"ws://{address}/ws/ada/s1", max_size=None, max_queue=None) as socket:
            yield Guest(socket)


class FastTalker:
    """A voice that has said everything in no time, and remembers whose it was."""

    name = "fast talker"

    def __init__(self) -> None:
        self.voices: list[str] = []

    def knows(self, voice: str) -> bool:
        return voice in VOICES

    async def speak(self, text: str, voice: str) -> bytes:
        self.voices.append(voice)
        return bytes(480)

    async def aclose(self) -> None:
        """Holds nothing."""


@pytest.fixture
def talker(monkeypatch: pytest.MonkeyPatch) -> FastTalker:
    """The embedded agent's voice: tests/e2e hears the real ones, which take their time."""
    fast = FastTalker()
    monkeypatch.setattr(engines, "_shared", None)
    monkeypatch.setattr(engines, "find_synthesizer", lambda _: fast)
    return fast


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_API_KEY", "DEMO_AGENT_MODEL", "GOOGLE_GENAI_USE_VERTEXAI"):
        monkeypatch.delenv(name, raising=False)


@asynccontextmanager
async def gemini(monkeypatch: pytest.MonkeyPatch, *turns: Any) -> AsyncIterator[MockLive]:
    """A Gemini that plays `turns`, where examples look for one."""
    async with MockLive(Script(list(turns))) as mock:
        monkeypatch.setenv("GOOGLE_API_KEY", "any")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", mock.url)
        monkeypatch.setenv("DEMO_AGENT_MODEL", GEMINI)
        yield mock


# -- a concierge with three agents and voices --------------------------------------------------------------------------


async def test_the_concierge_hands_the_guest_on_without_a_key(talker: FastTalker):
    async with talking(load("concierge")) as guest:
        assert "eleven" in await guest.says("when is check out", by="concierge")
        assert "table for 4" in await guest.says("book a table for four people", by="dining"), "asked once, answered"
        assert "trout" in await guest.says("what is on the menu", by="dining")
        assert "towels are on their way" in await guest.says("I need two towels", by="housekeeping")
        assert "eleven" in await guest.says("what time is checkout", by="concierge")
        handed = [
            event["actions"]["transferToAgent"] for event in guest.events if "transferToAgent" in event["actions"]
        ]
        assert handed == ["dining", "housekeeping", "concierge"]
    assert list(dict.fromkeys(filter(None, talker.voices))) == ["slt", "rms", "awb"]


async def test_the_concierge_on_gemini_has_three_voices(monkeypatch: pytest.MonkeyPatch):
    async with gemini(
        monkeypatch,
        [tool_call("transfer_to_agent", {"agent_name": "dining"})],
        [tool_call("book_table", {"people": 4}), say("Four, tonight at eight.")],
        [tool_call("transfer_to_agent", {"agent_name": "housekeeping"})],
        [say("Two towels, at once.")],
    ) as mock:
        async with talking(load("concierge")) as guest:
            assert "eight" in await guest.says("a table for four, please", by="dining")
            assert "towels" in await guest.says("and two towels", by="housekeeping")
        voices = [
            connection.setup["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]
            for connection in mock.connections
        ]
        assert voices == ["Aoede", "Charon", "Puck"]


# -- a form-filling loop -----------------------------------------------------------------------------------------------


async def test_the_form_is_filled_round_after_round_without_a_key(talker: FastTalker):
    async with talking(load("form_filling")) as guest:
        for order in range(2):
            assert "cheese" in await guest.says("a large pizza")
            assert "drink" in await guest.says("with mushrooms")
            assert "place the order" in await guest.says("water please")
            assert "Ordered: one large pizza" in await guest.says("place the order"), order
        closed = guest.until(answers)
        await guest.send(type="text", text="close the counter")
        assert answers(await closed) == [{"report": "The counter is closed. Orders taken: 2."}]


async def test_the_form_on_gemini_tells_each_round_what_is_missing(monkeypatch: pytest.MonkeyPatch):
    async with gemini(
        monkeypatch,
        [tool_call("choose_size", {"size": "large"}), say("With what?")],
        [tool_call("choose_topping", {"topping": "olives"}), say("To drink?")],
        [tool_call("choose_drink", {"drink": "juice"}), tool_call("place_order", {})],
        [say("Ordered. Next please!")],
    ) as mock:
        async with talking(load("form_filling")) as guest:
            await guest.says("large")
            await guest.says("olives")
            assert "Next" in await guest.says("juice")
        first, second = (connection.setup["systemInstruction"]["parts"][0]["text"] for connection in mock.connections)
        assert "size , topping , drink ." in first
        assert "size , topping , drink ." in second, "an empty form again"


# -- a video watcher ---------------------------------------------------------------------------------------------------


def frame(shade: int) -> str:
    from PIL import Image

    data = io.BytesIO()
    Image.new("RGB", (64, 48), (shade, shade, shade)).save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


async def show(guest: Guest, shades: list[int]) -> None:
    for shade in shades:
        await guest.send(type="image", data=frame(shade), mimeType="image/jpeg")
        await asyncio.sleep(0.03)


async def test_the_lookout_sees_that_something_changes_without_a_key(
    talker: FastTalker, monkeypatch: pytest.MonkeyPatch
):
    needs("PIL")
    module = load("video_watcher")
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    async with talking(module) as guest:
        await guest.send(type="text", text="watch the camera")
        await guest.until(called("watch_camera"))
        await show(guest, [20, 20, 20, 200])
        await guest.until(lambda event: "Something has changed" in words(event))
        await guest.send(type="text", text="stop watching")
        stopped = await guest.until(lambda event: "stopped" in str(answers(event)))
        assert answers(stopped) == [{"status": "Successfully stopped streaming function watch_camera"}]


async def test_the_lookout_on_gemini(monkeypatch: pytest.MonkeyPatch):
    needs("PIL")
    async with gemini(monkeypatch, [tool_call("watch_camera", {}), say("I am watching.")]) as mock:
        module = load("video_watcher")
        monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)

        async def seen(_: Any) -> str:
            return "A cat sits on the piano."

        monkeypatch.setattr(module, "describe", seen)
        async with talking(module) as guest:
            await guest.send(type="text", text="watch the camera")
            await guest.until(called("watch_camera"))
            await show(guest, [20, 20, 20, 200])
            await mock.wait_for(lambda m: "piano" in json.dumps([one.body for one in m.connections[0].messages]))
        (declared,) = mock.connections[0].setup["tools"]
        watch = next(one for one in declared["functionDeclarations"] if one["name"] == "watch_camera")
        assert watch["behavior"] == "NON_BLOCKING"
        assert "input_stream" not in json.dumps(watch)


# -- a stock watcher ---------------------------------------------------------------------------------------------------


async def test_the_broker_speaks_up_without_a_key(talker: FastTalker, monkeypatch: pytest.MonkeyPatch):
    module = load("stock_watcher")
    monkeypatch.setattr(module, "TICK_S", 0.01)
    async with talking(module) as guest:
        await guest.send(type="text", text="watch globex")
        (call,) = called("watch_price")(await guest.until(called("watch_price")))
        assert call["args"] == {"company": "globex"}
        await guest.until(lambda event: "globex is" in words(event))
        await guest.send(type="text", text="stop watching")
        stopped = await guest.until(lambda event: "stopped" in str(answers(event)))
        assert answers(stopped) == [{"status": "Successfully stopped streaming function watch_price"}]


async def test_the_broker_on_gemini(monkeypatch: pytest.MonkeyPatch):
    async with gemini(
        monkeypatch, [tool_call("watch_price", {"company": "hooli"}), say("I keep an eye on it.")]
    ) as mock:
        module = load("stock_watcher")
        monkeypatch.setattr(module, "TICK_S", 0.01)
        async with talking(module) as guest:
            await guest.send(type="text", text="watch hooli")
            await guest.until(called("watch_price"))
            await mock.wait_for(lambda m: "hooli is" in json.dumps([one.body for one in m.connections[0].messages]))


# -- an approval flow --------------------------------------------------------------------------------------------------


async def decide(guest: Guest, confirmed: bool) -> None:
    (request,) = called("adk_request_confirmation")(await guest.until(called("adk_request_confirmation")))
    assert request["args"]["originalFunctionCall"]["name"] == "send_money"
    await guest.send(type="tool_response", id=request["id"], name=request["name"], response={"confirmed": confirmed})


@pytest.mark.parametrize("confirmed", [True, False])
async def test_the_teller_waits_for_a_person_without_a_key(talker: FastTalker, confirmed: bool):
    async with talking(load("approval")) as guest:
        assert "1910" in await guest.says("send ninety dollars to the landlord"), "a small sum needs nobody"
        await guest.send(type="text", text="send five hundred dollars to the landlord")
        await decide(guest, confirmed)
        told = await guest.hears()
        assert ("1410" in told) is confirmed, told
        assert ("1410" if confirmed else "1910") in await guest.says("what is my balance")


@pytest.mark.parametrize("confirmed", [True, False])
async def test_the_teller_on_gemini(monkeypatch: pytest.MonkeyPatch, confirmed: bool):
    async with gemini(
        monkeypatch, [tool_call("send_money", {"amount": 500, "payee": "grocer"}), say("That was it.")]
    ) as mock:
        async with talking(load("approval")) as guest:
            await guest.send(type="text", text="five hundred to the grocer")
            await decide(guest, confirmed)
            assert await guest.hears() == "That was it."
        told = json.dumps([one.body for one in mock.connections[0].messages])
        assert ("Sent 500 dollars" in told) is confirmed


# -- an MCP agent ------------------------------------------------------------------------------------------------------


async def test_the_librarian_asks_its_server_without_a_key(talker: FastTalker):
    needs("mcp")
    async with talking(load("mcp_agent")) as guest:
        assert "Slow Trains" in await guest.says("which travel books do you have")
        assert "2 books" in await guest.says("how many poetry books are there")


async def test_the_librarian_on_gemini(monkeypatch: pytest.MonkeyPatch):
    needs("mcp")
    async with gemini(monkeypatch, [tool_call("count_books", {"shelf": "travel"}), say("Three.")]) as mock:
        async with talking(load("mcp_agent")) as guest:
            assert await guest.says("how many travel books?") == "Three."
        assert "There are 3 books" in json.dumps([one.body for one in mock.connections[0].messages])
