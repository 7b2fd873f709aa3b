"""Live runs over a database: what they keep, another process that goes on, and runs that meet on one session."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fullduplex import Agent, LiveRequestQueue, Runner, types
from fullduplex.errors import StaleSessionError, StoreUnavailable
from fullduplex.events import Event
from fullduplex.sessions import DatabaseSessionService
from fullduplex.tools import ToolContext
from tests.databases import KINDS, behind_a_proxy, url_of
from tests.live.kit import INTERRUPTED, TURN_COMPLETE, Call, audio, calls, handle, heard, pcm, said, text, user
from tests.sessions.restarting import AgreeingModel, runner_over

ROOT = Path(__file__).resolve().parents[2]
Who = dict[str, str]


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database of each kind."""
    return url_of(request.param, tmp_path)


@pytest.fixture
async def service(url: str) -> AsyncIterator[DatabaseSessionService]:
    async with DatabaseSessionService(url) as database:
        yield database


def converse(url: str, app: str, words: str, *, kill: bool) -> list[Any]:
    """What the model was told of earlier, in a process that ends as it should or is killed in its conversation."""
    command = [sys.executable, "-W", "error", "-m", "tests.sessions.restarting", url, app, words]
    process = subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if kill:
        process.kill()
    _, errors = process.communicate(timeout=30)
    assert line, errors
    assert kill or process.returncode == 0, errors
    history: list[Any] = json.loads(line)
    return history


@pytest.mark.spec(117)
@pytest.mark.parametrize("kill", [False, True], ids=["ended", "killed"])
def test_a_process_that_is_started_anew_knows_what_was_said(url: str, who: Who, kill: bool) -> None:
    assert converse(url, who["app_name"], "my dog is called Rex", kill=kill) == []
    told = converse(url, who["app_name"], "and I am Ada", kill=False)
    assert [(turn["role"], turn["parts"]) for turn in told] == [
        ("user", [{"text": "my dog is called Rex"}]),
        ("model", [{"text": "So my dog is called Rex."}]),
    ]


async def ask(runner: Runner, words: str) -> None:
    """One question and its answer, in a run of its own."""
    queue = LiveRequestQueue()
    queue.send_content(types.UserContent(parts=words))
    async for event in runner.run_live(user_id="u", session_id="s", live_request_queue=queue):
        if event.turn_complete:
            queue.close()


@pytest.mark.spec(125)
async def test_two_runners_take_turns_at_one_session(url: str, who: Who) -> None:
    async with DatabaseSessionService(url) as one, DatabaseSessionService(url) as other:
        runners = [runner_over(service, who["app_name"]) for service in (one, other)]
        for turn in range(4):
            await ask(runners[turn % 2], f"fact {turn}")
        model = runners[1].agent.model  # type: ignore[attr-defined]
        assert isinstance(model, AgreeingModel)
        assert [content.text for content in model.connections[-1].request.history] == [
            words for turn in range(3) for words in (f"fact {turn}", f"So fact {turn}.")
        ]


@pytest.mark.spec(119)
async def test_of_two_runs_at_once_the_one_that_is_behind_is_told(url: str) -> None:
    async with DatabaseSessionService(url) as one, DatabaseSessionService(url) as other:
        session = await one.create_session(app_name="app", user_id="u")
        first, second = [await Call.start(store=service, session=session) for service in (one, other)]
        for call in (first, second):
            await call.until(lambda event: event.setup_complete)
        first.queue.send_content(user("I was first"))
        await kept(first, 1)
        second.queue.send_content(user("so was I"))
        with pytest.raises(StaleSessionError):
            await second.reader
        assert second.short[-1] == "error-stale_session"
        first.queue.send_content(user("and I go on"))
        await kept(first, 2)
        await first.end()
        assert await first.saved_short() == ["user:I was first", "user:and I go on"]


@pytest.mark.spec(119)
async def test_a_run_whose_tools_write_too_is_never_behind_itself(service: DatabaseSessionService) -> None:
    """Tools at work side by side append to the session of the run, and change state, while the run writes too."""

    async def write(number: int, tool_context: ToolContext) -> str:
        session = tool_context.session
        for turn in range(5):
            await service.append_event(session, Event(author="tool", id=f"{number}.{turn}", output=1))
        tool_context.state[f"k{number}"] = number
        return "done"

    call = await Call.start(store=service, tools=[write])
    connection = await call.connection()
    connection.say(calls(*((f"c{number}", "write", {"number": number}) for number in range(4))))
    for message in (said("one ", True), text("two"), heard("three", True), handle("h"), TURN_COMPLETE):
        connection.say(message)
    await call.until(lambda event: event.get_function_responses())
    connection.say(TURN_COMPLETE)
    await call.until(lambda event: event.turn_complete)
    await call.end()
    saved = await call.saved()
    assert len([event for event in saved.events if event.author == "tool"]) == 20
    assert saved.state == {f"k{number}": number for number in range(4)}


def test_text_runs_in_threads_of_their_own_share_a_session(url: str, who: Who) -> None:
    """`Runner.run` has an event loop for each run, and none of them leaves a connection behind."""
    service = DatabaseSessionService(url)
    agent = Agent(name="guide", model="local", instruction="Say hello.")
    runner = Runner(app_name=who["app_name"], agent=agent, session_service=service, auto_create_session=True)
    for words in ("hello", "hello again"):
        assert list(runner.run(user_id="u", session_id="s", new_message=user(words)))
    session = asyncio.run(service.get_session(**who, session_id="s"))
    assert session is not None
    asked = [event.content.text for event in session.events if event.author == "user" and event.content]
    assert asked == ["hello", "hello again"]
    gc.collect()


@pytest.mark.parametrize("kind", KINDS[1:])
async def test_a_run_whose_database_goes_away_for_good_says_so(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fullduplex.sessions import sql

    async with behind_a_proxy(url_of(kind, tmp_path)) as (proxy, through), DatabaseSessionService(through) as service:
        call = await Call.start(store=service)
        call.queue.send_content(user("this is kept"))
        await kept(call, 1)
        monkeypatch.setattr(sql, "PAUSES_S", (0.0, 0.0))
        proxy.refuse(True)
        proxy.cut()
        call.queue.send_content(user("and this is not"))
        with pytest.raises(StoreUnavailable):
            await call.reader
        assert call.short[-1] == "error-store_unavailable"
        assert not call.events[-1].recoverable
        proxy.refuse(False)
        assert await call.saved_short() == ["user:this is kept"]


async def test_raw_media_is_not_kept(service: DatabaseSessionService) -> None:
    call = await Call.start(store=service)
    connection = await call.connection()
    call.queue.send_realtime(pcm())
    await connection.wait_sent(1)
    for message in (audio(), said("hello", True), audio(), INTERRUPTED, TURN_COMPLETE):
        connection.say(message)
    await call.until(lambda event: event.turn_complete)
    await call.end()
    events = (await call.saved()).events
    assert events
    assert not [part for event in events if event.content for part in event.content.parts or [] if part.inline_data]


async def kept(call: Call, count: int) -> list[Event]:
    """The session's events, as soon as there are `count`."""
    while len(events := (await call.saved()).events) < count:  # noqa: ASYNC110 (nothing tells when it is written)
        await asyncio.sleep(0.01)
    return events
