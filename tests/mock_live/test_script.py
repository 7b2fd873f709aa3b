"""Scripts: reading them from JSON, and the cursor through a story."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from fullduplex.mock_live import Script, Turn, call, drop, quota, refuse, say, tool_calls, unprompted
from fullduplex.mock_live.steps import GoAway, Say, ToolCalls


def test_json_script(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(
        """{"scope": "session", "turns": [
            [{"type": "say", "text": "Hello", "audio_ms": 400}],
            {"on": "voice", "steps": [
                {"type": "tool_call", "calls": [{"name": "f", "args": {"a": 1}, "id": "x"}]},
                {"type": "go_away", "time_left": 5}
            ]},
            {"on": "now", "after": 1.5, "complete": false, "steps": [{"type": "drop"}]}
        ]}"""
    )
    script = Script.load(path)
    assert script.scope == "session"
    turns = script.cursor().turns
    assert turns[0].steps == [Say("Hello", 400)]
    assert turns[1] == Turn([ToolCalls([call("f", {"a": 1}, "x")]), GoAway(5)], on="voice")
    assert turns[2] == Turn([drop()], on="now", after=1.5, complete=False)


@pytest.mark.parametrize(
    "document",
    [
        '{"turns": [[{"type": "sing"}]]}',
        '{"turns": [[{"type": "say", "loud": true}]]}',
        '{"turns": [{"on": "monday", "steps": []}]}',
        "{}",
    ],
)
def test_mistakes_in_a_json_script_are_named(document: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="turns|sing"):
        Script.from_json(document)


def test_the_cursor_gives_turns_to_the_input_they_are_for() -> None:
    cursor = Script([Turn([say("a")], on="voice"), [say("b")], Turn([say("c")], on="tool_response")]).cursor()
    assert cursor.take_for("text") is None
    assert cursor.take_for("voice") == Turn([say("a")], on="voice")
    assert cursor.take_for("tool_response") is None
    assert cursor.take_for("text") == Turn([say("b")])
    assert cursor.take_for("tool_response") is not None
    assert cursor.take_for("text") is None


def test_faults_at_connect_are_taken_by_connections_only() -> None:
    cursor = Script([[refuse(503)], [quota()], [say("a")]]).cursor()
    assert cursor.take_for("text") is None
    assert cursor.take_connect_fault() == refuse(503)
    assert cursor.take_connect_fault() == quota()
    assert cursor.take_connect_fault() is None
    assert cursor.take_for("text") == Turn([say("a")])


def test_an_unprompted_turn_is_not_taken_by_input() -> None:
    turn = unprompted(say("hi"), after=2.0)
    cursor = Script([turn]).cursor()
    assert cursor.take_for("text") is None
    assert cursor.take(turn)
    assert not cursor.take(turn)


def test_refuse_stands_alone() -> None:
    with pytest.raises(ValueError, match="alone"):
        Script([[say("a"), refuse()]])


def test_one_message_may_hold_several_calls() -> None:
    step = tool_calls([call("a"), call("b", {"x": 1})])
    assert [one.name for one in step.calls] == ["a", "b"]
