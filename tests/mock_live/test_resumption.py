"""Resumption: a handle stands for the conversation as it was when the handle was issued, and for nothing later."""

from __future__ import annotations

from typing import Any

from fullduplex.mock_live import MockOptions, Script, Turn, memory_reactor, say
from fullduplex.mock_live.stage import World

from .driver import HALF, Drive, kinds

RECALL = "what number did I say?"


def text(messages: list[Any]) -> str:
    return "".join(kind[5:] for kind in kinds(messages) if kind.startswith("text:"))


def handle_of(messages: list[Any]) -> str:
    updates = [m["sessionResumptionUpdate"] for m in messages if "sessionResumptionUpdate" in m]
    assert len(updates) == 1
    return str(updates[0]["newHandle"])


def connect(world: World, handle: str | None = None, **kwargs: Any) -> Drive:
    drive = Drive(world=world, reactor=memory_reactor, **kwargs)
    drive.setup(HALF, "TEXT", sessionResumption={} if handle is None else {"handle": handle})
    return drive


def test_each_handle_restores_its_own_moment() -> None:
    world = World(MockOptions())
    first = connect(world)
    early = handle_of(first.ask("my number is 42"))
    late = handle_of(first.ask("my number is 7"))
    assert text(connect(world, early).ask(RECALL)) == "You said 42."
    assert text(connect(world, late).ask(RECALL)) == "You said 7."
    assert text(connect(world, early).ask(RECALL)) == "You said 42."  # what was said on it since is not in it
    assert text(connect(world).ask(RECALL)) == "You did not say a number."
    assert connect(world, early).connection.resumed_from == early


def test_handles_come_only_when_asked_for() -> None:
    drive = Drive()
    drive.setup(HALF, "TEXT")
    assert "sessionResumptionUpdate" not in kinds(drive.ask("hi"))


def test_when_handles_come_is_an_option() -> None:
    drive = Drive(options=MockOptions(resumption_updates="setup_and_turn"))
    assert kinds(drive.setup(HALF, "TEXT", sessionResumption={})) == ["setupComplete", "sessionResumptionUpdate"]
    drive = Drive(options=MockOptions(resumption_updates="never"))
    drive.setup(HALF, "TEXT", sessionResumption={})
    assert "sessionResumptionUpdate" not in kinds(drive.ask("hi"))


def test_forgotten_handles_are_refused() -> None:
    world = World(MockOptions())
    handle = handle_of(connect(world).ask("hi"))
    world.handles.forget()
    drive = connect(world, handle)
    assert drive.closed is not None
    assert drive.closed.code == 1008


def transparent(options: MockOptions | None = None, **setup: Any) -> Drive:
    drive = Drive(backend="vertex", options=options)
    drive.setup(HALF, "TEXT", sessionResumption={"transparent": True}, **setup)
    return drive


def consumed(messages: list[Any]) -> list[str]:
    return [
        m["sessionResumptionUpdate"]["lastConsumedClientMessageIndex"]
        for m in messages
        if "sessionResumptionUpdate" in m
    ]


def test_consumed_index_counts_from_the_setup() -> None:
    drive = transparent()
    assert consumed(drive.ask("one")) == ["1"]
    drive.silence(1)
    assert consumed(drive.ask("two")) == ["3"]


def test_an_open_utterance_is_not_consumed() -> None:
    drive = transparent(MockOptions(pace=1.0))
    drive.ask("tell me")  # 1
    drive.silence(2)  # 2
    assert consumed(drive.speech(5)) == ["2"]  # 3 interrupts: the handle does not hold what is being said
    drive.speech(5)  # 4
    drive.silence(20)  # 5
    drive.silence(20)  # 6: the utterance is over
    assert consumed(drive.wait(10)) == ["6"]


def test_a_message_that_interrupts_is_not_part_of_the_handle_it_causes() -> None:
    drive = transparent(MockOptions(pace=1.0))
    drive.ask("tell me a long story")
    drive.wait(0.1)
    messages = drive.ask("my number is 42")
    assert consumed(messages) == ["1"]
    snapshot = drive.world.handles.snapshots[drive.connection.handles[0]]
    assert snapshot.conversation.texts("user") == ["tell me a long story"]


def test_a_session_scoped_story_goes_on_after_resumption() -> None:
    script = Script([[say("one")], [say("two")], [say("three")]], scope="session")
    world = World(MockOptions())
    first = connect(world, cursor=script.cursor(), story_resumes=True)
    handle = handle_of(first.ask("a"))
    assert text(connect(world, handle, cursor=script.cursor(), story_resumes=True).ask("b")) == "two"
    assert text(connect(world, cursor=script.cursor(), story_resumes=True).ask("c")) == "one"


def test_the_conversation_is_visible_in_the_record() -> None:
    drive = Drive(Script([Turn([say("Hi.")])]))
    drive.setup(HALF, "TEXT")
    drive.ask("hello")
    assert drive.connection.contents == [
        {"role": "user", "parts": [{"text": "hello"}]},
        {"role": "model", "parts": [{"text": "Hi."}]},
    ]
