"""An answer whose turn is over, and that still plays: broken off there, the agent has not said the rest."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from fullduplex.events import Event
from fullduplex.memory import InMemoryMemoryService
from fullduplex.types.playout import Heard
from tests.live.kit import GO_AWAY, INTERRUPTED, TURN_COMPLETE, Call, audio, said, settle, text, user, virtual

WORDS = "One two three four five six seven eight nine ten"
HALF = "One two three four five"
EXACT = 950.0


async def given(*, played_ms: float | None = 900.0, **agent: Any) -> tuple[Call, str]:
    """A call whose model has given an answer of two seconds, which its player plays; and the response's id."""
    call = await Call.start(**agent)
    call.queue.send_content(user("count"))
    await settle()
    await call.play(audio(b"\0\1" * 48_000), said(WORDS), TURN_COMPLETE)
    response = (await call.until(lambda event: event.content)).id
    if played_ms is not None:
        call.queue.send_playout(response, played_ms - 100.0)
        call.queue.send_playout(response, played_ms)
        await settle()
    return call, response


def told(call: Call) -> list[tuple[bool, Heard]]:
    """What the app learned of what was heard, and whether that came with an interruption."""
    return [(bool(event.interrupted), event.heard) for event in call.events if event.heard is not None]


async def history_of_the_next(call: Call) -> list[str]:
    """What the next connection of the run is told, when another question has been answered, and of the next run."""
    call.queue.send_content(user("go on"))
    await settle()
    await call.play(text("eleven"), TURN_COMPLETE, GO_AWAY)
    second = await call.connection(2)
    await settle()
    await call.end()
    again = await Call.start(runner=call.runner, model=call.model, session=await call.saved())
    third = await call.model.opened(3)
    await again.end()
    [(kind, contents)] = second.sent
    assert (kind, contents) == ("history", third.request.history)
    return [turn.text for turn in contents]


async def by_the_app(call: Call, response: str) -> None:
    call.queue.interrupt()
    await settle()
    call.queue.send_playout(response, EXACT, cleared=True)


async def by_the_model(call: Call, response: str) -> None:
    await call.play(INTERRUPTED)
    call.queue.send_playout(response, EXACT, cleared=True)


async def by_the_model_whose_turn_ends_twice(call: Call, response: str) -> None:
    await by_the_model(call, response)
    await call.play(TURN_COMPLETE)


async def by_the_player(call: Call, response: str) -> None:
    call.queue.send_playout(response, EXACT, cleared=True)


async def by_the_player_before_the_app(call: Call, response: str) -> None:
    call.queue.send_playout(response, EXACT, cleared=True)
    call.queue.interrupt()


@pytest.mark.parametrize(
    "cut", [by_the_app, by_the_model, by_the_model_whose_turn_ends_twice, by_the_player, by_the_player_before_the_app]
)
@virtual
async def test_what_the_user_did_not_hear_of_an_answer_after_its_turn_nobody_is_told(cut) -> None:
    call, response = await given()
    before = list((await call.connection()).sent)
    await cut(call, response)
    await settle()
    first, *later = told(call)
    assert first[0]
    assert not any(interrupts for interrupts, _ in later), "one interruption"
    last = told(call)[-1][1]
    assert (last.response_id, last.played_ms, last.text) == (response, EXACT, HALF)
    assert (await call.connection()).sent == before, "the model has nothing to do with it"
    assert await history_of_the_next(call) == ["count", HALF, "go on", "eleven"]


@virtual
async def test_what_the_user_did_not_hear_is_in_no_state_and_in_no_memory() -> None:
    call, response = await given(output_key="answer")
    assert (await call.saved()).state["answer"] == WORDS
    await by_the_player(call, response)
    await settle()
    saved = await call.saved()
    assert saved.state["answer"] == HALF
    memory = InMemoryMemoryService()
    await memory.add_session_to_memory(saved)
    found = await memory.search_memory(app_name="app", user_id="u", query="three seven")
    assert [entry.content.text for entry in found.memories] == [HALF]
    await call.play(audio(), said("Eleven."), TURN_COMPLETE)
    await call.end()
    assert (await call.saved()).state["answer"] == f"{HALF} Eleven."


@virtual
async def test_without_a_player_the_estimate_holds() -> None:
    call, _ = await given(played_ms=None)
    await asyncio.sleep(0.95)
    call.queue.interrupt()
    await settle()
    [(interrupts, heard)] = told(call)
    assert (interrupts, heard.text, heard.estimated) == (True, HALF, True)
    assert await history_of_the_next(call) == ["count", HALF, "go on", "eleven"]


@virtual
async def test_a_player_that_does_not_say_where_it_stood_is_waited_for_no_longer_than_a_second() -> None:
    call, _ = await given()
    call.queue.interrupt()
    await asyncio.sleep(1.1)
    assert [event.heard.cuts for event in (await call.saved()).events if event.heard is not None and event.heard.cuts]
    assert (await history_of_the_next(call))[1] in WORDS[:-1]


@virtual
async def test_an_answer_of_which_nothing_was_heard_is_not_told() -> None:
    call, response = await given(played_ms=None)
    call.queue.send_playout(response, 0.0, cleared=True)
    await settle()
    assert await history_of_the_next(call) == ["count", "go on", "eleven"]


@pytest.mark.parametrize("missing_ms", [0.0, 40.0])
@virtual
async def test_an_answer_that_was_heard_to_its_end_is_not_broken_off(missing_ms: float) -> None:
    call, response = await given()
    call.queue.send_playout(response, 2000.0 - missing_ms, cleared=True)
    await settle()
    call.queue.interrupt()
    await settle()
    assert told(call) == []
    assert await history_of_the_next(call) == ["count", WORDS, "go on", "eleven"]


@virtual
async def test_what_is_typed_while_an_answer_plays_breaks_nothing_off() -> None:
    call, _ = await given()
    assert await history_of_the_next(call) == ["count", WORDS, "go on", "eleven"]
    assert told(call) == []


@virtual
async def test_clearing_an_answer_that_the_next_one_follows_leaves_that_alone() -> None:
    call, response = await given()
    await call.play(audio(), said("Eleven"))
    call.queue.send_playout(response, EXACT, cleared=True)
    await settle()
    await call.play(TURN_COMPLETE)
    assert told(call) == []
    await call.end()


@virtual
async def test_clearing_an_answer_does_not_break_off_the_turn_that_has_begun_without_sound() -> None:
    call, response = await given()
    await call.play(text("Ele"))
    call.queue.send_playout(response, EXACT, cleared=True)
    await settle()
    assert [interrupts for interrupts, _ in told(call)] == [True]
    await call.play(text("ven"), TURN_COMPLETE)
    assert (await call.end())[-2:] == ["M:Eleven", "end"]


@virtual
async def test_an_interruption_that_waits_for_its_player_is_not_settled_by_the_next_answer() -> None:
    call, response = await given()
    call.queue.interrupt()
    await settle()
    await call.play(audio(b"\0\1" * 48_000), said("Eleven twelve thirteen fourteen"), TURN_COMPLETE)
    second = [event for event in call.events if event.content][-1].id
    call.queue.send_playout(second, 500.0, cleared=True)
    await settle()
    saved: list[Event] = [event for event in (await call.saved()).events if event.heard is not None]
    assert [event.heard.response_id for event in saved] == [response, second]
    texts = await history_of_the_next(call)
    assert "Eleven" in texts[1]
    assert "fourteen" not in texts[1]
