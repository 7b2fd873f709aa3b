"""Connections come and go, the conversation stays: `run_live` over real sockets, with Mock Live at the other end.

The policy alone is tested in `tests/turns/test_reconnect.py`, random faults in `tests/chaos`; here each kind of end is
met once, on purpose, and in virtual time where the order of things has to be exact.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from typing import Any

import pytest

from fullduplex import Event, RunConfig, types
from fullduplex.errors import ConnectionLost, ModelError
from fullduplex.live import LiveSettings
from fullduplex.mock_live import (
    MockLive,
    close,
    drop,
    go_away,
    memory_reactor,
    raw,
    say,
    unprompted,
)
from fullduplex.models import Gemini
from fullduplex.models.gemini.failures import RECOVERABLE_CLOSES
from fullduplex.testing.scripted_model import ScriptedConnection
from fullduplex.turns.reconnect import ReconnectPolicy
from tests.live.kit import TURN_COMPLETE, Call, handle, heard, text, user, virtual
from tests.live.wire import MODEL, RESUMING, TEXT, THIRD, ask, connected, model_said, talk, talk_of
from tests.server.processes import environment, json_line, running

# -- with a handle, and without ---------------------------------------------------------------------------------------


@pytest.mark.spec(138)
async def test_a_connection_goes_on_from_its_handle_and_is_told_nothing_again() -> None:
    async with talk(run_config=RESUMING, mock={"reactor": memory_reactor}) as (server, call):
        await ask(call, "my number is 42")
        await call.until(lambda event: event.live_session_resumption_update)
        await server.drop_all()
        second = await connected(server, 2)
        assert await ask(call, "which number did I say?") == "You said 42."
        assert second.setup["sessionResumption"] == {"handle": server.connections[0].handles[-1]}
        assert second.kinds == ["setup", "clientContent"], "the question, and no history"
        assert [turn["parts"] for turn in second.bodies("clientContent")[0]["turns"]] == [
            [{"text": "which number did I say?"}]
        ]
        assert not call.reader.done(), "the same generator goes on"


def counted(name: str, index: int) -> dict[str, Any]:
    """A handle for all up to this message of the client's; the setup is number 0."""
    update = handle(name)
    update["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"] = str(index)
    return update


@virtual
@pytest.mark.parametrize("index", ["abc", "-1", "", "1.5"])
async def test_an_index_that_cannot_be_read_counts_as_none(index: str) -> None:
    call = await Call.start(run_config=RESUMING)
    first = await call.connection()
    update = handle("odd")
    update["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"] = index
    await call.play(update, text("Hello."), TURN_COMPLETE)
    first.lose()
    assert handle_of(await call.connection(2)) == "odd"
    await call.end()


def handle_of(connection: ScriptedConnection) -> str | None:
    resumption = connection.request.config.session_resumption
    return resumption.handle if resumption is not None else None


@virtual
async def test_a_handle_that_covers_less_than_the_one_in_hand_is_not_taken_up() -> None:
    call = await Call.start(run_config=RESUMING)
    first = await call.connection()
    call.queue.send_content(user("the door is blue"), partial=True)
    await first.wait_sent(1)
    await call.play(text("I see."), TURN_COMPLETE, counted("all", 1), counted("less", 0))
    first.lose()
    second = await call.connection(2)
    await asyncio.sleep(1)
    assert handle_of(second) == "all"
    assert second.sent == []
    await call.end()


@virtual
@pytest.mark.parametrize("covers", [False, True])
async def test_a_handle_that_does_not_cover_what_was_put_into_words_is_not_taken_up(covers: bool) -> None:
    call = await Call.start(run_config=RESUMING)
    first = await call.connection()
    for pcm in [b"\0\x40" * 1600] * 5 + [bytes(3200)] * 6:
        call.queue.send_realtime(types.Blob(data=pcm, mime_type="audio/pcm;rate=16000"))
        await asyncio.sleep(0.1)
    await call.play(heard("one two", True), text("Three."), TURN_COMPLETE, counted("h", 5 if covers else 4))
    first.lose()
    second = await call.connection(2)
    await asyncio.sleep(1)
    assert handle_of(second) == ("h" if covers else None)
    told = [part.text for kind, turns in second.sent if kind == "history" for turn in turns for part in turn.parts]
    assert told == ([] if covers else ["one two", "Three."])
    assert not any(kind == "realtime" for kind, _ in second.sent)
    await call.end()


@pytest.mark.spec(141)
@pytest.mark.parametrize("how", ["drop", "go_away"])
@pytest.mark.parametrize("model", [MODEL, THIRD])
async def test_without_a_handle_the_next_connection_is_told_what_was_said_in_this_run(model: str, how: str) -> None:
    async with talk(model=model, run_config=RunConfig(), mock={"reactor": memory_reactor}) as (server, call):
        await ask(call, "my number is 42")
        if how == "drop":
            await server.drop_all()
        else:
            await server.push(go_away(5.0))
        second = await connected(server, 2)
        await server.wait_for(lambda mock: len(mock.open_connections) == 1)
        assert await ask(call, "which number did I say?") == "You said 42."
        assert "handle" not in second.setup.get("sessionResumption", {})
        assert talk_of(second) == [
            ("user", "my number is 42"),
            ("model", "You said: my number is 42"),
            ("user", "which number did I say?"),
            ("model", "You said 42."),
        ]


@pytest.mark.spec(138, 139)
@pytest.mark.parametrize("when", ["later", "at the first connect"])
async def test_a_handle_that_is_refused_costs_one_connection_and_no_memory(when: str) -> None:
    config = RESUMING
    if when == "at the first connect":
        config = RESUMING.model_copy(update={"session_resumption": types.SessionResumptionConfig(handle="long-gone")})
    async with talk(run_config=config, mock={"reactor": memory_reactor}) as (server, call):
        await ask(call, "my number is 42")
        if when == "later":
            await call.until(lambda event: event.live_session_resumption_update)
            server.forget_handles()
            await server.drop_all()
        count = 3 if when == "later" else 2
        last = await connected(server, count)
        assert await ask(call, "which number did I say?") == "You said 42."
        assert len(server.connections) == count
        assert server.connections[count - 2].closed_by_us, "the server has refused"
        assert not server.connections[count - 2].ready
        assert "handle" not in last.setup["sessionResumption"]
        assert [words for _, words in talk_of(last)] == [
            "my number is 42", "You said: my number is 42", "which number did I say?", "You said 42."
        ]  # fmt: skip


# -- which ends are healed --------------------------------------------------------------------------------------------

CODES = [1000, 1001, 1006, 1007, 1008, 1011]


@pytest.mark.spec(139)
@pytest.mark.parametrize("closed", [False, True], ids=["open", "closed"])
@pytest.mark.parametrize("with_handle", [False, True], ids=["no handle", "handle"])
@pytest.mark.parametrize("code", CODES)
@virtual
async def test_an_end_by_its_code_handle_and_queue(code: int, with_handle: bool, closed: bool) -> None:
    call = await Call.start()
    first = await call.play(*([handle("h")] if with_handle else []))
    if closed:
        call.queue.close()
    first.lose(code, recoverable=code in RECOVERABLE_CLOSES)
    await asyncio.sleep(10)
    again = not closed and code in RECOVERABLE_CLOSES and (with_handle or code != 1000)
    assert len(call.model.connections) == (2 if again else 1)
    assert call.reader.done() is not again
    if again:
        assert (call.model.connections[1].request.config.session_resumption is not None) is with_handle
        await call.end()
    elif closed or code == 1000:
        await call.reader
        assert not [event for event in call.events if event.error_code]
    else:
        with pytest.raises(ConnectionLost):
            await call.reader
        assert [event.recoverable for event in call.events if event.error_code] == [False]


@pytest.mark.spec(139)
@pytest.mark.parametrize("with_handle", [False, True], ids=["no handle", "handle"])
@pytest.mark.parametrize("code", CODES)
async def test_an_end_by_its_code_over_the_wire(code: int, with_handle: bool) -> None:
    async with talk(run_config=RESUMING if with_handle else TEXT) as (server, call):
        await ask(call, "hello")
        if with_handle:
            await call.until(lambda event: event.live_session_resumption_update)
        await server.push(drop() if code == 1006 else close(code, "so it is"))
        if code in RECOVERABLE_CLOSES and (with_handle or code != 1000):
            await connected(server, 2)
            assert await ask(call, "and now?") == "You said: and now?"
            assert [event.recoverable for event in call.events if event.error_code] == [True]
        else:
            await asyncio.wait([call.reader])
            error = call.reader.exception()
            assert error is None if code == 1000 else isinstance(error, ConnectionLost) and error.close_code == code
        await call.end() if not call.reader.done() else None
        assert len(server.connections) <= 2


# -- another process --------------------------------------------------------------------------------------------------

LATER = """
import asyncio
import json
import sys

from fullduplex import Agent, Event, InMemoryRunner, LiveRequestQueue, RunConfig, types
from fullduplex.models import Gemini


async def main(url, handle, saved):
    agent = Agent(name="guide", model=Gemini("gemini-live-2.5-flash", api_key="k", base_url=url))
    runner = InMemoryRunner(agent=agent, app_name="app")
    session = await runner.session_service.create_session(app_name="app", user_id="u")
    for event in saved:
        await runner.session_service.append_event(session, Event.model_validate_json(event))
    queue = LiveRequestQueue()
    queue.send_content(types.Content(role="user", parts=[types.Part(text="which number did I say?")]))
    config = RunConfig(response_modalities=["TEXT"], session_resumption={"handle": handle})
    async for event in runner.run_live(
        user_id="u", session_id=session.id, live_request_queue=queue, run_config=config
    ):
        if event.content and not event.partial:
            print(json.dumps({"answer": event.content.text}), flush=True)
        if event.turn_complete:
            queue.close()


asyncio.run(main(*json.loads(sys.argv[1])))
"""


async def in_another_process(server: MockLive, name: str, saved: list[str]) -> str:
    """What the agent answers to "which number did I say?" in a process that knows the handle, and `saved` events."""

    def run() -> str:
        arguments = json.dumps([server.url, name, saved])
        with running("-c", LATER, arguments, env=environment()) as program:
            return str(json_line(program)["answer"])

    return await asyncio.to_thread(run)


@pytest.mark.spec(145)
@pytest.mark.parametrize("news", [False, True], ids=["nothing new", "news since"])
async def test_a_handle_that_was_kept_is_gone_on_from_in_another_process(news: bool) -> None:
    async with MockLive(reactor=memory_reactor) as server, asyncio.timeout(30):
        model = Gemini(MODEL, api_key="k", base_url=server.url)
        call = await Call.start(model=model, run_config=RESUMING)
        await ask(call, "my number is 42")
        update = (await call.until(lambda event: event.live_session_resumption_update)).live_session_resumption_update
        await call.end()
        saved = [event.model_dump_json() for event in (await call.saved()).events] if news else []
        if news:
            later = Event(author="user", content=user("no: my number is 43"))
            saved += [later.model_dump_json(), Event(author="guide", content=model_said("43, then.")).model_dump_json()]
        answer = await in_another_process(server, update.new_handle, saved)
        assert answer == ("You said 43." if news else "You said 42.")
        second = server.connections[1]
        assert second.resumed_from == update.new_handle
        told = [turn["parts"][0]["text"] for body in second.bodies("clientContent") for turn in body["turns"]]
        assert told == [*(["no: my number is 43", "43, then."] if news else []), "which number did I say?"]


# -- what the model reports -------------------------------------------------------------------------------------------


def reported(status: str, code: int = 0) -> Any:
    return raw({"error": {"code": code, "status": status, "message": "so it is"}})


@pytest.mark.spec(148)
@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("SAFETY", "content_blocked"),
        ("PROHIBITED_CONTENT", "content_blocked"),
        ("BLOCKLIST", "content_blocked"),
        ("MAX_TOKENS", "max_output_tokens"),
        ("CANCELLED", "cancelled"),
    ],
)
async def test_errors_that_end_a_run_say_why(status: str, code: str) -> None:
    async with talk([[reported(status), say("Never heard.")]]) as (server, call):
        call.queue.send_content(user("hello"))
        await asyncio.wait([call.reader])
        with pytest.raises(ModelError, match="so it is") as raised:
            await call.reader
        assert raised.value.code == code
        event = call.events[-1]
        assert (event.error_code, event.recoverable) == (code, False)
        assert "so it is" in (event.error_message or "")
        assert len(server.connections) == 1


@pytest.mark.spec(148)
@pytest.mark.parametrize("status", ["UNAVAILABLE", "DEADLINE_EXCEEDED", "UNKNOWN"])
async def test_errors_that_pass_are_told_and_outlived(status: str) -> None:
    async with talk([[reported(status)], [say("Here I am.")]]) as (server, call):
        assert await ask(call, "are you there?") == "Here I am."
        errors = [event for event in call.events if event.error_code]
        assert [(event.error_code, event.recoverable) for event in errors] == [("unavailable", True)]
        assert "so it is" in (errors[0].error_message or "")
        assert len(server.connections) == 2


@pytest.mark.spec(148)
async def test_a_quota_that_stays_used_up_is_asked_for_more_and_more_seldom_and_then_given_up() -> None:
    policy = LiveSettings(reconnect=ReconnectPolicy(first_delay_s=0.1, budget=3))
    script = [unprompted(reported("RESOURCE_EXHAUSTED", 429), drop()) for _ in range(10)]
    async with talk(script, settings=policy) as (server, call):
        await asyncio.wait([call.reader])
        with pytest.raises(ModelError) as raised:
            await call.reader
        assert raised.value.code == "quota_exceeded"
        assert [event.recoverable for event in call.events if event.error_code] == [True, True, True, False]
        opened = [connection.opened_at for connection in server.connections]
        gaps = [later - earlier for earlier, later in itertools.pairwise(opened)]
        assert len(gaps) == 3
        assert gaps[0] >= 0.1
        assert gaps[1] >= 0.2
        assert gaps[2] >= 0.4
