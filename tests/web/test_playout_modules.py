"""The pure modules behind what the server is told: positions in the ring, playout reports, clocks, the speech gate."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Modules

pytestmark = pytest.mark.asyncio(loop_scope="session")

RING = "worklets/ring_buffer.js"
PLAYOUT = "client/playout.js"
CLOCK = "client/clock.js"
GATE = "client/speech_gate.js"
PROBE = "client/probe.js"

HELPERS = """
  const ring = new m.PlayoutBuffer(1000);
  let frame = 0;
  const play = (count) => { ring.pull(new Float32Array(count), frame); frame += count; };
  const at = (when) => ring.progress(when).map(({response, position}) => [response, position]);
  const loud = (count) => new Int16Array(count).fill(9000);
"""


async def test_position_is_what_was_rendered_less_the_output_latency(modules: Modules) -> None:
    playing, early, dry = await modules.run(
        RING,
        HELPERS
        + """ring.push(loud(600), 1);
           play(256);
           const playing = at(256 - 100), early = at(0);
           play(500);
           return [playing, early, at(756 - 100)];""",
    )
    assert playing == [[1, 156]]
    assert early == [[1, 0]]
    assert dry == [[1, 600]], "it ran dry 156 frames ago, and all of it has left the speaker"


async def test_gap_in_playing_is_no_part_of_the_position(modules: Modules) -> None:
    positions = await modules.run(
        RING,
        HELPERS
        + """ring.push(loud(100), 1);
           play(300);
           ring.push(loud(100), 1);
           play(50);
           return [50, 100, 200, 300, 320, 350].map((when) => at(when)[0][1]);""",
    )
    assert positions == [50, 100, 100, 100, 120, 150]


async def test_position_counts_what_was_dropped_before_it_and_not_what_was_dropped_after(modules: Modules) -> None:
    full, after, skipped = await modules.run(
        RING,
        HELPERS
        + """ring.push(loud(300), 1);
           play(100);
           ring.push(loud(1000), 1);
           const full = at(frame);
           play(50);
           const after = at(frame);
           ring.skip(500, 1);
           const skipped = at(frame);
           play(950);
           ring.push(loud(10), 1);
           play(10);
           return [full, after, [...skipped, ...at(frame)]];""",
    )
    assert full == [[1, 100]], "200 samples were dropped to make room, and nothing after them has been played"
    assert after == [[1, 350]]
    assert skipped == [[1, 350], [1, 1_810]], "300 + 1,000 + 500 never to be played + 10"


async def test_clearing_leaves_the_position_where_it_was_and_marks_whose_rest_was_lost(modules: Modules) -> None:
    progress = await modules.run(
        RING,
        HELPERS
        + """ring.push(loud(100), 1);
           ring.push(loud(200), 2);
           ring.push(loud(200), 3);
           play(150);
           ring.clear();
           return ring.progress(frame - 20).map(({response, position, cut}) => [response, position, cut]);""",
    )
    assert progress == [[1, 100, False], [2, 30, True]]


async def test_first_audible_sample_is_found_after_leading_silence(modules: Modules) -> None:
    frames = await modules.run(
        RING,
        HELPERS
        + """ring.push(new Int16Array(200).fill(300), 1);
           play(200);
           const before = ring.progress(frame)[0].audibleFrame;
           ring.push(new Int16Array([0, 0, -400, 9]), 1);
           play(128);
           return [before, ring.progress(frame)[0].audibleFrame];""",
    )
    assert frames == [None, 202], "300 of 32,768 is less than 1 %, -400 is more"


async def test_old_renderings_are_forgotten(modules: Modules) -> None:
    kept, nothing = await modules.run(
        RING,
        HELPERS
        + """for (let i = 0; i < 1000; i += 1) { ring.push(loud(10), i); play(128); }
           const kept = ring.history.renderings.length;
           play(30000);
           play(128);
           return [kept, ring.progress(frame)];""",
    )
    assert 150 < kept < 200, "a second of them"
    assert nothing == []


def report(response: str, played_ms: float, cleared: bool = False) -> dict[str, Any]:
    return {"type": "playout", "response_id": response, "played_ms": played_ms, "cleared": cleared}


async def test_reports_name_the_response_and_say_only_what_is_new(modules: Modules) -> None:
    first, second, third = await modules.run(
        PLAYOUT,
        """const playout = new m.Playout();
           playout.begin(1, "a");
           playout.begin(1, "not the first audio");
           playout.begin(2, "b");
           const at = (response, position) => ({response, position, audibleFrame: null, cut: false});
           return [
             playout.progress([at(1, 2400), at(2, 0), at(9, 77)]),
             playout.progress([at(1, 4800), at(2, 24.5)]),
             playout.progress([at(1, 4800), at(2, 24.5)]),
           ];""",
    )
    assert first == [report("a", 100)]
    assert second == [report("a", 200), report("b", 1.021)]
    assert third == []


async def test_a_clear_is_the_last_word_on_what_it_took_and_on_the_interrupted_response(modules: Modules) -> None:
    cleared, again, later = await modules.run(
        PLAYOUT,
        """const playout = new m.Playout();
           for (const [number, id] of [[1, "a"], [2, "b"], [3, "c"], [4, "d"]]) playout.begin(number, id);
           const at = (response, position, cut) => ({response, position, audibleFrame: null, cut});
           playout.progress([at(4, 240, false)]);
           const after = [at(1, 480, false), at(2, 720, true), at(3, 0, true)];
           return [
             playout.cleared(after, 4),
             playout.cleared(after, 4),
             playout.progress([at(1, 480, false), at(2, 960, true), at(3, 0, true)]),
           ];""",
    )
    assert cleared == [report("b", 30, True), report("c", 0, True), report("d", 10, True)]
    assert again == []
    assert later == [report("a", 20)], "it was played out; of the others nothing more is said"


async def test_first_sound_is_told_once_and_when_it_has_left_the_speaker(modules: Modules) -> None:
    told = await modules.run(
        PLAYOUT,
        """const playout = new m.Playout();
           playout.begin(1, "a");
           const responses = [{response: 1, position: 0, audibleFrame: 240, cut: false}];
           const timeOf = (frame) => 1000 + frame / 24;
           return [1009, 1010, 1011].map((now) => playout.firstSounds(responses, timeOf, now));""",
    )
    assert told == [[], [{"id": "a", "at": 1010}], []]


async def test_clock_believes_the_quickest_of_the_last_ten_answers(modules: Modules) -> None:
    offsets = await modules.run(
        CLOCK,
        """const clock = new m.ServerClock();
           const offsets = [clock.offset, clock.toServer(1)];
           const ask = (t0, up, down) => {
             const t1 = t0 + up + 5000;
             clock.add({t0, t1, t2: t1 + 3}, t0 + up + 3 + down);
           };
           ask(0, 40, 10); offsets.push(clock.offset);
           ask(100, 2, 2); offsets.push(clock.offset);
           for (let i = 0; i < 9; i += 1) ask(200 + i, 30, 10);
           offsets.push(clock.offset, clock.toServer(1000));
           ask(300, 30, 10); offsets.push(clock.offset);
           return offsets;""",
    )
    assert offsets == [None, None, 5_015, 5_000, 5_000, 6.0, 5_010]


async def test_clock_is_asked_five_times_quickly_and_then_every_half_minute(modules: Modules) -> None:
    pauses = await modules.run(CLOCK, "return [1, 2, 3, 4, 5, 6, 99].map(m.pauseBeforeNext);")
    assert pauses == [200, 200, 200, 200, 30_000, 30_000, 30_000]


async def test_frame_times_stand_firm_when_messages_come_late_and_follow_the_clocks_as_they_part(
    modules: Modules,
) -> None:
    busy, drifted, set_back = await modules.run(
        "client/frame_clock.js",
        """const clock = new m.FrameClock(16000);
           clock.see(0, 500);
           clock.see(1600, 900);
           const busy = clock.timeOf(1600);
           for (let s = 1; s < 60; s += 1) clock.see(s * 16000, 500 + s * 1001);
           const drifted = clock.timeOf(59 * 16000);
           for (let s = 60; s < 65; s += 1) clock.see(s * 16000, 900 + s * 1001);
           return [busy, drifted, clock.timeOf(64 * 16000)];""",
    )
    assert busy == 600
    assert drifted == pytest.approx(500 + 59 * 1_001, abs=5), "0.1 % of drift, of which the last 4 s stand"
    assert set_back == pytest.approx(900 + 64 * 1_001, abs=5), "400 ms of frames were left out"


async def gate(modules: Modules, levels: list[float], **options: float) -> str:
    """What a gate makes of frames of 20 ms with these levels: `(` start, digits audio by its frame's tens, `)` end."""
    steps: list[str] = await modules.run(
        GATE,
        """const gate = new m.SpeechGate(arg.options);
           return arg.levels.flatMap((rms, i) => gate.push(i, rms, i * 20)).map((step) =>
             ({start: "(", end: ")"})[step.type] ?? String(step.pcm));""",
        {"levels": levels, "options": options},
    )
    return " ".join(steps)


async def test_gate_sends_speech_with_its_beginning_and_says_when_the_turn_ends(modules: Modules) -> None:
    levels = [0.0] * 20 + [0.2] * 3 + [0.01] * 30
    told = await gate(modules, levels, silenceMs=400, preRollMs=60, hangoverMs=40)
    assert told == "( 17 18 19 20 21 22 23 24 )"


async def test_gate_keeps_a_pause_within_a_turn_to_itself(modules: Modules) -> None:
    levels = [0.2] * 2 + [0.0] * 10 + [0.2] * 2
    assert await gate(modules, levels, silenceMs=400, preRollMs=40, hangoverMs=20) == "( 0 1 2 10 11 12 13"


async def test_gate_opens_at_its_threshold(modules: Modules) -> None:
    assert await gate(modules, [0.049, 0.04], preRollMs=0) == ""
    assert await gate(modules, [0.05], preRollMs=0) == "( 0"
    assert await gate(modules, [0.02], threshold=0.02, preRollMs=0) == "( 0"


async def test_gate_ends_a_turn_after_two_seconds_of_silence_unless_told_otherwise(modules: Modules) -> None:
    levels = [0.2] + [0.0] * 99
    assert ")" not in await gate(modules, levels)
    assert (await gate(modules, [*levels, 0.0])).endswith(")")


@pytest.mark.parametrize(
    ("shown", "heard", "expected"),
    [
        ("It is noon in Tokyo.", "It is noon", (10, "")),
        ("It is noon", "It is noon in Tokyo", (10, " in Tokyo")),
        ("東京は晴れ", "東京 は", (3, "")),
        ("It is  noon", " It is noon ", (11, " ")),
        ("Something else", "It is noon", (0, "It is noon")),
        ("anything", "", (0, "")),
    ],
)
async def test_heard_words_are_found_in_what_is_shown(
    modules: Modules, shown: str, heard: str, expected: tuple[int, str]
) -> None:
    found = await modules.run("client/heard.js", "return m.covered(arg[0], arg[1]);", [shown, heard])
    assert (found["length"], found["rest"]) == expected


async def test_latency_is_told_in_words_and_unknown_moments_are_left_out(modules: Modules) -> None:
    whole = {
        "speechEndAt": 100.0,
        "serverInAt": 100.02,
        "modelOutAt": 100.021,
        "firstByteAt": 100.421,
        "leadingSilenceMs": 150,
        "serverOutAt": 100.423,
        "firstAudibleAt": 100.64,
        "totalMs": 640,
    }
    sparse = {"serverInAt": 1.0, "serverOutAt": 13.0, "totalMs": 12_000}
    code = "return arg.map((latency) => [m.latencyInWords(latency), m.latencyParts(latency)]);"
    told = await modules.run("client/latency.js", code, [whole, sparse, {}])
    assert told == [
        [
            "answered in 640 ms",
            "20 ms to the server, 1 ms to the model, 400 ms until the model's first audio, 2 ms through the server, "
            "217 ms to your ears, with 150 ms of silence before the first word",
        ],
        ["answered in 12.0 s", "12.0 s through the server"],
        [None, ""],
    ]


async def test_uplink_sends_what_was_said_while_the_button_was_held(modules: Modules) -> None:
    sent = await modules.run(
        "client/uplink.js",
        """const sent = [];
           const line = {
             sendAudio: (pcm) => sent.push(pcm.at), sendActivityStart: () => sent.push("("),
             sendActivityEnd: () => sent.push(")"), sendAudioStreamEnd: () => sent.push("stream end"),
           };
           const uplink = new m.Uplink(line, "push");
           uplink.begin(1000);
           const hear = (ms) => {
             const pcm = Object.assign(new Int16Array(320).fill(0.3 * 32767).buffer, {at: ms});
             uplink.hear({pcm, rms: 0.3, frame: ms}, ms);
           };
           hear(0);
           uplink.hold(); uplink.hold();
           hear(20); hear(40);
           uplink.release(50);
           hear(60); hear(80);
           const spoke = uplink.takeSpeechBefore(1000);
           uplink.hold(); hear(100); uplink.end(); uplink.release(110);
           uplink.setMode("open"); hear(120); uplink.end();
           return [sent, spoke];""",
    )
    assert sent == [["(", 20, 40, 60, ")", "(", 100, ")", 120, "stream end"], 60]


async def test_speech_is_remembered_until_it_is_answered_or_the_user_types(modules: Modules) -> None:
    found = await modules.run(
        "client/uplink.js",
        """const nothing = () => {};
           const line = {
             sendAudio: nothing, sendActivityStart: nothing, sendActivityEnd: nothing, sendAudioStreamEnd: nothing,
           };
           const uplink = new m.Uplink(line, "open");
           uplink.begin(1000);
           const hear = (ms, rms) => {
             uplink.hear({pcm: new Int16Array(320).fill(rms * 32767).buffer, rms, frame: ms}, ms);
           };
           const found = [];
           for (const [ms, rms] of [[0, 0.2], [20, 0.2], [40, 0.01], [60, 0.2]]) hear(ms, rms);
           found.push(uplink.takeSpeechBefore(50), uplink.takeSpeechBefore(50), uplink.takeSpeechBefore(90));
           hear(100, 0.2);
           uplink.forgetSpeech();
           found.push(uplink.takeSpeechBefore(200));
           return found;""",
    )
    assert found == [20, None, 60, None]


async def test_speech_that_ends_within_a_frame_ends_there(modules: Modules) -> None:
    tails = await modules.run(
        "client/pcm.js",
        """const frame = (loud) => {
             const pcm = new Int16Array(320);
             pcm.fill(8000, 0, loud);
             return pcm.buffer;
           };
           return [320, 160, 32, 0].map((loud) => m.quietTailMs(frame(loud), 0.05));""",
    )
    assert tails == [0, 10, 18, 18]


async def test_probe_dates_levels_truly_before_and_after_the_audio_clock_was_set_back(modules: Modules) -> None:
    """A device that was kept waiting leaves frames out; reports come late as it is, never early."""
    found, loud = await modules.run(
        PROBE,
        """const track = new m.LevelTrack(1000);
           let now = 0;
           performance.now = () => now;
           const report = (frame, arrived, rms) => { now = arrived; track.add({ frame, rms }); };
           report(0, 105, 0.2); report(50, 150, 0.2); report(100, 209, 0);     // the offset is 100
           report(150, 570, 0.2); report(200, 600, 0); report(250, 655, 0);    // 300 ms are left out: now it is 400
           delete performance.now;
           const loud = [track.firstLoud(160, 0.1), track.lastLoud(549, 0.1), track.lastLoud(600, 0.1)];
           return [track.levels(120).map(({ at, frame }) => [at, frame]), loud];""",
    )
    assert found == [[150, 50], [209, 100], [550, 150], [600, 200], [650 + 5, 250]]
    assert loud == [550, 150, 550]
