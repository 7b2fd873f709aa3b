"""What a connection that takes over is told: all that it does not know, once, and whether it is to answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fullduplex import types
from fullduplex.events import Event, EventActions
from fullduplex.live.briefing import Briefing, Handle, Reader, brief, exchange
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part
from fullduplex.types.live import LiveServerSessionResumptionUpdate, Transcription


def typed(words: str, **fields: Any) -> Event:
    return Event(author="user", content=Content(role="user", parts=[Part(text=words)]), **fields)


def wrote(words: str, **fields: Any) -> Event:
    return Event(author="guide", content=Content(role="model", parts=[Part(text=words)]), **fields)


def spoke(words: str, **fields: Any) -> Event:
    return Event(author="user", input_transcription=Transcription(text=words, finished=True), **fields)


def said(words: str, **fields: Any) -> Event:
    return Event(author="guide", output_transcription=Transcription(text=words, finished=True), **fields)


def called(*ids: str, words: str = "") -> Event:
    parts = [Part(text=words)] if words else []
    parts += [Part(function_call=FunctionCall(id=one, name="look", args={})) for one in ids]
    return Event(author="guide", content=Content(role="model", parts=parts))


def answer_to(call_id: str) -> FunctionResponse:
    return FunctionResponse(id=call_id, name="look", response={"result": call_id})


def answered(*ids: str) -> Event:
    return Event(
        author="guide", content=Content(role="user", parts=[Part(function_response=answer_to(one)) for one in ids])
    )


def issued(name: str, event_id: str) -> Event:
    update = LiveServerSessionResumptionUpdate(new_handle=name, resumable=True)
    return Event(author="guide", id=event_id, live_session_resumption_update=update)


def short(contents: list[Content]) -> list[str]:
    """Turns in short: `u:words`, `m:words`, `call-id`, `answer-id`; parts of one turn joined by a plus."""
    return ["+".join(_part(turn, part) for part in turn.parts or []) for turn in contents]


def _part(turn: Content, part: types.Part) -> str:
    if part.function_call is not None:
        return f"call-{part.function_call.id}"
    if part.function_response is not None:
        return f"answer-{part.function_response.id}"
    return f"{(turn.role or '')[:1]}:{part.text}"


def told(*events: Event, **options: Any) -> tuple[list[str], bool]:
    briefing: Briefing = brief(events, since=options.pop("since", None), **options)
    return short(briefing.contents), briefing.open_question


# -- since when -----------------------------------------------------------------------------------------------------


@pytest.mark.spec(141)
def test_a_fresh_connection_is_told_the_whole_session() -> None:
    assert told(typed("my number is 42"), wrote("Noted."), spoke("and hers is"), said("Yes?")) == (
        ["u:my number is 42", "m:Noted.", "u:and hers is", "m:Yes?"],
        False,
    )


@pytest.mark.spec(138)
def test_from_a_handle_only_the_news_is_told() -> None:
    events = (typed("one"), wrote("Two."), issued("h", "e3"), typed("three"), wrote("Four."))
    assert told(*events, since=Handle("h", "e3")) == (["u:three", "m:Four."], False)
    assert told(*events[:3], since=Handle("h", "e3")) == ([], False)


def test_a_handle_that_covers_nothing_of_the_session_is_told_everything() -> None:
    assert told(typed("one"), since=Handle("h", "")) == (["u:one"], True)
    assert told(typed("one"), since=Handle("h", "unknown")) == (["u:one"], True)


def test_an_empty_session_is_no_news() -> None:
    assert told() == ([], False)


def test_what_the_connection_learns_in_another_way_is_not_told() -> None:
    events = (typed("one", id="e1"), wrote("Two."), typed("three", id="e3"))
    assert told(*events, elsewhere={"e3"}) == (["u:one", "m:Two."], False)


# -- whether something is open --------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", [typed("why?"), spoke("why?")], ids=["typed", "spoken"])
def test_a_question_without_an_answer_is_open(question: Event) -> None:
    assert told(wrote("Hello."), question) == (["m:Hello.", "u:why?"], True)


def test_an_answer_that_was_cut_off_is_left_out_and_its_question_is_open() -> None:
    events = (typed("why?"), said("Because", id="e2"))
    assert told(*events) == (["u:why?", "m:Because"], False)
    assert told(*events, cut_off={"e2"}) == (["u:why?"], True)


def test_an_answer_that_was_cut_off_is_told_when_the_user_has_gone_on() -> None:
    events = (typed("why?"), said("Because", id="e2"), typed("no matter"))
    assert told(*events, cut_off={"e2"}) == (["u:why?", "m:Because", "u:no matter"], True)


def test_words_of_the_model_s_own_accord_that_were_cut_off_are_no_question() -> None:
    assert told(said("Hello", id="e1"), cut_off={"e1"}) == ([], False)
    assert told(typed("hi"), wrote("Hello."), said("By the way", id="e3"), cut_off={"e3"}) == (
        ["u:hi", "m:Hello."],
        False,
    )


def test_what_an_interruption_left_of_an_older_answer_does_not_hide_the_open_question() -> None:
    events = (typed("one"), typed("two"), wrote("Re", interrupted=True), said("It", id="e4"))
    assert told(*events, cut_off={"e4"}) == (["u:one", "u:two"], True)
    assert told(typed("one"), wrote("Re", interrupted=True), typed("two"), cut_off={"x"}) == (
        ["u:one", "m:Re", "u:two"],
        True,
    )


# -- calls ----------------------------------------------------------------------------------------------------------


def test_a_call_and_its_answer_are_told_and_the_model_goes_on_with_it() -> None:
    assert told(typed("look"), called("c1"), answered("c1")) == (["u:look", "call-c1", "answer-c1"], True)


def test_of_what_was_answered_silently_the_model_is_asked_nothing() -> None:
    silent = answered("c1")
    silent.get_function_responses()[0].scheduling = "SILENT"
    over = Event(author="guide", turn_complete=True)
    question = typed("log it")
    assert not told(question, called("c1"), wrote("well"), over, silent)[1]
    assert not told(question, called("c1"), silent, over)[1]
    assert told(question, called("c1"), silent)[1]  # the line was lost before the model has said anything
    assert told(question, called("c1"), silent, over, typed("and now?"))[1]


def test_while_its_tool_works_a_call_is_not_told_and_nothing_is_asked() -> None:
    assert told(typed("look"), called("c1"), running={"c1"}) == (["u:look"], False)


def test_a_recording_of_the_user_is_nothing_that_the_user_says() -> None:
    file = types.FileData(file_uri="artifact://a/_adk_live/x", mime_type="audio/pcm")
    recording = Event(author="user", content=Content(role="user", parts=[Part(file_data=file)]))
    assert told(typed("look"), called("c1"), recording, running={"c1"}) == (["u:look"], False)


def test_a_call_for_which_the_model_does_not_wait_is_told_as_pending_lest_it_is_made_again() -> None:
    events = (typed("look"), called("c1"))
    assert told(*events, pending={"c1"}) == (["u:look", "call-c1", "answer-c1"], True)
    briefing = brief((*events, said("I do.")), since=None, pending={"c1"})
    assert (short(briefing.contents)[-1], briefing.open_question) == ("m:I do.", False)
    (answer,) = (part.function_response for turn in briefing.contents for part in turn.parts if part.function_response)
    assert "pending" in answer.response["status"]


def test_a_call_that_was_cancelled_leaves_its_question_open() -> None:
    assert told(typed("look"), called("c1")) == (["u:look"], True)


@pytest.mark.parametrize("question", [typed("or rather"), spoke("or rather")], ids=["typed", "spoken"])
def test_what_the_user_says_while_a_tool_works_is_asked(question: Event) -> None:
    assert told(typed("look"), called("c1"), question, running={"c1"}) == (["u:look", "u:or rather"], True)


def test_of_a_turn_with_several_calls_only_those_with_answers_are_told() -> None:
    events = (typed("look"), called("c1", "c2", words="One moment."), answered("c2"))
    assert told(*events, running={"c1"}) == (["u:look", "m:One moment.+call-c2", "answer-c2"], False)
    assert told(*events[:2], running={"c1", "c2"}) == (["u:look", "m:One moment."], False)


def test_an_answer_is_told_with_its_call_though_that_was_made_before_the_handle() -> None:
    events = (typed("look"), called("c1"), issued("h", "e3"), answered("c1"))
    assert told(*events, since=Handle("h", "e3")) == (["call-c1", "answer-c1"], True)


def test_an_answer_without_a_call_in_the_session_is_told_as_it_is() -> None:
    assert told(answered("c1")) == (["answer-c1"], True)


def test_an_answer_that_ends_later_is_told_with_its_call_and_the_model_goes_on() -> None:
    events = [typed("look"), called("c1", "c2"), answered("c1")]
    one = exchange(events, [answer_to("c1")])
    both = exchange(events, [answer_to("c1"), answer_to("c2")])
    assert (short(one.contents), one.open_question) == (["call-c1", "answer-c1"], True)
    assert (short(both.contents), both.open_question) == (["call-c1+call-c2", "answer-c1+answer-c2"], True)


@pytest.mark.parametrize("news", [typed("or rather"), spoke("or rather")], ids=["typed", "spoken"])
def test_an_answer_that_ends_when_the_user_has_gone_on_is_only_told(news: Event) -> None:
    late = exchange([typed("look"), called("c1"), news], [answer_to("c1")])
    assert (short(late.contents), late.open_question) == (["call-c1", "answer-c1"], False)


def test_an_exchange_of_a_call_that_the_session_does_not_know_is_nothing() -> None:
    assert exchange([typed("look")], [answer_to("c1")]) == Briefing([], open_question=False)


def test_the_events_of_the_session_stay_as_they_are() -> None:
    events = [typed("look"), called("c1", "c2"), answered("c2")]
    before = [event.model_copy(deep=True) for event in events]
    brief(events, since=None, cut_off={"x"})
    exchange(events, [answer_to("c2")])
    assert events == before


# -- any session ----------------------------------------------------------------------------------------------------

_kinds = st.lists(st.sampled_from(["typed", "spoke", "wrote", "said", "call", "answer"]), max_size=20)


def session_of(kinds: list[str]) -> list[Event]:
    """Events with words and ids of their own; an answer is to the oldest open call."""
    events: list[Event] = []
    waiting: list[str] = []
    for number, kind in enumerate(kinds):
        if kind == "call":
            events.append(called(f"c{number}"))
            waiting.append(f"c{number}")
        elif kind == "answer":
            if waiting:
                events.append(answered(waiting.pop(0)))
        else:
            make = {"typed": typed, "spoke": spoke, "wrote": wrote, "said": said}[kind]
            events.append(make(f"w{number}.", id=f"e{number}"))
    return [event if event.id else event.model_copy(update={"id": f"x{n}"}) for n, event in enumerate(events)]


def words_of(contents: list[Content]) -> list[str]:
    return [word for turn in contents for part in turn.parts or [] for word in (part.text or "").split()]


@given(_kinds, st.data())
def test_before_and_after_any_handle_everything_is_known_once(kinds: list[str], data: st.DataObject) -> None:
    events = session_of(kinds)
    place = data.draw(st.integers(0, len(events)))
    handle = issued("h", "handle")
    whole = [*events[:place], handle, *events[place:]]
    fresh = words_of(brief(events, since=None).contents)
    assert fresh == [word for event in events for word in words_in(event)]
    news = brief(whole, since=Handle("h", "handle")).contents
    known = [word for event in events[:place] for word in words_in(event)]
    assert known + words_of(news) == fresh
    told_answers = [one for turn in short(news) for one in turn.split("+") if one.startswith("answer-")]
    told_calls = [one for turn in short(news) for one in turn.split("+") if one.startswith("call-")]
    assert told_answers == [f"answer-{r.id}" for event in events[place:] for r in event.get_function_responses()]
    assert sorted(told_calls) == sorted(one.replace("answer", "call") for one in told_answers)


def words_in(event: Event) -> list[str]:
    transcription = event.input_transcription or event.output_transcription
    text = (transcription.text if transcription is not None else event.content and event.content.text) or ""
    return text.split()


# -- of several agents ------------------------------------------------------------------------------------------------


def by(author: str, event: Event) -> Event:
    event.author = author
    return event


def handed_over(author: str, to: str) -> tuple[Event, Event]:
    """The call of a transfer, and its answer."""
    answer = answered("t")
    answer.actions.transfer_to_agent = to
    return by(author, called("t")), by(author, answer)


GUIDE = Reader("guide")


def asks(*events: Event, reader: Reader = GUIDE) -> bool:
    return brief(events, since=None, reader=reader).open_question


def test_another_agents_words_ask_for_no_answer() -> None:
    assert not asks(typed("hello"), by("other", wrote("Hi.")))
    assert asks(typed("hello"), by("other", wrote("Hi.")), typed("and you?"))


def test_a_conversation_that_is_handed_over_is_to_be_gone_on_with() -> None:
    handover = handed_over("other", "guide")
    assert asks(typed("hello"), *handover)
    assert asks(typed("hello"), *handover, by("other", said("One moment.")))
    assert not asks(typed("hello"), *handover, wrote("Here I am."))
    assert not asks(typed("hello"), *handover, by("third", wrote("Here I am.")))


def test_what_the_tool_of_an_agent_that_has_gone_answers_late_hides_no_question() -> None:
    events = (by("other", called("c1")), *handed_over("other", "guide"), typed("hello"))
    assert asks(*events, by("other", answered("c1")))


def test_recordings_of_agents_that_have_gone_hide_no_question() -> None:
    file = types.FileData(file_uri="artifact://a/_adk_live/x", mime_type="audio/pcm")
    recordings = [
        Event(author=author, content=Content(role="model", parts=[Part(file_data=file)]))
        for author in ("third", "other")
    ]
    assert asks(typed("hello"), *handed_over("third", "other"), *handed_over("other", "guide"), *recordings)


def test_what_a_loss_cut_off_of_an_agent_that_then_handed_over_is_left_out() -> None:
    broken = by("other", wrote("Your ord", id="cut", interrupted=True))
    events = (typed("where is it?"), broken, *handed_over("other", "guide"))
    briefing = brief(events, since=None, reader=GUIDE, cut_off={"cut"})
    assert briefing.open_question
    assert "Your ord" not in "".join(content.text or "" for content in briefing.contents)
    since = brief((*events[:2], typed("hello?"), *events[2:]), since=None, reader=GUIDE, cut_off=set())
    assert "[other] said: Your ord" in "".join(content.text or "" for content in since.contents)


@pytest.mark.parametrize("action", [{"end_of_agent": True}, {"escalate": True}])
def test_a_step_that_is_done_is_to_be_gone_on_with(action: dict[str, bool]) -> None:
    done = by("other", answered("c"))
    done.actions = EventActions(**action)
    assert asks(typed("hello"), by("other", called("c")), done)


def test_other_branches_are_out_of_sight() -> None:
    events = (
        typed("hello"),
        by("left", wrote("Left.", branch="fan.left")),
        by("right", wrote("Right.", branch="fan.right")),
        wrote("Mine.", branch="fan.guide"),
    )
    reader = Reader("guide", branch="fan.guide")
    assert short(brief(events, since=None, reader=reader).contents) == ["u:hello", "m:Mine."]


def test_only_what_this_run_left_open_is_told_if_nothing_else_may_be() -> None:
    reader = Reader("guide", only_open="e-2")
    old, new = {"invocation_id": "e-1"}, {"invocation_id": "e-2"}
    assert brief([typed("old", **old)], since=None, reader=reader) == Briefing([], open_question=False)
    events = [typed("old", **old), wrote("Answer.", **old), typed("new", **new)]
    assert short(brief(events, since=None, reader=reader).contents) == ["u:new"]
    events.append(wrote("Answer.", **new))
    assert brief(events, since=None, reader=reader) == Briefing([], open_question=False)
