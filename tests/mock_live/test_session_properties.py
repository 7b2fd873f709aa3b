"""Whatever a client does, and whenever: the order of what the server says keeps to the rules of the wire."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fullduplex.mock_live import MockOptions, Script, Turn, call, say, tool_calls, unprompted

from .driver import NATIVE, THREE, Drive, kinds

TURNS = [
    [say("A longer story is told here.", audio_ms=2000)],
    [say("Let me see.", audio_ms=200), tool_calls([call("f"), call("g")]), say("So.", audio_ms=400)],
    [tool_calls([call("slow")]), say("Meanwhile.", audio_ms=600)],
    unprompted(say("By the way.", audio_ms=300), after=0.5),
    Turn([say("I heard you.", audio_ms=500)], on="voice"),
]
TOOLS = [{"functionDeclarations": [{"name": "slow", "behavior": "NON_BLOCKING"}]}]
ACTIONS = st.sampled_from(
    ["ask", "text", "speech", "silence", "stream_end", "respond", "respond_late", "wait", "wait_long"]
)


def act(drive: Drive, action: str, calls: list[str]) -> list[Any]:
    if action == "ask":
        return drive.ask("a question")
    if action == "text":
        return drive.realtime(text="a remark")
    if action == "speech":
        return drive.speech(4)
    if action == "silence":
        return drive.silence(12)
    if action == "stream_end":
        return drive.realtime(audioStreamEnd=True)
    if action == "respond":
        return drive.respond(calls.pop(0), {"ok": True}) if calls else []
    if action == "respond_late":
        return drive.respond(calls.pop(), {"ok": True}, scheduling="INTERRUPT") if calls else []
    return drive.wait(0.13 if action == "wait" else 4.0)


@settings(max_examples=200)
@given(st.lists(ACTIONS, max_size=40), st.lists(st.sampled_from(TURNS), max_size=6), st.sampled_from([NATIVE, THREE]))
def test_the_order_of_messages(actions: list[str], turns: list[Any], model: str) -> None:
    drive = Drive(Script(turns), options=MockOptions(pace=1.0))
    seen = drive.setup(model, tools=TOOLS, sessionResumption={})
    calls: list[str] = []
    for action in [*actions, "wait_long", "wait_long"]:
        new = act(drive, action, calls)
        calls += [one["id"] for m in new if "toolCall" in m for one in m["toolCall"]["functionCalls"]]
        seen += new
    assert drive.closed is None
    check(seen, kinds(seen), model)


def check(messages: list[Any], names: list[str], model: str) -> None:
    cancelled: set[str] = set()
    called: set[str] = set()
    for index, name in enumerate(names):
        before, after = names[index - 1], names[index + 1] if index + 1 < len(names) else None
        if name == "interrupted":
            assert after == "turnComplete"
        elif name == "generationComplete":
            assert after == "turnComplete"
            assert before not in ("turnComplete", "interrupted")
        elif name == "turnComplete":
            assert before in ("generationComplete", "interrupted", "toolCall"), names
            if before == "toolCall":
                assert model == NATIVE
            else:
                assert after == "sessionResumptionUpdate"
                assert "usageMetadata" in messages[index]
        elif name == "toolCallCancellation":
            assert after == "interrupted"
            ids = set(messages[index]["toolCallCancellation"]["ids"])
            assert ids <= called - cancelled
            cancelled |= ids
        elif name == "toolCall":
            called |= {one["id"] for one in messages[index]["toolCall"]["functionCalls"]}
