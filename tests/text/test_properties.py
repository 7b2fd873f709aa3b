"""Whatever tools do and users decide, and in whichever process: a model is never asked what its API would refuse."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex import Agent, Runner, types
from fullduplex.models.text import LlmRequest
from fullduplex.sessions import InMemorySessionService
from fullduplex.tools import FunctionTool, LongRunningFunctionTool
from fullduplex.turns.approvals import open_requests
from tests.text.kit import Chat, ScriptedTextModel, call

TOOLS = ("plain", "pending", "_silent", "guarded", "_broken")


class Books:
    """Runs a chat of one agent over several processes, and checks what the model is asked."""

    def __init__(self, answers: Sequence[Sequence[str]]) -> None:
        self.store = InMemorySessionService()
        self.runs: Counter[str] = Counter()
        self.asked: list[LlmRequest] = []
        self._answers = list(answers)
        self._calls = 0
        self.chat = self.process()

    def process(self) -> Chat:
        agent = Agent(
            name="guide",
            model=ScriptedTextModel(*[self._answer] * 200),
            tools=[
                self._plain("plain"),
                LongRunningFunctionTool(self._plain("pending")),
                LongRunningFunctionTool(self._silent),
                FunctionTool(self._plain("guarded"), require_confirmation=True),
                self._broken,
            ],
        )
        runner = Runner(app_name="app", agent=agent, session_service=self.store, auto_create_session=True)
        return Chat(runner=runner)

    def _answer(self, request: LlmRequest) -> Any:
        self.asked.append(request)
        names = self._answers.pop(0) if self._answers else []
        calls = []
        for name in names:
            self._calls += 1
            calls.append(call(name, f"c{self._calls}", key=f"c{self._calls}"))
        return [f"Turn {len(self.asked)}.", *calls]

    def _plain(self, name: str) -> Any:
        async def tool(key: str) -> str:
            self.runs[key] += 1
            return f"{name} done"

        tool.__name__ = name
        return tool

    async def _silent(self, key: str) -> None:
        self.runs[key] += 1

    async def _broken(self, key: str) -> None:
        self.runs[key] += 1
        raise RuntimeError("broken")

    async def act(self, action: str) -> None:
        if action == "restart":
            self.chat = self.process()
        elif action == "say":
            await self.chat.say("go on")
        else:
            await self._decide(action)

    async def _decide(self, action: str) -> None:
        """Answers the oldest request, or the oldest long-running call, if there is one."""
        session = await self.store.get_session(app_name="app", user_id="u", session_id="s")
        events = session.events if session is not None else []
        if action == "result":
            answered = {answer.id for event in events for answer in event.get_function_responses()}
            waiting = [one for event in events for one in event.get_function_calls() if one.name == "_silent"]
            open_ = [one for one in waiting if one.id not in answered]
            response: dict[str, Any] = {"result": "at last"}
        else:
            requests = open_requests(events)
            calls = [one for event in events for one in event.get_function_calls()]
            open_ = [one for one in calls if one.id in requests]
            response = {"confirmed": action == "approve"}
        if open_:
            answer = types.FunctionResponse(id=open_[0].id, name=open_[0].name, response=response)
            await self.chat.say(types.Content(parts=[types.Part(function_response=answer)]))


def check(request: LlmRequest) -> None:
    """Each call is answered at once and once, each answer has its call before it, and the last turn is the user's."""
    contents = request.contents
    assert contents[-1].role == "user"
    for number, content in enumerate(contents):
        parts = content.parts or []
        calls = [part.function_call.id for part in parts if part.function_call]
        answers = [part.function_response.id for part in parts if part.function_response]
        if calls:
            assert content.role == "model"
            following = contents[number + 1].parts or []
            assert sorted(calls) == sorted(part.function_response.id for part in following if part.function_response)
        if answers:
            assert content.role == "user"
            before = contents[number - 1].parts or []
            assert sorted(answers) == sorted(part.function_call.id for part in before if part.function_call)
    names = [part.function_call.name for content in contents for part in content.parts or [] if part.function_call]
    assert not any((name or "").startswith("adk_") for name in names)


@settings(max_examples=300, deadline=None)
@given(
    answers=st.lists(st.lists(st.sampled_from(TOOLS), max_size=3), max_size=6),
    actions=st.lists(st.sampled_from(("say", "say", "approve", "deny", "result", "restart")), min_size=1, max_size=8),
)
def test_a_model_is_asked_nothing_that_its_api_would_refuse(answers: list[list[str]], actions: list[str]) -> None:
    async def live() -> None:
        books = Books(answers)
        for action in actions:
            await books.act(action)
        for request in books.asked:
            check(request)
        assert all(count == 1 for count in books.runs.values())

    asyncio.run(live())
