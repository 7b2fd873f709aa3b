"""Tools that ask the user, in writing: the answer comes in a later run."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex import Agent, Runner, types
from fullduplex.agents import LoopAgent, ParallelAgent, SequentialAgent
from fullduplex.errors import InvalidInput
from fullduplex.sessions import InMemorySessionService
from fullduplex.tools import FunctionTool, ToolContext
from fullduplex.turns.approvals import CONFIRMATION, CREDENTIAL
from tests.text.kit import SSE, Chat, ScriptedTextModel, call, short, told

DONE: list[str] = []


@pytest.fixture(autouse=True)
def _fresh() -> None:
    DONE.clear()


async def pay(to: str) -> str:
    """Pays."""
    DONE.append(to)
    return f"paid {to}"


def guarded() -> FunctionTool:
    return FunctionTool(pay, require_confirmation=True)


def requests(chat: Chat) -> list[types.FunctionCall]:
    """What the user was asked in the last run."""
    return [one for event in chat.events for one in event.get_function_calls() if one.name == CONFIRMATION]


def says(*requests: types.FunctionCall, **response: Any) -> types.Content:
    answers = [types.FunctionResponse(id=one.id, name=one.name, response=response) for one in requests]
    return types.Content(role="user", parts=[types.Part(function_response=one) for one in answers])


@pytest.mark.parametrize("config", [None, SSE])
async def test_a_yes_runs_the_tool_and_the_model_goes_on(config: Any) -> None:
    chat = Chat(call("pay", to="Ada"), "Paid.", tools=[guarded()])
    await chat.say("pay Ada", run_config=config)
    [asked] = requests(chat)
    assert DONE == []
    assert chat.events[-1].long_running_tool_ids == {asked.id}
    assert (asked.args or {})["originalFunctionCall"]["args"] == {"to": "Ada"}
    lines = await chat.say(says(asked, confirmed=True), run_config=config)
    assert lines[0] == "answer-pay"
    assert lines[-1].endswith(":Paid.")
    assert DONE == ["Ada"]
    assert chat.asked() == ["user: pay Ada", "model: call pay", "user: pay→{'result': 'paid Ada'}"]


async def test_a_no_is_told_to_the_model() -> None:
    chat = Chat(call("pay", to="Ada"), "I did not pay.", tools=[guarded()])
    await chat.say("pay Ada")
    await chat.say(says(*requests(chat), confirmed=False))
    assert DONE == []
    assert "did not approve" in chat.asked()[-1]


async def test_it_survives_the_process() -> None:
    store = InMemorySessionService()

    def process(*turns: Any) -> Chat:
        agent = Agent(name="guide", model=ScriptedTextModel(*turns), tools=[guarded()])
        return Chat(runner=Runner(app_name="app", agent=agent, session_service=store, auto_create_session=True))

    before = process(call("pay", to="Ada"))
    await before.say("pay Ada")
    assert await process("Paid.").say(says(*requests(before), confirmed=True)) == ["answer-pay", ":Paid."]
    assert DONE == ["Ada"]


async def test_several_requests_are_answered_one_by_one_and_the_model_waits_for_all() -> None:
    chat = Chat([call("pay", "p1", to="Ada"), call("pay", "p2", to="Bob")], "Done.", tools=[guarded()])
    await chat.say("pay both")
    first, second = requests(chat)
    assert await chat.say(says(second, confirmed=True)) == ["answer-p2"]
    assert await chat.say(says(first, confirmed=False)) == ["answer-p1", ":Done."]
    assert DONE == ["Bob"]
    assert chat.asked()[1] == "model: call pay"


async def test_other_tools_of_the_message_answer_at_once() -> None:
    async def look() -> str:
        return "clear"

    chat = Chat([call("look"), call("pay", to="Ada")], "Done.", tools=[guarded(), look])
    await chat.say("look and pay")
    answered = [answer.name for event in chat.events for answer in event.get_function_responses()]
    assert answered == ["look"]
    assert len(chat.model.requests) == 1
    assert (await chat.say(says(*requests(chat), confirmed=True)))[-1] == ":Done."


async def test_a_user_who_says_something_else_is_answered() -> None:
    chat = Chat(call("pay", to="Ada"), "Sunny.", "Paid after all.", tools=[guarded()])
    await chat.say("pay Ada")
    [asked] = requests(chat)
    assert await chat.say("how is the weather?") == [":Sunny."]
    assert chat.asked() == ["user: pay Ada", "user: how is the weather?"]
    assert (await chat.say(says(asked, confirmed=True)))[-1] == ":Paid after all."
    assert DONE == ["Ada"]


async def test_a_request_is_answered_once() -> None:
    chat = Chat(call("pay", to="Ada"), "Paid.", tools=[guarded()])
    await chat.say("pay Ada")
    [asked] = requests(chat)
    await chat.say(says(asked, confirmed=True))
    nameless = types.FunctionCall(id=asked.id)
    for again in (asked, nameless, types.FunctionCall(id="adk-1", name=CONFIRMATION)):
        with pytest.raises(InvalidInput, match="waits for an answer"):
            await chat.say(says(again, confirmed=True))
    assert DONE == ["Ada"]


async def test_a_run_that_broke_off_after_the_yes_goes_on() -> None:
    class Gone(Exception):
        pass

    class Store(InMemorySessionService):
        broken = False

        async def append_event(self, session: Any, event: Any) -> Any:
            if self.broken and event.get_function_responses() and event.author != "user":
                raise Gone
            return await super().append_event(session, event)

    store = Store()
    agent = Agent(name="guide", model=ScriptedTextModel(call("pay", to="Ada"), "Paid."), tools=[guarded()])
    chat = Chat(runner=Runner(app_name="app", agent=agent, session_service=store, auto_create_session=True))
    await chat.say("pay Ada")
    store.broken = True
    with pytest.raises(Gone):
        await chat.say(says(*requests(chat), confirmed=True))
    store.broken = False
    invocation_id = chat.events[-1].invocation_id
    assert await chat.say(None, invocation_id=invocation_id) == ["answer-pay", ":Paid."]


async def test_a_credential_reaches_the_tool_and_no_session() -> None:
    seen: list[Any] = []

    async def fetch(tool_context: ToolContext) -> str:
        credential = tool_context.get_auth_response({"credential_key": "shop"})
        if credential is None:
            tool_context.request_credential({"credential_key": "shop"})
            return ""
        seen.append(credential)
        return "fetched"

    chat = Chat(call("fetch"), "Done.", tools=[fetch])
    await chat.say("fetch")
    [asked] = [one for event in chat.events for one in event.get_function_calls() if one.name == CREDENTIAL]
    assert (await chat.say(says(asked, key="s3cret")))[-1] == ":Done."
    assert seen == [{"key": "s3cret"}]
    assert "s3cret" not in str(await chat.saved())
    assert "s3cret" not in str(chat.model.requests)


# -- workflows --------------------------------------------------------------------------------------------------------


def payer(name: str = "payer", *turns: Any) -> Agent:
    return Agent(name=name, model=ScriptedTextModel(call("pay", name, to=name), *turns), tools=[guarded()])


def agent(name: str, *turns: Any) -> Agent:
    return Agent(name=name, model=ScriptedTextModel(*turns))


async def test_a_sequence_waits_and_goes_on_where_it_waited() -> None:
    last = agent("last", "Last.")
    steps = SequentialAgent(name="steps", sub_agents=[agent("first", "First."), payer("payer", "Paid."), last])
    chat = Chat(agent=steps)
    await chat.say("go")
    assert [event.author for event in chat.events] == ["first", "payer", "payer"]
    assert await chat.say(says(*requests(chat), confirmed=True)) == [
        "payer/answer-payer",
        "payer/:Paid.",
        "last/:Last.",
    ]
    assert isinstance(last.model, ScriptedTextModel)
    assert "Paid." in " ".join(told(last.model))


async def test_a_loop_goes_on_in_its_round() -> None:
    loop = LoopAgent(
        name="loop", max_iterations=1, sub_agents=[agent("first", "1"), payer("payer", "P"), agent("z", "Z")]
    )
    chat = Chat(agent=loop)
    await chat.say("go")
    assert (await chat.say(says(*requests(chat), confirmed=True)))[1:] == ["payer/:P", "z/:Z"]


async def test_branches_that_ask_are_answered_each_by_itself_and_the_sequence_waits_for_both() -> None:
    fan = ParallelAgent(name="fan", sub_agents=[payer("ada", "A."), payer("bob", "B.")])
    chat = Chat(agent=SequentialAgent(name="all", sub_agents=[fan, agent("last", "Both.")]))
    await chat.say("go")
    by_author = {event.author: requests_ for event in chat.events if (requests_ := event.get_function_calls())}
    ada, bob = by_author["ada"][0], by_author["bob"][0]
    assert await chat.say(says(bob, confirmed=True)) == ["bob/answer-bob", "bob/:B."]
    assert {event.branch for event in chat.events} == {"fan.bob"}
    assert await chat.say(says(ada, confirmed=True)) == ["ada/answer-ada", "ada/:A.", "last/:Both."]


async def test_an_agent_that_a_step_handed_over_to() -> None:
    helper = payer("helper", "Helped.")
    first = Agent(
        name="first",
        model=ScriptedTextModel(call("transfer_to_agent", agent_name="helper")),
        sub_agents=[helper],
    )
    chat = Chat(agent=SequentialAgent(name="steps", sub_agents=[first, agent("last", "Last.")]))
    await chat.say("go")
    assert await chat.say(says(*requests(chat), confirmed=True)) == [
        "helper/answer-helper",
        "helper/:Helped.",
        "last/:Last.",
    ]


async def test_the_record_reads_as_a_conversation() -> None:
    chat = Chat(call("pay", to="Ada"), "Paid.", tools=[guarded()])
    await chat.say("pay Ada")
    await chat.say(says(*requests(chat), confirmed=True))
    lines = [short(event).split("-")[0] for event in (await chat.saved()).events]
    assert lines == ["user/:pay Ada", "call", "call", "user/answer", "answer", ":Paid."]
