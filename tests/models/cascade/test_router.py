"""The `local-rules` router: which tool, which arguments, and when to say no. No audio."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex.models.cascade import answers
from fullduplex.models.cascade.corpus import sentences
from fullduplex.models.cascade.router import Ask, Call, Calls, NoIdea, Router, SmallTalk
from fullduplex.types import FunctionDeclaration
from tests.models.cascade.declarations import DEMO_DECLARATIONS
from tests.models.cascade.domain import IN_DOMAIN, OUT_OF_DOMAIN

ROUTER = Router(DEMO_DECLARATIONS)


@pytest.mark.parametrize(("text", "tool", "args"), IN_DOMAIN)
def test_typed_sentences_of_the_domain(text: str, tool: str, args: dict[str, Any]) -> None:
    assert ROUTER.route(text) == Calls((Call(tool, args),))


@pytest.mark.parametrize("text", OUT_OF_DOMAIN)
def test_typed_sentences_outside_call_nothing(text: str) -> None:
    assert ROUTER.route(text) == NoIdea()


@pytest.mark.parametrize(
    ("text", "tool", "args"),
    [
        ("12*7", "calculate", {"first_number": 12, "operation": "times", "second_number": 7}),
        ("3 + 4", "calculate", {"first_number": 3, "operation": "plus", "second_number": 4}),
        ("Paris weather", "get_weather", {"city": "Paris"}),
        ("set a timer for an hour", "set_timer", {"amount": 1, "unit": "hour"}),
        ("What time is it in Timbuktu?", "get_time", {"city": "Timbuktu"}),
        ("roll three twenty sided dice", "roll_dice", {"count": 3, "sides": 20}),
    ],
)
def test_freer_typing(text: str, tool: str, args: dict[str, Any]) -> None:
    assert ROUTER.route(text) == Calls((Call(tool, args),))


def test_two_requests_in_one_sentence() -> None:
    decision = ROUTER.route("what is the weather in Oslo and what time is it in Rome")
    assert decision == Calls((Call("get_weather", {"city": "Oslo"}), Call("get_time", {"city": "Rome"})))


def test_a_missing_argument_is_asked_for() -> None:
    assert ROUTER.route("set a timer") == Ask("set_timer", ("amount", "unit"))
    assert answers.ask(Ask("set_timer", ("amount", "unit")), ROUTER) == "For set timer I need the amount and unit."


@pytest.mark.parametrize("text", ["don't roll the dice", "I do not want to know the time in Tokyo", "never roll dice"])
def test_what_the_user_forbids_is_not_done(text: str) -> None:
    assert ROUTER.route(text) == NoIdea()


@pytest.mark.timeout(5)
def test_a_text_of_any_length_takes_no_time() -> None:
    assert ROUTER.route("word " * 800_000) == NoIdea()
    assert ROUTER.route("x" * 4_000_000) == NoIdea()


def test_follow_up_changes_one_argument() -> None:
    previous = Call("get_weather", {"city": "Oslo"})
    assert ROUTER.route("what about Rome", previous) == Calls((Call("get_weather", {"city": "Rome"}),))
    assert ROUTER.route("what about Rome") == NoIdea()


@pytest.mark.parametrize(
    ("text", "kind"),
    [("hello", "greeting"), ("what can you do?", "help"), ("thanks", "thanks"), ("stop", "stop"), ("bye", "goodbye")],
)
def test_small_talk(text: str, kind: str) -> None:
    assert ROUTER.route(text) == SmallTalk(kind)


def test_help_names_what_it_is_and_its_tools() -> None:
    text = answers.small_talk("help", ROUTER)
    assert "scripted tool router, not a language model" in text
    assert "get time" in text
    assert "roll dice" in text


def test_search_is_refused_only_where_it_was_asked_for() -> None:
    assert Router(DEMO_DECLARATIONS, search=True).route("search the web for cats") == SmallTalk("search")
    assert answers.small_talk("search", ROUTER) == "I cannot search the web offline."
    assert ROUTER.route("search the web for cats") == NoIdea()


def _tool(name: str, description: str, **properties: Any) -> FunctionDeclaration:
    schema = {"type": "OBJECT", "properties": properties, "required": list(properties)}
    return FunctionDeclaration(name=name, description=description, parameters=schema)


def test_slots_by_schema() -> None:
    router = Router(
        [
            _tool("paint", 'Paints. "paint the wall {color}"', color={"type": "STRING", "enum": ["red", "dark_blue"]}),
            _tool("note", 'Keeps a note. "note that {what}"', what={"type": "STRING"}),
            _tool("lamp", 'Switches. "turn the lamp {state}"', state={"type": "BOOLEAN"}),
            _tool("order", 'Orders. "one {dish} please"\nArgs:\n  dish: such as pizza, or fish soup', dish={}),
        ]
    )
    assert router.route("please paint the wall dark blue") == Calls((Call("paint", {"color": "dark_blue"}),))
    assert router.route("paint the wall") == Ask("paint", ("color",))
    spoken = router.route("note that Anna's train leaves at 9")
    assert spoken == Calls((Call("note", {"what": "Anna's train leaves at 9"}),))
    assert router.route("turn the lamp off") == Calls((Call("lamp", {"state": False}),))
    assert router.route("one fish soup please") == Calls((Call("order", {"dish": "fish soup"}),))
    assert "one fish soup please" in sentences(router)


def test_a_tool_without_examples_answers_to_its_name() -> None:
    router = Router([_tool("get_horoscope", "Reads the stars.", sign={"type": "STRING", "enum": ["leo", "virgo"]})])
    assert router.route("get horoscope for leo") == Calls((Call("get_horoscope", {"sign": "leo"}),))


def test_optional_words_in_an_example() -> None:
    router = Router([_tool("wash", '"wash [all] the dishes [now]"')])
    for text in ("wash the dishes", "wash all the dishes now"):
        assert router.route(text) == Calls((Call("wash"),))


@pytest.mark.parametrize(("about", "shown"), [("such as five hundred or 90", "five hundred"), ("such as many", "five")])
def test_a_sentence_to_try_has_the_number_that_is_named(about: str, shown: str) -> None:
    amount = {"type": "INTEGER", "description": f"How many dollars, {about}."}
    router = Router([_tool("pay", '"pay {amount} dollars"', amount=amount)])
    assert answers.not_understood(router).endswith(f"for example: pay {shown} dollars.")


def test_a_sentence_to_try_has_a_large_i() -> None:
    router = Router([_tool("get_balance", '"how much do i have"')])
    assert answers.not_understood(router).endswith("for example: how much do I have.")


def test_letters_behind_a_slot_are_spoken_and_need_not_be() -> None:
    unit = {"type": "STRING", "enum": ["second", "minute"]}
    router = Router([_tool("set_timer", '"set a timer for {amount} {unit}s"', amount={"type": "INTEGER"}, unit=unit)])
    for text in ("set a timer for two minutes", "set a timer for two minute"):
        assert router.route(text) == Calls((Call("set_timer", {"amount": 2, "unit": "minute"}),))
    assert {"second", "seconds"} <= set(" ".join(sentences(router)).split())
    assert "You can say: set a timer for five seconds." in answers.small_talk("help", router)


def test_no_tools_no_calls() -> None:
    router = Router([])
    assert router.route("what time is it") == NoIdea()
    assert "no tools" in answers.small_talk("help", router)


@pytest.mark.parametrize(
    ("response", "spoken"),
    [
        ({"result": "It is noon."}, "It is noon."),
        ({"report": "Sunny.", "celsius": 3}, "Sunny."),
        ({"spoken": "Hi", "text": "no"}, "Hi"),
        ({"error": "no such city"}, "That did not work: no such city"),
        ({"result": 42}, "my tool: 42."),
        ({"price": 3, "in_stock": True, "sizes": ["s", "m"]}, "price: 3, in stock: yes, sizes: s and m."),
        ({}, "My tool is done."),
        ({"result": None}, "My tool is done."),
    ],
)
def test_results_are_read_as_they_are(response: dict[str, Any], spoken: str) -> None:
    assert answers.read_result("my_tool", response) == spoken


def test_the_corpus_is_the_same_each_time_and_holds_every_value() -> None:
    first = sentences(ROUTER)
    assert first == sentences(Router(DEMO_DECLARATIONS))
    assert "what time is it in new zealand" in " / ".join(first)
    assert all(sentence == sentence.lower() for sentence in first)
