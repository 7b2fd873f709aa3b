"""Mock Live's text side: the APIs of generateContent and of chat completions on loopback, scripted answers and faults.

As its parent it speaks the wires, not our types, and it is no model: what it says comes from a script, or is an echo
when the script has no turn left. One server speaks both APIs, so one script can be told over either.

    from fullduplex.mock_live import drop, quota, say, stall, tool_call
    from fullduplex.mock_live.http import MockText, block, error, finish

    turns = [
        [say("Hello there.")],                               # the answer to the first request
        [say("Let me look."), tool_call("get_weather", {"city": "Paris"}),
         say("Sunny.")],                                     # what follows a call answers the next request
        [quota()], [error(503, "overloaded")],               # a status, with the body that the API gives it
        [say("I was about to"), drop()],                     # TCP gone in the middle of the answer
        [say("As I was say"), finish("MAX_TOKENS")],
        lambda request: [say(f"You wrote {request.text!r}")],
    ]
    async with MockText(turns) as mock:
        os.environ["GOOGLE_GEMINI_BASE_URL"] = mock.url      # or GOOGLE_VERTEX_BASE_URL
        os.environ["OPENAI_BASE_URL"] = mock.openai_url
        ...
        mock.requests[0].body, mock.requests[0].text, mock.requests[0].headers

Turns are told in the order of the requests, over all connections; a refused request takes none. Steps that it plays:
`say`, `tool_call`, `tool_calls`, `stall`, `drop`, `quota`, `refuse`, `raw`, `malformed`, `usage`, `grounding`, and
`error`, `finish` and `block` from here. It streams flat out; `stall` makes it slow.

What the real services refuse, it refuses in their words (`strict=False` takes unknown fields): a missing or wrong key,
a name that is no field, a conversation whose tool answers do not fit its calls, a schema in the wrong spelling.
"""

from .exchange import Exchange
from .script import Block, Error, Finish, TextStep, Turn, block, error, finish
from .server import MockText

__all__ = [
    "Block",
    "Error",
    "Exchange",
    "Finish",
    "MockText",
    "TextStep",
    "Turn",
    "block",
    "error",
    "finish",
]
