"""Events as lines for people; `Runner.run_debug` prints them."""

from __future__ import annotations

import io

import pytest

from fullduplex.errors import ModelError
from fullduplex.events import Event
from fullduplex.text.printing import Printer
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part
from tests.text.kit import SSE, Chat, call


def said(text: str, *, partial: bool | None = None, author: str = "guide", thought: bool | None = None) -> Event:
    part = Part(text=text, thought=thought)
    return Event(author=author, partial=partial, content=Content(role="model", parts=[part]))


def printed(*events: Event, tools: bool = True) -> str:
    out = io.StringIO()
    printer = Printer(out, tools=tools)
    for event in events:
        printer.show(event)
    return out.getvalue()


def test_a_streamed_answer_is_written_once() -> None:
    pieces = [said("Hel", partial=True), said("lo.", partial=True), said("Hello.", partial=False)]
    assert printed(*pieces, said("Bye.")) == "guide> Hello.\nguide> Bye.\n"


def test_of_agents_that_speak_at_once_the_second_is_written_when_the_first_has_ended() -> None:
    pieces = [
        said("One", partial=True),
        said("Two", partial=True, author="other"),
        said(" more.", partial=True),
        said("One more.", partial=False),
        said(" too.", partial=True, author="other"),
        said("Two too.", partial=False, author="other"),
        said("Again", partial=True, author="other"),
    ]
    assert printed(*pieces) == "guide> One more.\nother> Two too.\nother> Again"


def test_what_others_do_meanwhile_follows_the_line() -> None:
    call_ = Part(function_call=FunctionCall(name="look"))
    events = [
        said("One", partial=True),
        Event(author="other", content=Content(role="model", parts=[call_])),
        said("Done.", author="other"),
        said(" more.", partial=True),
        said("One more.", partial=False),
    ]
    assert printed(*events) == "guide> One more.\n  · look()\nother> Done.\n"


def test_thoughts_are_not_written() -> None:
    assert printed(said("hm", thought=True), said("hm", partial=True, thought=True)) == ""


def test_calls_and_answers_have_a_line_each() -> None:
    call_ = Part(function_call=FunctionCall(name="look", args={"city": "Oslo", "days": 2}))
    answer = Part(function_response=FunctionResponse(name="look", response={"sky": "clear"}))
    events = [
        Event(author="guide", content=Content(role="model", parts=[Part(text="Let me see."), call_])),
        Event(author="guide", content=Content(role="user", parts=[answer])),
    ]
    text = 'guide> Let me see.\n  · look(city="Oslo", days=2)\n  · look → {"sky": "clear"}\n'
    assert printed(*events) == text
    assert printed(*events, tools=False) == "guide> Let me see.\n"


def test_what_is_long_is_cut() -> None:
    part = Part(function_response=FunctionResponse(name="look", response={"text": "x" * 5000}))
    assert len(printed(Event(author="guide", content=Content(role="user", parts=[part])))) < 250


def test_an_error_has_its_code() -> None:
    event = Event(author="guide", error_code="quota_exceeded", error_message="no more today")
    assert printed(said("I was", partial=True), event) == "guide> I was\n! quota_exceeded: no more today\n"


async def look() -> str:
    return "clear"


async def test_run_debug_prints_and_gives_the_events(capsys: pytest.CaptureFixture[str]) -> None:
    chat = Chat(call("look"), "Clear.", "Bye.", tools=[look])
    events = await chat.runner.run_debug(["how is it?", "bye"], run_config=SSE)
    assert capsys.readouterr().out == "user> how is it?\nguide> Clear.\nuser> bye\nguide> Bye.\n"
    assert [event.content.text for event in events if not event.partial and event.content] == ["", "", "Clear.", "Bye."]
    session = await chat.store.get_session(app_name="app", user_id="debug_user_id", session_id="debug_session_id")
    assert session is not None
    assert len(session.events) == 6


async def test_run_debug_may_say_more_or_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    chat = Chat(call("look"), "Clear.", "Bye.", ModelError("gone"), tools=[look])
    await chat.runner.run_debug("how is it?", verbose=True)
    assert "· look()" in capsys.readouterr().out
    await chat.runner.run_debug("bye", quiet=True)
    assert capsys.readouterr().out == ""
    with pytest.raises(ModelError):
        await chat.runner.run_debug("fail")
    assert "! model_error: gone" in capsys.readouterr().out
