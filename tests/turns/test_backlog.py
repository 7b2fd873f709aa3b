"""What the next connection is sent again: nothing lost, nothing doubled, and never much memory.

Audio is tagged by its content. Loud chunks are numbered; a test names a result by those numbers.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fullduplex.turns.backlog import CROSSING_S, TRIM_EVERY_BYTES, Backlog
from fullduplex.turns.utterances import LONG_PAUSE_S, LOOK_BACK_S, PAUSE_S, PRE_ROLL_BYTES, TURN_PAUSE_S, Kind
from fullduplex.types import Blob

CHUNK_S = 0.04
_CHUNK_BYTES = 1280
PCM = "audio/pcm;rate=16000"


def loud(number: int, seconds: float = CHUNK_S) -> Blob:
    """Speech: every sample is loud, and says which chunk it is."""
    sample = (0x4000 + number).to_bytes(2, "little")
    return Blob(data=sample * round(seconds * 16_000), mime_type=PCM)


def quiet(seconds: float = CHUNK_S) -> Blob:
    return Blob(data=bytes(2 * round(seconds * 16_000)), mime_type=PCM)


def frame(number: int, size: int = 100) -> Blob:
    return Blob(data=bytes([number]) * size, mime_type="image/jpeg")


def number_of(blob: Blob) -> int:
    return int.from_bytes((blob.data or b"")[:2], "little") - 0x4000


def numbers(again: list[Blob | str]) -> list[int]:
    """The loud chunks among what is sent again."""
    blobs = [one for one in again if isinstance(one, Blob) and (one.mime_type or "").startswith("audio/")]
    return [number_of(blob) for blob in blobs if any(blob.data or b"")]


def others(again: list[Blob | str]) -> list[str]:
    return [one for one in again if isinstance(one, str)]


def frames(again: list[Blob | str]) -> list[int]:
    return [(one.data or b"")[0] for one in again if isinstance(one, Blob) and one.mime_type == "image/jpeg"]


class Talk:
    """A microphone and a keyboard on one connection after another, and a clock."""

    def __init__(self, max_bytes: int = 1 << 30) -> None:
        self.backlog: Backlog[str] = Backlog(max_bytes)
        self.now = 0.0
        self.line = 1
        self.index = 1  # the setup
        self.said = 0

    def media(self, blob: Blob) -> None:
        self.index += 1
        self.now += len(blob.data or b"") / 32_000 if (blob.mime_type or "").startswith("audio/") else 0.0
        self.backlog.media(blob, self.line, self.index, self.now)

    def speak(self, seconds: float = CHUNK_S) -> list[int]:
        """Speaks without a pause; the numbers of the chunks."""
        first = self.said
        for _ in range(round(seconds / CHUNK_S)):
            self.media(loud(self.said))
            self.said += 1
        return list(range(first, self.said))

    def rest(self, seconds: float) -> None:
        for _ in range(round(seconds / CHUNK_S)):
            self.media(quiet())

    def send(self, kind: Kind, words: str) -> None:
        self.index += 1
        self.backlog.sent(kind, words, self.line, self.index, self.now)

    def interrupted(self) -> None:
        """The model's turn ends so."""
        self.backlog.interrupted(self.now)
        self.backlog.turn_over()

    def lose(self, *, afresh: bool = False) -> list[Blob | str]:
        """The connection is lost; what the next one is sent again, and it is sent."""
        again = self.backlog.take_back(afresh=afresh)
        self.line, self.index = self.line + 1, 1
        for one in again:
            if isinstance(one, Blob):
                self.index += 1
                self.backlog.media(one, self.line, self.index, self.now)
            else:
                self.send(Kind(one.split()[0]), one)
        return again


@pytest.fixture
def talk() -> Talk:
    return Talk()


# -- the turns tell -------------------------------------------------------------------------------------------------


def test_speech_that_nobody_answered_is_sent_again_with_the_silence_around_it(talk: Talk) -> None:
    talk.rest(1.0)
    said = talk.speak(0.4)
    talk.rest(0.6)
    again = talk.lose()
    assert numbers(again) == said
    blobs = [one for one in again if isinstance(one, Blob)]
    before = next(place for place, blob in enumerate(blobs) if any(blob.data or b""))
    assert 0.08 <= before * CHUNK_S <= 0.5, "a first syllable begins quietly, and no more silence is needed"
    assert (len(blobs) - before) * CHUNK_S == pytest.approx(1.0), "what ends the utterance is heard as well"


def test_silence_is_not_sent_again(talk: Talk) -> None:
    talk.rest(3.0)
    assert talk.lose() == []


def test_an_answer_that_the_loss_cuts_off_does_not_use_its_question_up(talk: Talk) -> None:
    said = talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.turn_began(talk.now)
    assert numbers(talk.lose()) == said


def test_what_was_answered_to_the_end_is_not_sent_again(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert not talk.backlog.speech
    assert talk.lose() == []


def test_what_a_finished_transcript_told_is_in_the_session(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.transcribed(talk.now)
    assert talk.lose() == []


def test_a_transcript_during_an_answer_is_of_the_question_and_not_of_what_was_said_since(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.turn_began(talk.now)
    said = talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.transcribed(talk.now)
    assert talk.backlog.speech
    talk.backlog.turn_over()
    assert numbers(talk.lose()) == said


def test_spoken_words_are_owed_an_answer_from_their_transcript_until_it_begins(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.transcribed(talk.now)
    assert talk.backlog.owed
    talk.backlog.turn_began(talk.now)
    assert not talk.backlog.owed


def test_a_transcript_that_comes_after_the_beginning_of_the_answer_leaves_nothing_owed(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.turn_began(talk.now)
    talk.backlog.transcribed(talk.now)
    assert not talk.backlog.owed
    talk.backlog.turn_over()
    assert not talk.backlog.owed


def test_a_transcript_without_speech_owes_nothing(talk: Talk) -> None:
    talk.rest(1.0)
    talk.backlog.transcribed(talk.now)
    assert not talk.backlog.owed


def test_what_is_said_during_an_answer_is_not_answered_by_it(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.turn_began(talk.now)
    said = talk.speak(0.2)
    talk.backlog.turn_over()
    assert talk.backlog.speech
    assert numbers(talk.lose()) == said


def test_speech_that_goes_on_when_an_answer_begins_is_not_answered_by_it(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    said = talk.speak(0.8)
    talk.backlog.turn_began(talk.now)
    said += talk.speak(0.4)
    talk.interrupted()
    assert numbers(talk.lose()) == said


def test_a_short_pause_does_not_end_an_utterance(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    said = talk.speak(0.3)
    talk.rest(PAUSE_S - 0.05)
    said += talk.speak(0.3)
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert numbers(talk.lose()) == said


def test_speech_that_has_gone_on_for_long_was_heard(talk: Talk) -> None:
    talk.speak(LOOK_BACK_S + 0.5)
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert numbers(talk.lose()) == []


def test_a_pause_that_a_client_does_not_send_is_a_pause_all_the_same(talk: Talk) -> None:
    talk.speak(0.4)
    talk.now += 3.0
    said = talk.speak(0.4)
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert numbers(talk.lose()) == said


def test_speech_of_which_a_part_waited_for_the_network_has_no_pause_in_it(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    said = talk.speak(0.4)
    for number in range(10):  # all leave at once, a second late
        blob = loud(100 + number)
        talk.backlog.media(blob, 1, None, talk.now + 1.0, waited=1.0 - CHUNK_S * (number + 1))
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert numbers(talk.lose()) == [*said, *range(100, 110)]


def test_long_chunks_without_a_pause_are_one_utterance(talk: Talk) -> None:
    talk.rest(0.6)
    for number in (1, 2, 3):
        talk.media(loud(number, 0.5))
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert numbers(talk.lose()) == [1, 2, 3]


# -- the index tells ------------------------------------------------------------------------------------------------


def test_what_the_backend_says_it_has_is_not_sent_again(talk: Talk) -> None:
    said = talk.speak(0.4)
    talk.backlog.consumed(1, 1 + 4)
    assert numbers(talk.lose()) == said[4:]


def test_an_index_of_one_connection_says_nothing_of_the_next(talk: Talk) -> None:
    said = talk.speak(0.4)
    assert numbers(talk.lose()) == said
    talk.backlog.consumed(1, 100)
    assert numbers(talk.lose()) == said
    talk.backlog.consumed(3, 1 + 3)
    assert numbers(talk.lose()) == said[3:]


def test_an_index_of_a_later_connection_covers_the_earlier_ones(talk: Talk) -> None:
    talk.speak(0.4)
    talk.backlog.consumed(2, 1)
    assert talk.lose() == []


def test_speech_that_is_not_here_any_more_was_sent_after_what_an_index_covers(talk: Talk) -> None:
    talk.speak(0.4)
    last = talk.index
    talk.rest(0.6)
    assert not talk.backlog.speech_gone_since(1, 1)
    talk.backlog.transcribed(talk.now)
    assert talk.backlog.speech_gone_since(1, last - 1)
    assert not talk.backlog.speech_gone_since(1, last)
    assert not talk.backlog.speech_gone_since(2, 1), "that connection was told of it at its beginning"


def test_a_backend_that_does_not_count_acknowledges_nothing(talk: Talk) -> None:
    talk.backlog.media(loud(7), 1, None, 0.0)
    talk.backlog.consumed(1, 1_000)
    assert numbers(talk.lose()) == [7]


def test_what_is_acknowledged_during_an_answer_is_not_settled_a_second_time_at_its_end(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.turn_began(talk.now)
    talk.backlog.consumed(1, 1 + 6)
    said = talk.speak(0.4)
    talk.interrupted()
    assert numbers(talk.lose()) == said


# -- typed turns and answers ----------------------------------------------------------------------------------------


def test_a_typed_turn_is_owed_until_the_next_turn_is_over_and_never_sent_again(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    assert talk.backlog.owed
    talk.backlog.turn_began(talk.now)
    assert talk.backlog.owed
    talk.backlog.turn_over()
    assert not talk.backlog.owed
    talk.send(Kind.TURN, "turn two")
    assert talk.lose() == []
    assert not talk.backlog.owed, "the session tells the next connection, which notes it anew"


def test_a_turn_typed_during_an_answer_is_owed_after_it(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    talk.backlog.turn_began(talk.now)
    talk.send(Kind.TURN, "turn two")
    talk.backlog.turn_over()
    assert talk.backlog.owed
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert not talk.backlog.owed


def test_a_turn_that_crossed_the_beginning_of_the_answer_that_it_interrupts_is_owed(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    talk.send(Kind.TURN, "turn two")  # on its way when the answer to the first began
    talk.backlog.turn_began(talk.now)
    talk.interrupted()
    assert talk.backlog.owed
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert not talk.backlog.owed


def test_speech_that_was_answered_does_not_hide_that_a_typed_turn_is_owed(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(LONG_PAUSE_S + 0.1)
    talk.send(Kind.TURN, "turn one")  # on its way when the answer to the speech began
    talk.backlog.turn_began(talk.now)
    talk.interrupted()
    assert talk.backlog.owed
    assert not talk.backlog.speech


def test_a_turn_typed_after_speech_that_is_sent_again_follows_it_again(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    said = talk.speak(CHUNK_S)
    talk.send(Kind.TURN, "turn two")
    talk.send(Kind.ANSWER, "answer")
    again = talk.backlog.take_back(afresh=False)
    assert [one if isinstance(one, str) else number_of(one) for one in again] == [*said, "turn two"]


@pytest.mark.parametrize("before", [True, False])
def test_a_transcript_says_nothing_of_what_was_typed(talk: Talk, before: bool) -> None:
    if before:
        talk.send(Kind.TURN, "turn one")
    talk.speak(0.4)
    talk.rest(0.6)
    if not before:
        talk.send(Kind.TURN, "turn one")
    talk.backlog.transcribed(talk.now)
    assert others(talk.backlog.take_back(afresh=False, held=lambda _: True)) == ["turn one"]


def test_typed_turns_that_the_session_does_not_have_yet_are_sent_again(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    talk.backlog.turn_began(talk.now)
    talk.send(Kind.TURN, "turn two")
    again = talk.backlog.take_back(afresh=False, held=lambda words: words == "turn two")
    assert again == ["turn two"]


def test_a_tool_s_answer_is_used_in_the_turn_in_which_it_came(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    talk.backlog.turn_began(talk.now)
    talk.send(Kind.ANSWER, "answer")
    assert talk.backlog.owed
    talk.backlog.turn_over()
    assert not talk.backlog.owed


def test_a_typed_turn_with_answered_speech_behind_it_did_not_interrupt_the_answer(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    talk.speak(0.4)
    talk.rest(LONG_PAUSE_S + 0.1)
    talk.backlog.turn_began(talk.now)
    talk.now += CROSSING_S + 0.1
    talk.interrupted()
    assert not talk.backlog.owed
    assert talk.lose() == []


def test_speech_that_crossed_the_beginning_of_the_answer_to_a_typed_turn_is_open(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    said = talk.speak(0.4)
    talk.rest(LONG_PAUSE_S + 0.1)
    talk.backlog.turn_began(talk.now)
    talk.interrupted()
    assert not talk.backlog.owed
    assert numbers(talk.lose()) == said


@pytest.mark.parametrize("kind", [Kind.TURN, Kind.ANSWER])
@pytest.mark.parametrize("seconds", [0.8, LOOK_BACK_S + 0.4])
def test_what_a_tool_answered_and_what_was_typed_is_answered_while_the_user_may_still_speak(
    talk: Talk, kind: Kind, seconds: float
) -> None:
    said = talk.speak(seconds)
    talk.rest(PAUSE_S + 0.05)
    talk.send(kind, kind.value)
    talk.backlog.turn_began(talk.now)
    talk.rest(3.0)
    talk.backlog.turn_over()
    assert talk.backlog.speech
    talk.backlog.transcribed(talk.now)
    assert not talk.backlog.speech
    said = talk.speak(0.4)
    assert numbers(talk.lose()) == said


def test_a_transcript_keeps_the_order_of_context(talk: Talk) -> None:
    talk.send(Kind.CONTEXT, "context one")
    talk.send(Kind.CONTEXT, "context two")
    talk.backlog.transcribed(talk.now)
    assert others(talk.lose(afresh=True)) == ["context one", "context two"]


def test_what_speech_interrupted_is_not_owed(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    talk.backlog.turn_began(talk.now)
    said = talk.speak(0.2)
    talk.interrupted()
    assert not talk.backlog.owed
    assert numbers(talk.lose()) == said


# -- signals, context, frames ---------------------------------------------------------------------------------------


def test_everything_is_sent_again_in_the_order_of_sending(talk: Talk) -> None:
    talk.send(Kind.START, "start")
    said = talk.speak(CHUNK_S)
    talk.send(Kind.CONTEXT, "context one")
    said += talk.speak(CHUNK_S)
    talk.send(Kind.SIGNAL, "signal end")
    again = talk.lose()
    assert [one if isinstance(one, str) else number_of(one) for one in again] == [
        "start",
        said[0],
        "context one",
        said[1],
        "signal end",
    ]


def test_signals_that_were_answered_are_not_sent_again(talk: Talk) -> None:
    talk.send(Kind.START, "start")
    talk.speak(0.4)
    talk.send(Kind.SIGNAL, "signal end")
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert talk.lose() == []


@pytest.mark.parametrize("spoken", [False, True])
def test_the_start_of_an_activity_stays_with_what_is_said_after_it(talk: Talk, spoken: bool) -> None:
    talk.send(Kind.TURN, "turn one")
    talk.send(Kind.START, "start")  # on its way when the answer began
    said = talk.speak(0.2) if spoken else []
    talk.backlog.turn_began(talk.now)
    talk.interrupted()
    said += talk.speak(0.2)
    again = talk.lose()
    assert [one if isinstance(one, str) else number_of(one) for one in again] == ["start", *said]


@pytest.mark.parametrize("answered", [False, True])
def test_a_model_that_remembers_nothing_is_told_all_context_once_more(talk: Talk, answered: bool) -> None:
    talk.send(Kind.CONTEXT, "context one")
    talk.send(Kind.CONTEXT, "context two")
    if answered:
        talk.backlog.turn_began(talk.now)
        talk.backlog.turn_over()
    talk.send(Kind.CONTEXT, "context three")
    for _ in range(3):
        assert others(talk.lose(afresh=True)) == ["context one", "context two", "context three"]


def test_a_model_that_remembers_is_told_only_context_that_it_may_not_have(talk: Talk) -> None:
    talk.send(Kind.CONTEXT, "context one")
    talk.backlog.consumed(1, talk.index)
    talk.backlog.covered()
    talk.send(Kind.CONTEXT, "context two")
    assert others(talk.lose(afresh=False)) == ["context two"]


def test_a_handle_says_nothing_of_context_that_came_after_it(talk: Talk) -> None:
    for number in ("one", "two", "three"):
        talk.send(Kind.CONTEXT, f"context {number}")
        talk.backlog.turn_began(talk.now)
        talk.backlog.turn_over()
        if number == "one":
            talk.backlog.covered()
    assert others(talk.lose(afresh=False)) == ["context two", "context three"]
    assert others(talk.lose(afresh=False)) == ["context two", "context three"]
    assert others(talk.lose(afresh=True)) == ["context one", "context two", "context three"]
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    talk.backlog.covered()
    assert others(talk.lose(afresh=False)) == []
    assert others(talk.lose(afresh=True)) == ["context one", "context two", "context three"]


def test_a_handle_that_is_older_than_the_context_does_not_cover_it(talk: Talk) -> None:
    talk.send(Kind.CONTEXT, "context one")
    talk.send(Kind.CONTEXT, "context two")
    first = talk.index - 1
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    talk.backlog.covered(1, first)
    assert others(talk.lose(afresh=False)) == ["context two"]


def test_of_a_video_only_the_last_frames_are_sent_again(talk: Talk) -> None:
    for number in range(1, 9):
        talk.media(frame(number))
    assert frames(talk.lose()) == [5, 6, 7, 8]


@pytest.mark.parametrize("size", [1_000, 50_000, 500_000])
def test_frames_take_no_room_from_speech(size: int) -> None:
    talk = Talk()
    said: list[int] = []
    for number in range(1, 11):
        said += talk.speak(0.4)
        talk.media(frame(number, size))
    talk.backlog.turn_began(talk.now)
    said_in_turn = talk.speak(0.4)
    talk.media(frame(11, size))
    assert talk.backlog.lost_bytes == 0
    again = talk.lose()
    assert numbers(again) == said + said_in_turn
    assert frames(again) == [8, 9, 10, 11]


@pytest.mark.parametrize("size", [1_000, 50_000, 500_000])
def test_silence_takes_no_frame_away(size: int) -> None:
    talk = Talk()
    for number in range(1, 7):
        talk.rest(1.0)
        talk.media(frame(number, size))
    talk.rest(1.0)
    assert frames(talk.lose()) == [3, 4, 5, 6]


# -- when the user spoke last ---------------------------------------------------------------------------------------


def test_when_speech_left_last_is_known_after_it_was_answered(talk: Talk) -> None:
    assert talk.backlog.last_speech() is None
    talk.speak(0.4)
    at = talk.now
    talk.rest(0.6)
    assert talk.backlog.last_speech() == (at, at)
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert talk.backlog.last_speech() == (at, at)


# -- bounds ---------------------------------------------------------------------------------------------------------

BOUND = PRE_ROLL_BYTES + TRIM_EVERY_BYTES + _CHUNK_BYTES


def kept_bytes(again: list[Blob | str]) -> int:
    return sum(len(one.data or b"") for one in again if isinstance(one, Blob))


@pytest.mark.parametrize("head", [None, Kind.TURN, Kind.ANSWER, Kind.SIGNAL, Kind.START, Kind.CONTEXT])
def test_an_hour_of_silence_that_nobody_acknowledges_takes_no_memory(head: Kind | None) -> None:
    talk = Talk()
    if head is not None:
        talk.send(head, head.value)
    for _ in range(90_000):
        talk.media(quiet())
    assert len(talk.backlog) * _CHUNK_BYTES <= BOUND


@pytest.mark.parametrize("head", [None, Kind.TURN, Kind.ANSWER, Kind.SIGNAL, Kind.START, Kind.CONTEXT])
def test_a_flood_of_speech_keeps_the_newest_and_counts_what_is_lost(head: Kind | None) -> None:
    talk = Talk(64_000)
    if head is not None:
        talk.send(head, head.value)
    said = talk.speak(20.0)
    again = talk.backlog.take_back(afresh=False)
    kept = numbers(again)
    assert kept == said[-len(kept) :], "the newest, without a gap"
    assert 64_000 - _CHUNK_BYTES <= kept_bytes(again) <= 64_000 + TRIM_EVERY_BYTES
    assert talk.backlog.lost_bytes == (len(said) - len(kept)) * _CHUNK_BYTES


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("speak"), st.integers(1, 60)),
            st.tuples(st.just("rest"), st.integers(1, 60)),
            st.tuples(st.just("frame"), st.integers(1, 50)),
            st.tuples(st.sampled_from(["typed", "signal", "context", "began", "over", "interrupted"]), st.just(1)),
        ),
        max_size=40,
    )
)
def test_whatever_happens_little_is_kept(steps: list[tuple[str, int]]) -> None:
    talk = Talk(32_000)
    for what, count in steps:
        if what == "frame":
            for number in range(count):
                talk.media(frame(number))
        elif what in ("speak", "rest"):
            (talk.speak if what == "speak" else talk.rest)(count * CHUNK_S)
        elif what == "began":
            talk.backlog.turn_began(talk.now)
        elif what in ("over", "interrupted"):
            talk.interrupted() if what == "interrupted" else talk.backlog.turn_over()
        else:
            talk.send({"typed": Kind.TURN, "signal": Kind.SIGNAL, "context": Kind.CONTEXT}[what], what)
    again = talk.backlog.take_back(afresh=False)
    audio = [one for one in again if isinstance(one, Blob) and one.mime_type == PCM]
    assert kept_bytes(list(audio)) <= 32_000 + TRIM_EVERY_BYTES + _CHUNK_BYTES
    assert len(frames(again)) <= 4
    kept = numbers(again)
    assert all(later == earlier + 1 for earlier, later in pairwise(kept)) or talk.backlog.lost_bytes == 0


# -- any conversation -----------------------------------------------------------------------------------------------


class Conversations(RuleBasedStateMachine):
    """A user and an honest model; beside the backlog stands the list of all utterances and what became of each.

    The model answers when it has heard the user end, or when the user has begun again a short while ago: of that it
    has nothing then.
    """

    def __init__(self) -> None:
        super().__init__()
        self.talk = Talk()
        self.utterances: list[list[int]] = []
        self.began = 0.0
        self.ended = True  # the model can know that the last utterance is over
        self.silence = 0.0  # that was sent since
        self.last = -10.0
        self.signalled = False
        self.breaks: dict[int, tuple[float, bool]] = {}  # before a chunk: silence that was sent, a signal
        self.began_at: float | None = None  # of the model's turn
        self.worded: set[int] = set()  # what the latest words may be of
        self.unanswered = False
        self.sure: set[int] = set()
        self.heard: set[int] = set()
        self.gone: set[int] = set()
        self.contexts: list[str] = []
        self.places: list[tuple[int, int]] = []  # what was sent on this line: index, chunk
        self.words = 0

    @rule(chunks=st.integers(1, 12))
    def speak(self, chunks: int) -> None:
        if self.ended or self.talk.now - self.last > LONG_PAUSE_S:
            self.utterances.append([])
            self.began = self.talk.now
        while any(abs(pause - end) < 0.1 for end in (TURN_PAUSE_S, LONG_PAUSE_S) for pause in self._pauses):
            self.rest(0.12, sent=True)  # no pause of just about the length that ends a turn
        first = self.talk.index + 1
        pause = (self.silence, self.signalled)
        said = self.talk.speak(chunks * CHUNK_S)
        self.breaks[said[0]] = pause
        self.places += list(enumerate(said, first))
        self.utterances[-1] += said
        self.ended, self.silence, self.last, self.signalled = False, 0.0, self.talk.now, False

    @property
    def _pauses(self) -> tuple[float, float]:
        return self.silence, self.talk.now - self.last

    @rule(seconds=st.sampled_from([0.04, 0.12, 0.4, 0.8, 3.2]), sent=st.booleans())
    def rest(self, seconds: float, sent: bool) -> None:
        if not sent:
            self.talk.now += seconds
            return
        self.talk.rest(seconds)
        self.silence += seconds
        self.ended = self.ended or self.silence > PAUSE_S

    @rule()
    def signal(self) -> None:
        self.talk.send(Kind.SIGNAL, "signal")
        self.ended = self.signalled = True

    @rule()
    def context(self) -> None:
        self.words += 1
        self.contexts.append(f"context {self.words}")
        self.talk.send(Kind.CONTEXT, self.contexts[-1])

    @property
    def clear(self) -> bool:
        """Whether an honest model may show now what it has heard: before somebody has spoken for long, or after."""
        return self.ended or self.talk.now - self.began < LOOK_BACK_S - 0.2

    def _known(self) -> set[int]:
        known = self.utterances if self.ended else self.utterances[:-1]
        return {number for utterance in known for number in utterance} - self.gone

    def _went_on(self) -> None:
        """What crosses the beginning of a turn interrupts it in time."""
        if self.began_at is None or self.talk.now - self.began_at < CROSSING_S:
            return
        self.sure = set(self.heard)
        self.gone |= self.heard & self.worded

    @precondition(lambda self: self.clear and self.began_at is None)
    @rule()
    def turn_begins(self) -> None:
        self.heard = self._known()
        self.sure = set() if self.unanswered else self._first_turn(sorted(self.heard))
        self.worded = self.worded if self.unanswered else set()
        self.unanswered, self.began_at = False, self.talk.now
        self.talk.backlog.turn_began(self.talk.now)

    @precondition(lambda self: self.began_at is not None)
    @rule(interrupted=st.booleans())
    def turn_ends(self, interrupted: bool) -> None:
        self._went_on()
        if interrupted:
            self.talk.interrupted()
        else:
            self.talk.backlog.turn_over()
        self.gone |= self.sure if interrupted else self.heard
        self.heard, self.began_at = set(), None

    @precondition(lambda self: self.clear)
    @rule()
    def transcript(self) -> None:
        self._went_on()
        late = self.heard - self.gone
        if not (told := self.sure - self.gone if self.began_at is not None else set()):
            told = self._first_turn(sorted(late or self._known()))
        self.worded = self._known()
        self.unanswered = self.unanswered or (not late and bool(told))
        self.gone |= told
        self.talk.backlog.transcribed(self.talk.now)
        assert not self.unanswered or self.talk.backlog.owed

    def _first_turn(self, said: list[int]) -> set[int]:
        """Those of `said` that are one turn of the user's to every model."""
        for number in said[1:]:
            silence, signalled = self.breaks.get(number, (0.0, False))
            if signalled or silence >= TURN_PAUSE_S:
                return {one for one in said if one < number}
        return set(said)

    @precondition(lambda self: self.places)
    @rule(data=st.data())
    def acknowledged(self, data: st.DataObject) -> None:
        index, _ = data.draw(st.sampled_from(self.places))
        assert self.talk.backlog.speech_until(self.talk.line, index) is any(
            place <= index and number not in self.gone for place, number in self.places
        )
        self.talk.backlog.consumed(self.talk.line, index)
        self.gone |= {number for place, number in self.places if place <= index}

    @rule(afresh=st.booleans())
    def lost(self, afresh: bool) -> None:
        expected = self.open
        again = self.talk.lose(afresh=afresh)
        assert numbers(again) == expected
        if afresh:
            assert [one for one in others(again) if one.startswith("context")] == self.contexts[-64:]
        loud_places = (index for index, one in enumerate(again, 2) if isinstance(one, Blob) and any(one.data or b""))
        self.places = list(zip(loud_places, expected, strict=True))
        self.heard, self.began_at, self.unanswered = set(), None, False
        self.rest(0.4, sent=True)

    @property
    def open(self) -> list[int]:
        return [number for utterance in self.utterances for number in utterance if number not in self.gone]

    @invariant()
    def speech_is_here_as_long_as_some_is_open(self) -> None:
        assert self.talk.backlog.speech is bool(self.open)
        assert self.talk.backlog.lost_bytes == 0


TestConversations = Conversations.TestCase
TestConversations.settings = settings(max_examples=150, stateful_step_count=40)


@pytest.mark.parametrize("how", ["silence", "pause", "signal", "start"])
@pytest.mark.parametrize("answered", [False, True])
def test_words_are_of_one_turn_though_two_were_stuck_together(talk: Talk, how: str, answered: bool) -> None:
    """Both have left while the network stood still; the words of the first come when it moves again."""
    talk.speak(0.8)
    if how in ("silence", "pause"):
        talk.rest(LONG_PAUSE_S + 0.2 if how == "silence" else TURN_PAUSE_S + 0.02)
    else:
        talk.send(Kind.SIGNAL if how == "signal" else Kind.START, how)
    second = talk.speak(0.8)
    talk.rest(0.4)
    if answered:
        talk.backlog.turn_began(talk.now)
    talk.backlog.transcribed(talk.now)
    again = talk.lose()
    assert numbers(again) == second
    if how in ("silence", "pause"):
        assert not any((again[0].data or b"")[:PRE_ROLL_BYTES])  # how it began, too
    talk.backlog.transcribed(talk.now)
    assert numbers(talk.lose()) == []


def test_a_pause_for_breath_ends_no_turn(talk: Talk) -> None:
    talk.speak(0.8)
    talk.rest(0.4)
    talk.speak(0.8)
    talk.rest(0.4)
    talk.backlog.transcribed(talk.now)
    assert not talk.backlog.speech


def two(talk: Talk, pause: float) -> tuple[list[int], list[int]]:
    """Two utterances with a pause between them that may end a turn, or more."""
    first = talk.speak(0.8)
    talk.rest(pause)
    second = talk.speak(0.8)
    talk.rest(0.6)
    return first, second


pauses = pytest.mark.parametrize("pause", [TURN_PAUSE_S + 0.02, LONG_PAUSE_S + 0.2])
tellings = pytest.mark.parametrize("told", [None, "before", "after"])


def answer(talk: Talk, told: str | None) -> None:
    """The model begins to answer the first, and tells its words before, after that, or not."""
    if told == "before":
        talk.backlog.transcribed(talk.now)
    talk.backlog.turn_began(talk.now)
    if told == "after":
        talk.backlog.transcribed(talk.now)


@pauses
@tellings
def test_what_interrupts_an_answer_at_once_was_not_answered_by_it(talk: Talk, pause: float, told: str | None) -> None:
    """Both were stuck on the way: the second comes right after the first, and interrupts the answer to that."""
    _, second = two(talk, pause)
    answer(talk, told)
    talk.interrupted()
    assert talk.backlog.speech
    talk.backlog.transcribed(talk.now)
    assert talk.backlog.owed
    assert not talk.backlog.speech
    said = talk.speak(0.4)
    talk.rest(0.6)
    assert not set(numbers(talk.lose())) & set(second)
    assert said == numbers(talk.lose())


@pauses
@tellings
def test_what_an_answer_that_goes_on_is_to_was_heard_though_it_may_be_two_turns(
    talk: Talk, pause: float, told: str | None
) -> None:
    both = two(talk, pause)
    answer(talk, told)
    talk.now += CROSSING_S + 0.1
    talk.backlog.went_on(talk.now)
    assert talk.backlog.speech is (told is None)
    said = talk.speak(0.4)
    assert numbers(talk.lose()) == ([] if told else both[0] + both[1]) + said


@pauses
@tellings
def test_what_interrupts_an_answer_late_was_said_after_it_began(talk: Talk, pause: float, told: str | None) -> None:
    two(talk, pause)
    answer(talk, told)
    talk.now += CROSSING_S + 0.1
    said = talk.speak(0.4)
    talk.interrupted()
    assert numbers(talk.lose()) == said


def test_words_that_come_when_the_answer_has_gone_on_are_all_that_it_is_to(talk: Talk) -> None:
    two(talk, TURN_PAUSE_S + 0.02)
    talk.backlog.turn_began(talk.now)
    talk.now += CROSSING_S + 0.1
    talk.backlog.transcribed(talk.now)
    assert not talk.backlog.speech
    assert not talk.backlog.owed


def test_words_are_not_of_what_is_still_being_said_however_long_that_is(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.4)
    said = talk.speak(LOOK_BACK_S + 1.0)
    talk.backlog.transcribed(talk.now)
    assert numbers(talk.lose()) == said


@pytest.mark.parametrize("at_once", [True, False])
def test_speech_that_goes_on_is_answered_when_it_left_long_ago(talk: Talk, at_once: bool) -> None:
    """Sent again, all of it leaves at once: an answer that begins soon after that is to what was before it."""
    said = talk.speak(LOOK_BACK_S + 1.0)
    if at_once:
        talk.lose()
    talk.backlog.turn_began(talk.now)
    talk.backlog.turn_over()
    assert numbers(talk.lose()) == (said if at_once else [])


@tellings
def test_words_of_a_second_turn_are_not_of_what_was_said_into_the_answer_to_both(talk: Talk, told: str | None) -> None:
    two(talk, TURN_PAUSE_S + 0.02)
    answer(talk, told)
    talk.now += CROSSING_S + 0.1
    said = talk.speak(0.4)
    talk.rest(0.4)
    for _ in ("of the first", "of the second") if told is None else ("of the second",):
        talk.backlog.transcribed(talk.now)
    talk.backlog.turn_over()
    assert numbers(talk.lose()) == said
    talk.backlog.transcribed(talk.now)
    assert not talk.backlog.speech, "the next words are"


@pytest.mark.parametrize("still_s", [0.95, LONG_PAUSE_S + 0.1])
def test_words_in_an_answer_are_of_what_stood_still_before_it(talk: Talk, still_s: float) -> None:
    """Whether the first had come to its end when nothing came for a while, sound and arrival tell differently."""
    talk.speak(0.4)
    talk.now += still_s
    said = talk.speak(0.4)
    talk.backlog.turn_began(talk.now)
    talk.rest(0.4)
    talk.backlog.transcribed(talk.now)
    assert numbers(talk.lose()) == said


def test_what_is_asked(talk: Talk) -> None:
    """Words, typed or told by the model, to which no answer has begun; not what a tool answered."""
    assert not talk.backlog.asked
    talk.send(Kind.ANSWER, "answer")
    assert not talk.backlog.asked
    talk.send(Kind.TURN, "typed")
    assert talk.backlog.asked
    talk.backlog.turn_began(talk.now)
    assert not talk.backlog.asked
    talk.backlog.turn_over()
    talk.speak(0.4)
    talk.rest(0.6)
    assert not talk.backlog.asked
    talk.backlog.transcribed(talk.now)
    assert talk.backlog.asked
    talk.lose()
    assert not talk.backlog.asked


@pytest.mark.parametrize("begun", [False, True], ids=["after them", "while they came"])
def test_words_are_not_of_what_is_said_later(talk: Talk, begun: bool) -> None:
    talk.speak(0.4)
    talk.rest(0.4)
    said = talk.speak(0.4) if begun else []
    talk.backlog.transcribed(talk.now)
    said += [] if begun else talk.speak(0.4)
    talk.rest(0.4)
    talk.backlog.turn_began(talk.now)
    talk.now += CROSSING_S + 0.1
    talk.backlog.went_on(talk.now)
    assert numbers(talk.lose()) == said


@pytest.mark.parametrize("goes_on", [False, True], ids=["at its beginning", "when it went on"])
def test_words_in_an_answer_are_not_of_what_was_said_into_it(talk: Talk, goes_on: bool) -> None:
    talk.send(Kind.TURN, "typed")
    if goes_on:
        talk.backlog.turn_began(talk.now)
    talk.speak(0.4)
    talk.rest(0.4)
    talk.backlog.turn_began(talk.now)
    said = talk.speak(0.4)
    talk.rest(0.4)
    talk.backlog.transcribed(talk.now)
    assert numbers(talk.lose()) == said


def test_an_answer_that_goes_on_after_a_tool_may_cross_what_was_said_meanwhile(talk: Talk) -> None:
    talk.speak(0.4)
    talk.rest(0.6)
    talk.backlog.turn_began(talk.now)  # a call
    talk.send(Kind.ANSWER, "answer")
    talk.rest(CROSSING_S + 0.1)
    said = talk.speak(0.4)
    talk.rest(LONG_PAUSE_S + 0.1)
    talk.backlog.turn_began(talk.now)
    talk.interrupted()
    assert numbers(talk.lose()) == said


def test_a_frame_stays_with_the_typed_turn_that_is_being_answered(talk: Talk) -> None:
    talk.send(Kind.TURN, "turn one")
    talk.media(frame(7))
    talk.backlog.turn_began(talk.now)
    talk.now += CROSSING_S + 0.1
    talk.backlog.went_on(talk.now)
    assert frames(talk.lose()) == [7]


def test_context_that_nobody_is_known_to_have_heard() -> None:
    backlog: Backlog[str] = Backlog()
    backlog.sent(Kind.CONTEXT, "heard", 1, 1, 0.0)
    backlog.turn_began(0.0)
    backlog.turn_over()
    backlog.sent(Kind.CONTEXT, "news", 1, 2, 1.0)
    assert backlog.unheard == ["news"]
    assert backlog.take_back(afresh=True) == ["heard", "news"]


def test_an_answer_comes_again_only_while_the_session_does_not_have_it() -> None:
    for held in (False, True):
        backlog: Backlog[str] = Backlog()
        backlog.sent(Kind.ANSWER, "late", 1, 1, 0.0)
        assert backlog.take_back(afresh=True, held=lambda _, held=held: held) == (["late"] if held else [])


def test_a_handle_without_a_count_covers_context_that_came_after_a_start_of_activity() -> None:
    backlog: Backlog[str] = Backlog()
    backlog.sent(Kind.START, "start", 1, 1, 0.0)
    backlog.sent(Kind.CONTEXT, "context", 1, 2, 0.1)
    backlog.heard()
    backlog.settled()
    backlog.covered()
    assert backlog.take_back(afresh=False) == ["start"]
