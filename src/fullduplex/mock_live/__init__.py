"""Mock Live: a Gemini Live (BidiGenerateContent) server on loopback, with scripted behaviour and scripted faults.

It speaks the wire, not our types: plain JSON dicts in and out, so that a mistake in Fullduplex's own types cannot hide
itself here. It imports nothing of the framework but `testing.tagged_audio`. It is no model: what it says comes from a
script, or from a reactor (echo, memory, silent) when the script has no turn left.

    from fullduplex.mock_live import MockLive, Script, say, tool_call, transcript, drop

    script = Script([
        [say("Hello there.", audio_ms=400)],                        # the answer to the first user turn
        [tool_call("get_weather", {"city": "Paris"}), say("Sunny.")],  # waits for the tool response in between
        [say("I was about to"), drop()],                            # TCP gone, no close frame
        lambda turn, talk: [say(f"You wrote {turn.text!r}")],       # a turn made from the input and the conversation
    ])
    async with MockLive(script) as mock:                            # tls=True for clients that insist on wss
        os.environ["GOOGLE_GEMINI_BASE_URL"] = mock.url             # or GOOGLE_VERTEX_BASE_URL
        ...
        await mock.wait_for(lambda m: m.connections and m.connections[0].count("toolResponse") == 1)
        await mock.push(go_away(5.0))                               # the newest open connection does this now
        connection = mock.connections[0]
        connection.setup, connection.messages, connection.audio, connection.close_code

Where a script is told: `Script(turns, scope="server")` (the default) is one story told over all connections in the
order they need turns, so a turn after `drop()` is played to the client that came back; `scope="session"` gives each
new session its own copy from the top, and a resumed session goes on where it was. A list of scripts gives one to each
handshake; a callable makes one from the handshake's number (from 1). Steps: see `steps.py`.

Time: `pace=True` sends audio at real time in 40 ms chunks, `pace=False` (default) flat out, `pace=4.0` four times
faster than real time.

Everything that the real server leaves open or that cannot be verified offline is an option: `MockOptions`.
Command line: `python -m fullduplex.mock_live --help`. For benches there is a lean server of its own:
`python -m fullduplex.mock_live.loadgen --help`.
"""

from .conversation import Conversation, UserTurn
from .options import MockOptions
from .reactors import Reactor, echo_reactor, memory_reactor, silent_reactor
from .records import ClientMessage, Connection, Refusal, Stats
from .script import Script, Turn, unprompted
from .server import MockLive, serve
from .steps import (
    Step,
    call,
    close,
    content,
    drop,
    go_away,
    grounding,
    interrupt,
    malformed,
    quota,
    raw,
    refuse,
    resumption_update,
    safety,
    say,
    stall,
    tool_call,
    tool_call_cancellation,
    tool_calls,
    transcript,
    unknown_message,
    usage,
    voice_activity,
    wait_for,
)
from .tls import Certificate, make_certificate

__all__ = [
    "Certificate",
    "ClientMessage",
    "Connection",
    "Conversation",
    "MockLive",
    "MockOptions",
    "Reactor",
    "Refusal",
    "Script",
    "Stats",
    "Step",
    "Turn",
    "UserTurn",
    "call",
    "close",
    "content",
    "drop",
    "echo_reactor",
    "go_away",
    "grounding",
    "interrupt",
    "make_certificate",
    "malformed",
    "memory_reactor",
    "quota",
    "raw",
    "refuse",
    "resumption_update",
    "safety",
    "say",
    "serve",
    "silent_reactor",
    "stall",
    "tool_call",
    "tool_call_cancellation",
    "tool_calls",
    "transcript",
    "unknown_message",
    "unprompted",
    "usage",
    "voice_activity",
    "wait_for",
]
