"""Two hundred handovers while the user types, speaks and goes on speaking; and handovers over sockets."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from fullduplex import Agent, InMemoryRunner, LiveRequestQueue, RunConfig, types
from fullduplex.events import Event
from fullduplex.mock_live import MockLive, Script, say, tool_call
from fullduplex.mock_live.steps import drop, go_away
from fullduplex.models import Gemini
from fullduplex.models.base import ConnectRequest
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from tests.live.kit import GO_AWAY, TURN_COMPLETE, Call, audio, heard, pcm, said, text, user, virtual
from tests.live.test_transfer import on, slices, to
from tests.live.wire import MODEL, speech, talk_of, texts

CONNECT_S = 0.03
GAP_S = 0.05


class Timed(ScriptedConnection):
    """A connection that knows when it was first sent anything."""

    first_at: float | None = None

    def _record(self, kind: str, value: Any) -> None:
        super()._record(kind, value)
        self.first_at = self.first_at or asyncio.get_running_loop().time()


class Slow(ScriptedModel):
    """A model that takes its time to be there."""

    connection_type = Timed

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[ScriptedConnection]:
        """See `LiveModel`."""
        await asyncio.sleep(CONNECT_S)
        async with super().connect(request) as connection:
            yield connection


class Desk:
    """Two agents between whom a call goes to and fro, and what is to be shown of each handover."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.models = [Slow("root"), Slow("helper")]
        helper = Agent(name="helper", model=self.models[1])
        self.root = Agent(name="root", model=self.models[0], sub_agents=[helper])
        self.opened = [0, 0]
        self.next_slice = 0
        self.answers = 0
        self.gaps: list[float] = []

    async def run(self, handovers: int) -> None:
        self.call = await Call.start(runner=on(self.root), model=self.models[0])
        self.at_work = 0
        self.line = await self._line(0)
        for number in range(handovers):
            await [self.typed_before, self.typed_meanwhile, self.spoken_before, self.spoken_through][number % 4](number)
        await self.call.end()

    async def _line(self, agent: int) -> ScriptedConnection:
        self.opened[agent] += 1
        return await self.models[agent].opened(self.opened[agent])

    async def hand_over(self, number: int, meanwhile: Any = None) -> ScriptedConnection:
        """The agent at work calls; the other one's line, which must be the next that is opened."""
        if number % 7 == 3:
            self.line.say(GO_AWAY)
        if number % 5 == 2:
            self.line.say(audio())
            self.line.say(said("One moment."))
        self.line.say(to(["root", "helper"][1 - self.at_work], f"t{number}"))
        if meanwhile is not None:
            await meanwhile()
        answered = await self.call.until(
            lambda event: any(r.id == f"t{number}" for r in event.get_function_responses())
        )
        if number % 7 == 3:  # the line after the goAway was opened, too, and is left
            self.opened[self.at_work] += self.opened[self.at_work] < len(self.models[self.at_work].connections)
        self.at_work = 1 - self.at_work
        line = await self._line(self.at_work)
        await line.wait_sent(1)
        self.gaps.append(line.first_at - answered.timestamp)
        if number % 11 == 5:
            line.lose()
            line = await self._line(self.at_work)
        self.line = line
        return line

    async def answer(self, number: int) -> None:
        """The agent at work answers."""
        before = sum(bool(event.turn_complete) for event in self.call.events)
        self.line.say(text(f"answer {number}"))
        self.line.say(TURN_COMPLETE)
        await asyncio.sleep(0.02)
        assert sum(bool(event.turn_complete) for event in self.call.events) == before + 1

    def told(self, line: ScriptedConnection) -> list[str]:
        """All words that came up on a line."""
        words = []
        for kind, value in line.sent:
            contents = value if kind in ("question", "history") else [value] if kind == "content" else []
            words += [content.text or "" for content in contents]
        return words

    async def typed_before(self, number: int) -> None:
        self.call.queue.send_content(user(f"message {number}"))
        await asyncio.sleep(0.01)
        line = await self.hand_over(number)
        await asyncio.sleep(0.05)
        assert line.sent[0][0] == "question", number
        assert sum(f"message {number}" in words for words in self.told(line)) == 1
        await self.answer(number)

    async def typed_meanwhile(self, number: int) -> None:
        async def type_it() -> None:
            await asyncio.sleep(self.random.choice([0.0, 0.0, 0.01]))
            self.call.queue.send_content(user(f"message {number}"))

        line = await self.hand_over(number, type_it)
        await asyncio.sleep(0.05)
        assert sum(f"message {number}" in words for words in self.told(line)) == 1
        await self.answer(number)

    def utterance(self, chunks: int = 12) -> tuple[list[types.Blob], list[int]]:
        first, self.next_slice = self.next_slice, self.next_slice + 2 * chunks
        return speech(first, chunks), list(range(first, self.next_slice))

    async def spoken_before(self, number: int) -> None:
        blobs, numbers = self.utterance()
        for blob in blobs:
            self.call.queue.send_realtime(blob)
            await asyncio.sleep(0.04)
        line = await self.hand_over(number)
        await asyncio.sleep(0.05)
        assert slices(line) == numbers, number
        await self.understood(number)

    async def spoken_through(self, number: int) -> None:
        blobs, numbers = self.utterance()
        call_at = self.random.randrange(2, 10)

        async def speak_on() -> None:
            for blob in blobs[call_at:]:
                self.call.queue.send_realtime(blob)
                await asyncio.sleep(0.04 if self.random.random() < 0.9 else 0.0)

        for blob in blobs[:call_at]:
            self.call.queue.send_realtime(blob)
            await asyncio.sleep(0.04)
        line = await self.hand_over(number, speak_on)
        await asyncio.sleep(0.05)
        assert slices(line) == numbers, number
        await self.understood(number)

    async def understood(self, number: int) -> None:
        """The new agent has heard the user out, and answers."""
        self.call.queue.send_realtime(pcm(0.5))
        await asyncio.sleep(0.5)
        self.line.say(heard(f"message {number}", finished=True))
        await self.answer(number)


@virtual
async def test_two_hundred_handovers_lose_and_double_nothing() -> None:
    desk = Desk(seed=4)
    await desk.run(200)
    handed = [event for event in desk.call.events if event.actions.transfer_to_agent]
    assert len(handed) == 200
    assert len(desk.gaps) == 200
    assert max(desk.gaps) <= CONNECT_S + GAP_S
    words = [event.content.text for event in desk.call.events if event.content and event.partial is False]
    assert words == [f"answer {number}" for number in range(200)]
    ends = sum(bool(event.turn_complete) for event in desk.call.events)
    assert ends == 200 + sum(number % 5 == 2 for number in range(200))


# -- over sockets -----------------------------------------------------------------------------------------------------


def transfer(agent: str) -> Any:
    """The step in which the model hands over to `agent`."""
    return tool_call("transfer_to_agent", {"agent_name": agent})


class Spoken:
    """A run over sockets of a root with a helper, each with a voice of its own."""

    def __init__(self, server: MockLive, config: RunConfig | None = None) -> None:
        def model(voice: str) -> Gemini:
            return Gemini(
                MODEL,
                api_key="k",
                base_url=server.url,
                speech_config={"voice_config": {"prebuilt_voice_config": {"voice_name": voice}}},
            )

        helper = Agent(name="helper", model=model("Puck"), instruction="You know bills.")
        root = Agent(name="root", model=model("Kore"), sub_agents=[helper])
        self.runner = InMemoryRunner(agent=root, app_name="app")
        self.queue = LiveRequestQueue()
        self.events: list[tuple[float, Event]] = []
        self.config = config or RunConfig(response_modalities=["TEXT"])

    async def ask(self, *words: str, until: int) -> None:
        """Types `words` and reads until so many turns were ended by an agent that has said something."""
        session = await self.runner.session_service.create_session(app_name="app", user_id="u")
        for one in words:
            self.queue.send_content(user(one))
        said_something = ends = 0
        async with asyncio.timeout(20):
            async for event in self.runner.run_live(
                user_id="u", session_id=session.id, live_request_queue=self.queue, run_config=self.config
            ):
                self.events.append((time.monotonic(), event))
                said_something |= bool(event.content and event.content.text)
                if event.turn_complete and said_something:
                    ends, said_something = ends + 1, 0
                if ends == until:
                    self.queue.close()

    @property
    def words(self) -> list[tuple[str, str]]:
        """Who has said what."""
        return [(event.author, words) for _, event in self.events for words in texts([event])]


@pytest.mark.spec(127, 129, 131)
async def test_the_next_agent_answers_at_once_and_in_its_own_voice() -> None:
    swaps = []
    for _ in range(20):
        script = Script([[transfer("helper")], [say("Which order?")]])
        async with MockLive(script) as server:
            run = Spoken(server)
            await run.ask("I want a refund", until=1)
            assert run.words == [("helper", "Which order?")]
            handed = next(at for at, event in run.events if event.actions.transfer_to_agent)
            swaps.append(next(at for at, event in run.events if event.content and event.content.text) - handed)
            voices = [one.setup["generationConfig"]["speechConfig"] for one in server.connections]
        names = [voice["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] for voice in voices]
        assert names == ["Kore", "Puck"]
    assert len(swaps) == 20
    assert sorted(swaps)[10] < 0.3


@pytest.mark.spec(128)
async def test_a_round_trip_keeps_the_question() -> None:
    answered = 0
    for number in range(20):
        script = Script([[transfer("helper")], [transfer("root")], [lambda turn, talk: [say(f"{turn.text!r}")]]])
        async with MockLive(script) as server:
            run = Spoken(server)
            await run.ask(f"question {number}", until=1)
            memory = talk_of(server.connections[2])
        assert [author for author, _ in run.words] == ["root"]
        assert memory[0] == ("user", f"question {number}")
        answered += 1
    assert answered == 20


@pytest.mark.parametrize(
    "script",
    [
        [[transfer("helper")], [drop()], [say("Which order?")]],
        [[go_away(2.0), transfer("helper")], [say("Which order?")]],
        [[say("One moment."), transfer("helper")], [drop()], [drop()], [say("Which order?")]],
    ],
    ids=["the next line is lost", "the old line is sent away", "twice lost"],
)
async def test_a_connection_that_fails_in_the_middle_costs_no_answer(script: list[Any]) -> None:
    async with MockLive(Script(script)) as server:
        run = Spoken(server)
        await run.ask("I want a refund", until=1 + (len(script) == 4))
    assert run.words[-1] == ("helper", "Which order?")
    assert [words for _, words in run.words].count("Which order?") == 1
