"""What a player tells and what is made of it: playout reports, what was heard of an answer, a turn's latency.

A *response* is the agent's audio between two of the events `turn_complete` and `interrupted`; its id is the `id` of the
event that carried its first audio. Times `…_at` are seconds since the epoch on the server's clock; spans are in ms.
"""

from __future__ import annotations

from fullduplex.types.struct import Message


class PlayoutReport(Message):
    """A player says that `played_ms` of a response have left the speaker; `cleared`: the rest was thrown away."""

    response_id: str
    played_ms: float
    cleared: bool | None = None


class TurnTimes(Message):
    """A client says when its user last spoke before a response, and when the first sound of it left the speaker."""

    response_id: str
    first_audible_at: float
    speech_end_at: float | None = None


class Heard(Message):
    """What the user heard of a response: its words up to `played_ms`; `estimated` when no player had reported.

    `cuts`, in a session: the ids of earlier events that hold more of its words than `text`, because its turn was over.
    """

    response_id: str | None = None
    text: str | None = None
    played_ms: float | None = None
    estimated: bool | None = None
    cuts: list[str] | None = None


class TurnLatency(Message):
    """Where the time went between the user's last speech and the first sound of the answer.

    `…_at` are moments in the order in which they happen; None where nobody could know. `leading_silence_ms` is silence
    at the beginning of the model's audio. `total_ms` is from the user's last speech to the first audible sample (from
    `server_in_at` to `server_out_at` when the client reported nothing).
    """

    response_id: str | None = None
    speech_end_at: float | None = None
    server_in_at: float | None = None
    model_out_at: float | None = None
    first_byte_at: float | None = None
    leading_silence_ms: float | None = None
    server_out_at: float | None = None
    first_audible_at: float | None = None
    total_ms: float | None = None
