"""What is done about an utterance and what is said of results, apart from who calls and speaks."""

from __future__ import annotations

from fullduplex.models.cascade.dialogue import Dialogue
from fullduplex.models.cascade.flow import COMPLETED, TRANSFER
from fullduplex.models.cascade.handed import still_open
from fullduplex.models.cascade.router import Call, Router
from fullduplex.tools import flow
from fullduplex.types import Content, FunctionResponse, Part
from tests.models.cascade.test_flow import declared, get_weather, lobby, stop_streaming, watch_price

WEATHER = (Call("get_weather", {"city": "Oslo"}),)


def result(**response: object) -> FunctionResponse:
    return FunctionResponse(id="1", response=response)


def test_calls_are_made_and_their_results_are_read() -> None:
    dialogue = Dialogue(lobby(get_weather), "lobby")
    assert dialogue.decide("what is the weather in Oslo") == WEATHER
    assert dialogue.outcome([("get_weather", result(result="Rain."))]) == "Rain."
    assert dialogue.decide("what about Rome") == (Call("get_weather", {"city": "Rome"}),)


def test_of_a_handover_nothing_is_said_unless_it_fails() -> None:
    dialogue = Dialogue(lobby(get_weather), "lobby")
    assert dialogue.decide("billing please") == (Call(TRANSFER, {"agent_name": "billing_agent"}),)
    assert dialogue.outcome([(TRANSFER, result(result=None))]) == ""
    assert dialogue.outcome([(TRANSFER, result(error="nobody is there"))]) == "That did not work: nobody is there"
    both = [("get_weather", result(result="Rain.")), (TRANSFER, result(result=None))]
    assert dialogue.outcome(both) == "Rain."


def test_what_was_handed_over_is_answered_or_answered_by_a_name_and_never_handed_on() -> None:
    dialogue = Dialogue(lobby(get_weather), "front_desk")
    assert dialogue.decide("what is the weather in Oslo", handed=True) == WEATHER
    for text in ("I have a question about my bill", "something else"):
        assert str(dialogue.decide(text, handed=True)).startswith("This is front desk. You can say")
    assert dialogue.decide("I have a question about my bill") == (Call(TRANSFER, {"agent_name": "billing_agent"}),)


def test_a_stream_is_announced_and_its_end_is_told() -> None:
    dialogue = Dialogue(Router(declared(watch_price, stop_streaming)))
    pending = result(status="The function is running asynchronously and the results are pending.")
    assert dialogue.outcome([("watch_price", pending)]) == "Watch price has begun. I will tell you what comes."
    assert dialogue.outcome([("watch_price", result(result="300 dollars."))]) == "300 dollars."
    stopped = result(status="Successfully stopped streaming function watch_price")
    assert dialogue.outcome([("stop_streaming", stopped)]) == "Successfully stopped streaming function watch_price."


def test_a_step_is_done_when_each_of_its_tools_has_worked_once() -> None:
    def set_name(name: str) -> str:
        """Notes a name. "my name is {name}"."""
        return name

    dialogue = Dialogue(Router(declared(get_weather, set_name, flow.task_completed)))
    assert not dialogue.is_done
    dialogue.outcome([("get_weather", result(result="Rain."))])
    dialogue.outcome([("set_name", result(error="too long"))])
    assert not dialogue.is_done
    assert dialogue.decide("my name is Ada") == (Call("set_name", {"name": "Ada"}),)
    dialogue.outcome([("set_name", result(result="Hello Ada."))])
    assert dialogue.is_done
    dialogue.report()
    assert not dialogue.is_done


def test_only_a_step_with_tools_of_its_own_is_ever_done() -> None:
    alone, idle = Dialogue(Router(declared(get_weather))), Dialogue(Router(declared(flow.task_completed)))
    alone.outcome([("get_weather", result(result="Rain."))])
    assert not alone.is_done
    assert not idle.is_done
    assert idle.decide("next") == (Call(COMPLETED),)


def test_words_that_were_said_before_help_to_understand() -> None:
    dialogue = Dialogue(lobby(get_weather))
    dialogue.add("what is the weather")
    assert dialogue.has_context
    assert dialogue.decide("in Oslo") == WEATHER
    assert not dialogue.has_context


# -- what is still open ---------------------------------------------------------------------------------------------


def said(role: str, text: str) -> Content:
    return Content(role=role, parts=[Part(text=text)])


def other(line: str) -> Content:
    return said("user", f"For your information\n<<<BEGIN_QUOTED_AGENT_CONTENT>>>\n[lobby] {line}\n<<<END")


HANDED = other("called tool `transfer_to_agent` with parameters: {}")
COMPLETED_BY_ANOTHER = other("called tool `task_completed` with parameters: {}")
ANSWER = FunctionResponse(id="1", name="get_weather", response={"result": "Rain."})


def test_an_open_question_is_the_last_that_no_model_has_answered() -> None:
    history = [said("user", "one"), said("model", "answer"), said("user", "two")]
    assert still_open(history) == ("two", [], False)
    assert still_open(history[:2]) == still_open([]) == ("", [], False)


def test_a_question_comes_with_the_conversation_and_quotations_are_none() -> None:
    assert still_open([said("user", "one"), HANDED]) == ("one", [], True)
    assert still_open([said("user", "one"), said("model", "answer"), other("said: hello")]) == ("", [], True)


def test_after_a_task_that_another_agent_has_done_nothing_is_open() -> None:
    assert still_open([said("user", "my name is Ada"), COMPLETED_BY_ANOTHER]) == ("", [], True)


def test_results_that_nobody_has_told_are_open() -> None:
    history = [said("user", "one"), Content(role="model"), Content(role="user", parts=[Part(function_response=ANSWER)])]
    assert still_open(history) == ("", [ANSWER], False)
