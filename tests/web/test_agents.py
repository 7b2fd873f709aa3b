"""Many agents and all kinds of tools, as items of the conversation: who speaks, handovers, long calls, approvals."""

from __future__ import annotations

from typing import Any

import pytest

from .standin import approval, calling, event, hand_over, heard, spoken, text, tool_call, tool_response

pytestmark = pytest.mark.asyncio(loop_scope="session")

PENDING = {"status": "The function is running asynchronously and the results are pending."}
BOOK = {"id": "c1", "name": "book_table", "args": {"people": 4}}


def shown(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(who, what) in order: texts by their author, handovers, tools and requests by their state."""
    lines = []
    for item in items:
        match item["kind"]:
            case "message":
                lines.append((item["author"], item["text"]))
            case "handover":
                lines.append((item["from"], f"→ {item['to']}"))
            case "tool":
                lines.append((item["name"], item["state"]))
            case "request":
                lines.append((item["tool"]["name"], item["state"]))
    return lines


# Who speaks


@pytest.mark.parametrize(
    "say", [spoken, lambda words, finished, author: text(words, partial=not finished, author=author)]
)
async def test_a_round_trip_within_one_turn_gives_each_part_a_bubble(assemble: Any, say: Any) -> None:
    items = await assemble(
        {"typed": "a table for four"},
        say("One moment.", finished=False, author="concierge"),
        calling({"id": "t1", "name": "transfer_to_agent", "args": {"agent_name": "dining"}}, author="concierge"),
        hand_over("concierge", "dining"),
        say("Booked.", finished=False, author="dining"),
        hand_over("dining", "concierge"),
        say("Anything ", finished=False, author="concierge"),
        say("else?", finished=False, author="concierge"),
        event(author="concierge", turnComplete=True),
    )
    assert shown(items) == [
        ("user", "a table for four"),
        ("concierge", "One moment."),
        ("concierge", "→ dining"),
        ("dining", "Booked."),
        ("dining", "→ concierge"),
        ("concierge", "Anything else?"),
    ]
    assert not any(item.get("streaming") for item in items)


async def test_words_before_a_hand_over_that_come_whole_after_it_are_not_doubled(assemble: Any) -> None:
    items = await assemble(
        spoken("One mo", finished=False, author="concierge"),
        hand_over("concierge", "dining"),
        spoken("One moment.", finished=True, author="concierge"),
        spoken("Hello.", finished=True, author="dining"),
    )
    assert shown(items) == [("concierge", "One moment."), ("concierge", "→ dining"), ("dining", "Hello.")]


async def test_a_transfer_that_fails_is_a_failed_tool(assemble: Any) -> None:
    call = {"id": "t1", "name": "transfer_to_agent", "args": {"agent_name": "nobody"}}
    items = await assemble(calling(call), tool_response("t1", "transfer_to_agent", {"error": "no such agent"}))
    assert shown(items) == [("transfer_to_agent", "failed")]


async def test_agents_in_parallel_end_their_turns_one_by_one(assemble: Any) -> None:
    one, two = {"author": "one", "branch": "panel.one"}, {"author": "two", "branch": "panel.two"}
    items = await assemble(
        text("a", partial=True, **one),
        text("x", partial=True, **two),
        event(turnComplete=True, **one),
        text("y", partial=True, **two),
        text("xyz", partial=False, **two),
        event(turnComplete=True, **two),
    )
    assert [(item["author"], item["branch"], item["text"]) for item in items] == [
        ("one", "panel.one", "a"),
        ("two", "panel.two", "xyz"),
    ]
    assert not any(item["streaming"] for item in items)


async def test_an_interruption_is_marked_at_the_agent_that_was_cut(assemble: Any) -> None:
    items = await assemble(
        spoken("On the one hand", finished=False, author="one"),
        text("a note", partial=True, author="two"),
        event(interrupted=True, author="one"),
    )
    assert [(item["author"], item["interrupted"]) for item in items] == [("one", True), ("two", False)]


@pytest.mark.parametrize("turn_over", [True, False])
@pytest.mark.parametrize(
    "fallback", [text("I cannot say that.", partial=False), spoken("I cannot say that.", finished=True)]
)
async def test_what_is_said_in_place_of_a_blocked_answer_is_shown(
    assemble: Any, fallback: dict[str, Any], turn_over: bool
) -> None:
    blocked = event(interrupted=True, errorCode="blocked", errorMessage="The answer was withheld.")
    completed = [event(turnComplete=True)] if turn_over else []
    items = await assemble(
        heard("what is the code", finished=True), spoken("The code is", finished=False), blocked, *completed, fallback
    )
    assert [item["text"] for item in items if item.get("role") == "agent"] == ["The code is", "I cannot say that."]
    assert [item["text"] for item in items if item["kind"] == "note"] == ["The answer was withheld. [blocked]"]


# Tools that take long


async def test_a_long_running_call_works_until_its_second_answer(assemble: Any) -> None:
    call = calling({"id": "c1", "name": "ask_manager", "args": {}}, long_running=True)
    ticket = tool_response("c1", "ask_manager", {"ticket": 7})
    over = tool_response("c1", "ask_manager", {"result": "yes"})
    assert shown(await assemble(call)) == [("ask_manager", "working")]
    [item] = await assemble(call, ticket, {"lost": True})
    assert (item["state"], item["response"]) == ("working", {"ticket": 7})
    [item] = await assemble(call, ticket, over)
    assert (item["state"], item["response"]) == ("done", {"result": "yes"})
    refused = tool_response("c1", "ask_manager", {"error": "nobody is there"})
    assert shown(await assemble(call, refused)) == [("ask_manager", "failed")]


@pytest.mark.parametrize(
    ("end", "state"),
    [
        (
            [tool_response("c2", "stop_streaming", {"status": "Successfully stopped streaming function watch"})],
            "stopped",
        ),
        ([tool_response("c2", "stop_streaming", {"status": "The task is not cancelled yet for watch."})], "working"),
        ([tool_response("c1", "watch", {"result": "the price is 300"})], "done"),
        ([tool_response("c1", "watch", {"error": "it broke"})], "failed"),
        ([hand_over("demo_agent", "other")], "stopped"),
        ([hand_over("other", "demo_agent")], "working"),
        ([event(toolCallCancellation={"ids": ["c1"]})], "stopped"),
        ([event(turnComplete=True)], "working"),
        ([{"lost": True}], "stopped"),
    ],
)
async def test_a_streaming_tool_works_until_something_ends_it(
    assemble: Any, end: list[dict[str, Any]], state: str
) -> None:
    begun = [tool_call("c1", "watch"), tool_response("c1", "watch", PENDING)]
    items = await assemble(*begun, tool_call("c2", "stop_streaming", function_name="watch"), *end)
    assert next(item["state"] for item in items if item.get("name") == "watch") == state


async def test_a_tool_that_says_it_goes_on_goes_on(assemble: Any) -> None:
    answer = {"id": "c1", "name": "watch", "response": {"result": 1}, "willContinue": True}
    first = event(content={"role": "user", "parts": [{"functionResponse": answer}]})
    call = tool_call("c1", "watch")
    assert shown(await assemble(call, first, first)) == [("watch", "working")]
    assert shown(await assemble(call, first, tool_response("c1", "watch", {"result": 2}))) == [("watch", "done")]


async def test_what_a_streaming_tool_yields_is_no_end_of_it(assemble: Any) -> None:
    begun = [tool_call("c1", "watch"), tool_response("c1", "watch", PENDING)]
    price = {**tool_response("c1", "watch", {"result": "300"}), "partial": True}
    [item] = await assemble(*begun, price, price)
    assert (item["state"], item["response"]) == ("working", {"result": "300"})
    broken = {**tool_response("c1", "watch", {"error": "it broke"}), "partial": True}
    assert shown(await assemble(*begun, price, broken)) == [("watch", "failed")]


async def test_a_call_that_is_taken_back_has_stopped(assemble: Any) -> None:
    items = await assemble(tool_call("c1", "f"), tool_call("c2", "g"), event(toolCallCancellation={"ids": ["c1"]}))
    assert shown(items) == [("f", "stopped"), ("g", "running")]


# Approvals


@pytest.mark.parametrize("role", ["model", "user"])
async def test_a_request_is_shown_whole_and_its_call_waits(assemble: Any, role: str) -> None:
    asked = approval("r1", BOOK, "Book it?")
    asked["content"]["role"] = role
    call, request = await assemble(calling(BOOK), asked)
    assert call["state"] == "waiting"
    wanted = {
        "kind": "request",
        "asks": "confirmation",
        "callId": "r1",
        "tool": BOOK,
        "hint": "Book it?",
        "state": "open",
    }
    assert request.items() >= wanted.items()


@pytest.mark.parametrize(("decision", "state"), [(True, "approved"), (False, "denied")])
async def test_a_decision_sends_the_call_on(assemble: Any, decision: bool, state: str) -> None:
    items = await assemble(calling(BOOK), approval("r1", BOOK), {"decide": decision})
    assert shown(items) == [("book_table", "running"), ("book_table", state)]
    items = await assemble(
        calling(BOOK),
        approval("r1", BOOK),
        {"decide": decision},
        tool_response("r1", "adk_request_confirmation", {"confirmed": decision}),
        tool_response("c1", "book_table", {"result": "ok"}),
    )
    assert shown(items) == [("book_table", "done"), ("book_table", state)]


async def test_an_answer_that_says_the_call_requires_confirmation_is_no_failure(assemble: Any) -> None:
    wait = tool_response(
        "c1", "book_table", {"error": "This tool call requires confirmation, please approve or reject."}
    )
    items = await assemble(calling(BOOK), approval("r1", BOOK), wait)
    assert shown(items) == [("book_table", "waiting"), ("book_table", "open")]


@pytest.mark.parametrize(
    ("event_after", "state"),
    [
        (tool_response("c1", "book_table", {"error": "It took too long."}), "withdrawn"),
        (event(toolCallCancellation={"ids": ["c1"]}), "withdrawn"),
        (tool_response("r1", "adk_request_confirmation", {"confirmed": True}), "approved"),
        (tool_response("r1", "adk_request_confirmation", {"confirmed": "yes"}), "denied"),
        ({"lost": True}, "open"),
        (event(interrupted=True), "open"),
        (event(turnComplete=True), "open"),
    ],
)
async def test_what_ends_a_request_without_us(assemble: Any, event_after: dict[str, Any], state: str) -> None:
    items = await assemble(calling(BOOK), approval("r1", BOOK), event_after)
    assert items[1]["state"] == state


async def test_a_request_that_comes_again_is_asked_again_and_shown_once(assemble: Any) -> None:
    items = await assemble(calling(BOOK), approval("r1", BOOK), {"decide": True}, {"lost": True}, approval("r1", BOOK))
    assert shown(items) == [("book_table", "waiting"), ("book_table", "open")]


async def test_an_answer_that_perhaps_nobody_heard_can_be_given_again(assemble: Any) -> None:
    decided = [calling(BOOK), approval("r1", BOOK), {"decide": True}]
    known = tool_response("r1", "adk_request_confirmation", {"confirmed": True})
    done = tool_response("c1", "book_table", {"result": "ok"})
    assert shown(await assemble(*decided, {"lost": True})) == [("book_table", "waiting"), ("book_table", "open")]
    for heard_of in (known, done):
        items = await assemble(*decided, heard_of, {"lost": True})
        assert items[1]["state"] == "approved"


async def test_an_answer_that_comes_too_late_is_told_at_its_card(assemble: Any) -> None:
    late = event(errorCode="invalid_content", errorMessage="no request r1 waits for an answer")
    items = await assemble(calling(BOOK), approval("r1", BOOK), {"decide": True}, late, {"lost": True})
    assert shown(items) == [("book_table", "stopped"), ("book_table", "withdrawn")], "nobody works on it"
    other = event(errorCode="invalid_content", errorMessage="content without parts")
    items = await assemble(approval("r1", BOOK), {"decide": True}, other)
    assert [item["kind"] for item in items] == ["request", "note"]


async def test_a_call_without_an_id_ends_no_request(assemble: Any) -> None:
    nameless = {"name": "book_table", "args": {}}
    answer = event(content={"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {}}}]})
    items = await assemble(approval("r1", nameless), answer)
    assert shown(items) == [("book_table", "open"), ("f", "done")]


async def test_a_login_that_is_asked_for_is_shown_until_it_is_given(assemble: Any) -> None:
    args = {"functionCallId": "c1", "originalFunctionCall": BOOK, "authConfig": {}}
    asked = calling({"id": "r1", "name": "adk_request_credential", "args": args}, long_running=True)
    _, request = await assemble(calling(BOOK), asked)
    assert (request["asks"], request["tool"]["name"], request["state"]) == ("credential", "book_table", "open")
    items = await assemble(calling(BOOK), asked, tool_response("r1", "adk_request_credential", {"given": True}))
    assert shown(items) == [("book_table", "running"), ("book_table", "withdrawn")]
