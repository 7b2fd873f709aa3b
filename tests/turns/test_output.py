"""What an agent says over a run, piece by piece."""

from __future__ import annotations

from fullduplex.events import Event
from fullduplex.turns.output import Output
from fullduplex.types.content import Content, Part
from fullduplex.types.live import Transcription
from fullduplex.types.playout import Heard


def written(text: str, *, author: str = "guide", partial: bool = False, thought: bool | None = None) -> Event:
    return Event(
        author=author, partial=partial, content=Content(role="model", parts=[Part(text=text, thought=thought)])
    )


def spoken(text: str, *, finished: bool = True) -> Event:
    return Event(author="guide", output_transcription=Transcription(text=text, finished=finished))


def after(output: Output, *events: Event) -> list[object]:
    for event in events:
        output.take(event)
    return [event.actions.state_delta.get("said") for event in events]


def test_merged_text_adds_up() -> None:
    output = Output("said", author="guide")
    pieces = [written("Hel", partial=True), written("Hello. "), written("Bye.")]
    assert after(output, *pieces) == [None, "Hello. ", "Hello. Bye."]


def test_thoughts_and_other_agents_do_not_count() -> None:
    output = Output("said", author="guide")
    assert after(output, written("hm", thought=True), written("Mine.", author="other"), written("Yes.")) == [
        None,
        None,
        "Yes.",
    ]


def test_finished_transcripts_count_with_a_space_between_them() -> None:
    output = Output("said", author="guide")
    assert after(output, spoken("It", finished=False), spoken("It is noon."), spoken(" Bye.")) == [
        None,
        "It is noon.",
        "It is noon. Bye.",
    ]


def test_transcripts_can_be_left_out() -> None:
    output = Output("said", author="guide", transcripts=False)
    assert after(output, spoken("It is noon."), written("Noon.")) == [None, "Noon."]


def test_what_says_nothing_changes_nothing() -> None:
    output = Output("said", author="guide")
    assert after(output, Event(author="guide", turn_complete=True), spoken("  ")) == [None, None]


def test_an_answer_that_is_broken_off_after_its_turn_counts_as_far_as_it_was_heard() -> None:
    output = Output("said", author="guide")
    first, second = spoken("One two."), spoken("Three four.")
    cut = Event(author="guide", interrupted=True, heard=Heard(response_id="r", text="Three", cuts=[second.id]))
    unheard = Event(author="guide", interrupted=True, heard=Heard(response_id="r", text="", cuts=[second.id]))
    assert after(output, first, second, cut, spoken("Five.")) == [
        "One two.",
        "One two. Three four.",
        "One two. Three",
        "One two. Three Five.",
    ]
    assert after(Output("said", author="guide"), first, second, unheard)[-1] == "One two."
