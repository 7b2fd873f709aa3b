"""The samples of `docs/protocols.md` are what the server reads and writes."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest

from fullduplex import Agent, Event, LiveRequestQueue, types
from fullduplex.errors import InvalidInput
from fullduplex.server import ServerSettings, create_app, refusals
from fullduplex.server.protocols.article_ws import ArticleWs
from fullduplex.server.protocols.bidi_demo import BidiDemo
from tests.docs.blocks import codes_in, labelled, rows

PAGE = "protocols.md"
ALWAYS = {"invocationId", "author", "actions", "nodeInfo", "id", "timestamp"}


@pytest.mark.parametrize("frame", labelled(PAGE, "up"))
def test_frames_up(frame: str) -> None:
    queue = LiveRequestQueue()
    BidiDemo(1_000).read(frame, queue)
    assert queue.qsize() == 1


def _is_a_type(word: object) -> bool:
    """Whether the protocol does not answer that there is no such type."""
    try:
        BidiDemo(1_000).read(json.dumps({"type": word}), LiveRequestQueue())
    except InvalidInput as error:
        return error.field != "type"
    return True


def test_the_kinds_of_frames_up_are_all_there() -> None:
    words = [word for word in BidiDemo.read.__code__.co_consts if isinstance(word, str)]
    assert {json.loads(frame)["type"] for frame in labelled(PAGE, "up")} == set(filter(_is_a_type, words))


def test_the_error_answer() -> None:
    [sample] = labelled(PAGE, "error")
    with pytest.raises(InvalidInput) as refused:
        BidiDemo(1_000).read('{"type":"text"}', LiveRequestQueue())
    assert refusals.answer_to(refused.value, session_lives=True) == sample


def test_a_whole_event() -> None:
    [sample] = labelled(PAGE, "event")
    assert BidiDemo(1_000).write(Event.model_validate_json(sample)) == sample
    assert set(json.loads(sample)) >= ALWAYS


@pytest.mark.parametrize("row", rows(PAGE, "event"), ids=lambda row: row[0])
def test_what_events_have_besides(row: list[str]) -> None:
    [sample] = codes_in(row[1])
    event = Event.model_validate_json(sample)
    written = json.loads(BidiDemo(1_000).write(event))
    assert set(written) >= ALWAYS
    assert {key: value for key, value in written.items() if key not in ALWAYS} == json.loads(sample)


def test_the_articles_frames_up(capsys: pytest.CaptureFixture[str]) -> None:
    queue = LiveRequestQueue()
    for frame in labelled(PAGE, "article-up"):
        ArticleWs(1_000, audio_down=True).read(frame, queue)
    assert queue.qsize() == 2
    capsys.readouterr()


def test_the_articles_messages_down(capsys: pytest.CaptureFixture[str]) -> None:
    text = types.Part(text="It is ")
    pcm = types.Part.from_bytes(data=b"\xff\xfe\xfd\x00", mime_type="audio/pcm;rate=24000")
    events = [
        Event(content=types.Content(role="model", parts=[text]), partial=True),
        Event(output_transcription=types.Transcription(text="It is ", finished=False), partial=True),
        Event(content=types.Content(role="model", parts=[pcm])),
        Event(interrupted=True),
        Event(turn_complete=True),
    ]
    samples = labelled(PAGE, "article-down")
    assert [ArticleWs(1_000, audio_down=True).write(event) for event in events] == samples
    capsys.readouterr()


async def _get(path: str) -> Any:
    def opening_hours(day: str) -> str:
        """Tells when the library is open."""
        return day

    agent = Agent(name="librarian", model="local", tools=[opening_hours])
    app = create_app(agent, ServerSettings(), examples=["When does the library open?"])
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return (await client.get(path)).json()


async def test_health() -> None:
    assert await _get("/health") == json.loads(*labelled(PAGE, "health"))


async def test_info() -> None:
    told, shown = await _get("/api/info"), json.loads(*labelled(PAGE, "info"))
    assert re.fullmatch("memory-[0-9a-f]{8}", told.pop("sessions"))
    assert re.fullmatch("memory-[0-9a-f]{8}", shown.pop("sessions"))
    assert told == shown
