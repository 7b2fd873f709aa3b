"""Whatever happens while agents hand over, each message is answered, in full once at most, and kept once."""

from __future__ import annotations

import asyncio
import random
import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex import Agent
from fullduplex.events import Event
from fullduplex.testing.clock import run_virtual
from fullduplex.testing.scripted_model import ScriptedConnection, ScriptedModel
from fullduplex.tools import ToolContext
from fullduplex.types.content import Content
from tests.live.kit import GO_AWAY, TURN_COMPLETE, Call, leftovers, text, user
from tests.live.test_transfer import on, to

MESSAGE = re.compile(r"m\d+")


class Player(ScriptedConnection):
    """A model that answers what it knew of when its turn began and nobody has answered, or hands over instead."""

    def __init__(self, request: Any) -> None:
        super().__init__(request)
        self._open: list[str] = []
        self._turn: list[str] = []
        self._reply: asyncio.Task[None] | None = None
        self.chance = random.Random(0)
        self.other = ""

    def _record(self, kind: str, value: Any) -> None:
        super()._record(kind, value)
        if kind in ("question", "history"):
            for content in value:
                self._learn(content)
        elif kind == "content":
            self._learn(value)
        if kind in ("question", "content", "tool_response") and (self._reply is None or self._reply.done()):
            self._reply = asyncio.create_task(self._answer(), name="player")

    def _learn(self, content: Content) -> None:
        for line in (content.text or "").split("\n"):
            for message in MESSAGE.findall(line):
                if content.role == "model" or "said:" in line:
                    self._open = [one for one in self._open if one != message]
                else:
                    self._open.append(message)

    async def _answer(self) -> None:
        while True:
            await asyncio.sleep(self.chance.random() * 0.3)
            self._turn = self._turn or list(self._open)
            if self.closed or not self._turn:
                return
            if self.chance.random() < 0.4:
                self.say(to(self.other, f"t{self.chance.random()}"))
                return  # goes on when it is told that nothing came of it
            answered, self._turn = self._turn, []
            self._open = [one for one in self._open if one not in answered]
            self.say(text(" ".join(answered)))
            await asyncio.sleep(self.chance.random() * 0.1)
            if not self.closed:
                self.say(TURN_COMPLETE)


class Playing(ScriptedModel):
    """A model whose connections answer by themselves; the other agent is called `other`."""

    def __init__(self, chance: random.Random, other: str) -> None:
        super().__init__()

        class Own(Player):
            def __init__(self, request: Any) -> None:
                super().__init__(request)
                self.chance, self.other = chance, other

        self.connection_type = Own


async def talk(actions: list[tuple[str, float]], seed: int) -> None:
    chance = random.Random(seed)

    async def forbid(tool: Any, args: Any, tool_context: ToolContext) -> dict[str, str] | None:
        await asyncio.sleep(chance.choice([0.0, 0.0, 0.2, 0.6]))
        return {"error": "not now"} if chance.random() < 0.2 else None

    models = [Playing(chance, "helper"), Playing(chance, "root")]
    helper = Agent(name="helper", model=models[1], before_tool_callback=forbid)
    root = Agent(name="root", model=models[0], sub_agents=[helper], before_tool_callback=forbid)
    call = await Call.start(runner=on(root), model=models[0])
    await call.connection()
    sent: list[str] = []
    for action, wait in actions:
        open_lines = [line for model in models for line in model.connections if not line.closed]
        if action == "type":
            sent.append(f"m{len(sent)}")
            call.queue.send_content(user(sent[-1]))
        elif open_lines:
            line = chance.choice(open_lines)
            line.say(GO_AWAY) if action == "go_away" else line.lose()
        await asyncio.sleep(wait)
    await asyncio.sleep(60)
    assert not call.reader.done(), call.short
    await call.end()
    answers = [event for event in call.events if event.partial is False and event.content]
    whole = [message for event in answers if not event.interrupted for message in _messages(event)]
    # An answer that a loss cut off counts where the user went on behind it.
    assert {message for event in answers for message in _messages(event)} == set(sent), call.short
    assert len(set(whole)) == len(whole), call.short
    kept = [event.content.text for event in (await call.saved()).events if event.author == "user" and event.content]
    assert kept == sent
    await asyncio.sleep(1)
    assert not [name for name in leftovers() if name != "player"]


def _messages(event: Event) -> list[str]:
    return MESSAGE.findall(event.content.text or "") if event.content is not None else []


ACTIONS = st.tuples(
    st.sampled_from(["type", "type", "type", "go_away", "lose"]), st.sampled_from([0.0, 0.01, 0.1, 0.3, 1.0])
)


@settings(deadline=None, max_examples=60)
@given(st.lists(ACTIONS, min_size=1, max_size=12), st.integers(0, 2**32))
def test_each_message_is_answered_and_kept_once(actions: list[tuple[str, float]], seed: int) -> None:
    run_virtual(talk(actions, seed))
