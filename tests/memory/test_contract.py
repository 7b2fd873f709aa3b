"""What every memory service does, in memory and in each database."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fullduplex.events import Event
from fullduplex.memory import BaseMemoryService, DatabaseMemoryService, InMemoryMemoryService
from fullduplex.sessions import Session
from fullduplex.types import Content, Part, Transcription
from tests.databases import KINDS, url_of


@pytest.fixture(params=["memory", *KINDS])
async def memory(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BaseMemoryService]:
    if request.param == "memory":
        yield InMemoryMemoryService()
        return
    service = DatabaseMemoryService(url_of(request.param, tmp_path))
    yield service
    await service.close()


@pytest.fixture
def app() -> str:
    return f"app-{uuid.uuid4().hex}"


def text(words: str, *, at: float = 0.0, author: str = "user") -> Event:
    content = Content(role="user" if author == "user" else "model", parts=[Part(text=words)])
    return Event(author=author, content=content, timestamp=at)


def session(app: str, *events: Event, user: str = "ada", id: str = "s1") -> Session:
    return Session(id=id, app_name=app, user_id=user, events=list(events))


async def found(memory: BaseMemoryService, app: str, query: str, user: str = "ada") -> list[str]:
    response = await memory.search_memory(app_name=app, user_id=user, query=query)
    return [entry.content.text for entry in response.memories]


@pytest.mark.spec(91)
async def test_what_was_said_is_found_by_a_word_of_it(
    memory: BaseMemoryService, app: str, caplog: pytest.LogCaptureFixture
) -> None:
    await memory.add_session_to_memory(session(app, text("My cat is called Minka."), text("It rains today.")))
    assert await found(memory, app, "What was the name of my CAT?") == ["My cat is called Minka."]
    assert await found(memory, app, "minka!") == ["My cat is called Minka."]
    assert await found(memory, app, "dog") == []
    assert await found(memory, app, "cats ca") == [], "whole words"
    assert await found(memory, app, "") == await found(memory, app, "?!") == []
    assert not caplog.records


async def test_an_entry_tells_who_said_it_and_when(memory: BaseMemoryService, app: str) -> None:
    event = text("The door code is 4711.", at=1_700_000_000.5, author="concierge")
    await memory.add_session_to_memory(session(app, event))
    [entry] = (await memory.search_memory(app_name=app, user_id="ada", query="code")).memories
    assert entry.author == "concierge"
    assert entry.timestamp == "2023-11-14T22:13:20.500000+00:00"
    assert entry.id == event.id
    assert entry.content == event.content


async def test_speech_is_remembered_by_its_finished_transcripts(memory: BaseMemoryService, app: str) -> None:
    events = [
        Event(author="user", input_transcription=Transcription(text="half a sent", finished=False)),
        Event(author="user", input_transcription=Transcription(text="half a sentence more", finished=True)),
        Event(author="guide", output_transcription=Transcription(text="A full sentence.", finished=True), timestamp=1),
    ]
    await memory.add_session_to_memory(session(app, *events))
    response = await memory.search_memory(app_name=app, user_id="ada", query="sentence sent")
    assert {(entry.content.role, entry.content.text) for entry in response.memories} == {
        ("user", "half a sentence more"),
        ("model", "A full sentence."),
    }


async def test_thoughts_media_tools_and_partials_are_not_remembered(memory: BaseMemoryService, app: str) -> None:
    parts = [
        Part(text="secret thought", thought=True),
        Part.from_bytes(data=b"secret", mime_type="audio/pcm"),
        Part.from_function_call(name="secret", args={}),
        Part(text="spoken"),
    ]
    await memory.add_session_to_memory(
        session(
            app,
            Event(author="guide", content=Content(role="model", parts=parts)),
            Event(author="guide", content=Content(role="model", parts=parts[:3])),
            Event(author="guide", content=Content(role="model", parts=[Part(text="secret part")]), partial=True),
            Event(author="guide", turn_complete=True),
        )
    )
    assert await found(memory, app, "secret") == []
    assert await found(memory, app, "spoken") == ["spoken"]


async def test_a_session_that_is_added_again_is_not_doubled(memory: BaseMemoryService, app: str) -> None:
    events = [text(f"word {number}", at=number) for number in range(4)]
    await memory.add_session_to_memory(session(app, *events[:2]))
    await memory.add_session_to_memory(session(app, *events))
    await memory.add_session_to_memory(session(app, *events[2:]))
    await memory.add_session_to_memory(session(app))
    assert await found(memory, app, "word") == ["word 3", "word 2", "word 1", "word 0"]


async def test_a_session_that_many_add_at_once_is_not_doubled(memory: BaseMemoryService, app: str) -> None:
    events = [text(f"word {number} and some more of them", at=number) for number in range(15)]
    await asyncio.gather(*(memory.add_session_to_memory(session(app, *events[: n + 1])) for n in range(15)))
    assert await found(memory, app, "word") == [f"word {n} and some more of them" for n in reversed(range(15))]


async def test_users_and_apps_do_not_see_each_other(memory: BaseMemoryService, app: str) -> None:
    places = [(app, "ada"), (app, "Ada"), (f"{app}-other", "ada"), (app, "ada "), (app, "äda"), (app, "x" * 1_000)]
    for place, user in places:
        await memory.add_session_to_memory(session(place, text(f"secret of {place} {user}"), user=user))
    for place, user in places:
        assert await found(memory, place, "secret", user) == [f"secret of {place} {user}"]
    assert await found(memory, app, "secret", "nobody") == []


async def test_sessions_of_one_user_are_searched_together(memory: BaseMemoryService, app: str) -> None:
    event = text("the same event, in a copied session")
    await memory.add_session_to_memory(session(app, event, id="s1"))
    await memory.add_session_to_memory(session(app, event, id="s2"))
    assert await found(memory, app, "copied") == ["the same event, in a copied session"] * 2


async def test_rare_words_count_more_and_the_newest_comes_first(memory: BaseMemoryService, app: str) -> None:
    said = ["the train is late", "the bus is late", "the ferry leaves at nine", "the train is red"]
    await memory.add_session_to_memory(session(app, *(text(words, at=at) for at, words in enumerate(said))))
    assert await found(memory, app, "when does the ferry leave, is it late?") == [said[2], said[1], said[0], said[3]]
    assert await found(memory, app, "train") == [said[3], said[0]]


async def test_the_best_twenty_are_found(memory: BaseMemoryService, app: str) -> None:
    await memory.add_session_to_memory(session(app, *(text(f"word {n}", at=n) for n in range(50))))
    assert await found(memory, app, "word") == [f"word {n}" for n in range(49, 29, -1)]


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("Wir treffen uns im Café Müller", "MÜLLER"),
        ("Встреча в пятницу", "пятницу"),
        ("It's 'quoted'; DROP TABLE memory_words; --", "drop"),
        ("under_score and dash-ed", "score dash"),
        ("a NUL \0 inside, and a 🎙", "inside"),
        ("x" * 5_000 + " end", "x" * 5_000),
        ("long " * 100_000 + "text", "text"),
    ],
)
async def test_any_text_can_be_remembered(memory: BaseMemoryService, app: str, said: str, query: str) -> None:
    await memory.add_session_to_memory(session(app, text(said)))
    assert await found(memory, app, query) == [said]


async def test_words_that_differ_by_an_accent_are_two(memory: BaseMemoryService, app: str) -> None:
    await memory.add_session_to_memory(session(app, text("cafe café"), text("cafe")))
    assert await found(memory, app, "café") == ["cafe café"]


async def test_a_question_of_any_length_is_answered(memory: BaseMemoryService, app: str) -> None:
    await memory.add_session_to_memory(session(app, text("the lighthouse keeper")))
    assert await found(memory, app, " ".join(f"w{n}" for n in range(50_000)) + " lighthouse") == [
        "the lighthouse keeper"
    ]


async def test_what_is_found_is_a_copy(memory: BaseMemoryService, app: str) -> None:
    await memory.add_session_to_memory(session(app, text("as it was")))
    [entry] = (await memory.search_memory(app_name=app, user_id="ada", query="was")).memories
    entry.content.parts[0].text = "changed"  # type: ignore[index]
    assert await found(memory, app, "was") == ["as it was"]
