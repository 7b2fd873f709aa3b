"""The player of a trial: 100 ms of buffer, each response by itself; where it ran dry, and how long it was silent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from fullduplex.events import Event

from .model import ended
from .plan import Fault
from .trial import Record

BUFFER_S = 0.1
"""What the player holds before it begins to play a response."""
SILENCE_S = 1.0
"""The most that a user may hear of an unwarned cut in mid-answer."""
CHUNK_RATE = 24_000


def audio_of(event: Event) -> bytes:
    """The audio that an event carries."""
    parts = (event.content.parts or []) if event.content is not None else []
    return b"".join(part.inline_data.data or b"" for part in parts if part.inline_data is not None)


@dataclass
class Response:
    """One answer as the player has it: when it began to play, how far its audio reaches, and its gaps."""

    began: float
    until: float
    words: str = ""
    over: bool = False


def gaps_heard(record: Record) -> Iterator[str]:
    _, gaps = _played(record)
    for begin, end in gaps:
        if any(act.at < end and act.ends + 0.6 > begin for act in record.plan.acts):
            continue  # the user spoke, and was listened to
        faults = [fault for fault in record.struck if not fault.warned and _touches(record, fault, begin, end)]
        allowed = max((SILENCE_S + fault.seconds for fault in faults), default=0.0)
        if end - begin > allowed + record.lag_s + 1e-3:
            why = f"after {faults}" if faults else "though nothing broke without a warning"
            yield f"{begin:.2f}: the player ran dry for {end - begin:.3f} s, {why}"
    for fault, seconds in silences(record):
        if seconds > SILENCE_S + record.lag_s:
            yield f"{fault.at:.2f}: silence for {seconds:.3f} s after {fault} in mid-answer"


def _touches(record: Record, fault: Fault, begin: float, end: float) -> bool:
    """Whether the gap may come of `fault`: it was just before, or it broke the line that a goAway had made us open."""
    prepared = any(
        other.warned and other.at < fault.at < other.ends and begin < other.ends + SILENCE_S for other in record.struck
    )
    return fault.at <= end and (prepared or begin <= fault.ends + 2 * SILENCE_S)


def silences(record: Record) -> list[tuple[Fault, float]]:
    """For each loss in mid-answer how long the user heard nothing until the answer was there again (maybe for ever)."""
    responses, _ = _played(record)
    measured = ((fault, _silence_after(record, responses, fault)) for fault in record.struck)
    return [(fault, seconds) for fault, seconds in measured if seconds is not None]


def _silence_after(record: Record, responses: list[Response], fault: Fault) -> float | None:
    """From when the player had nothing left of the answer to the next audio; None where there is nothing to measure."""
    if fault.warned or fault.kind == "stall":
        return None
    heard = [one for one in responses if one.began - BUFFER_S < fault.at and not one.over]
    if not heard or heard[-1].until < fault.at - 0.2 or ended(heard[-1].words):
        return None
    dry = max(heard[-1].until, fault.ends)
    again = next((one.began - BUFFER_S for one in responses if one.began - BUFFER_S > fault.at), math.inf)
    until = min(again, dry + SILENCE_S)
    if any(act.at < until and act.ends + 0.6 > fault.at for act in record.plan.acts):
        return None  # the user spoke, and was listened to
    if any(other is not fault and other.at < until and other.ends > fault.at for other in record.struck):
        return None  # something else broke meanwhile
    return max(again - dry, 0.0)


def _played(record: Record) -> tuple[list[Response], list[tuple[float, float]]]:
    """The responses, and the times in which the player had nothing while one went on."""
    responses: list[Response] = []
    gaps: list[tuple[float, float]] = []
    current: Response | None = None
    afresh = False
    for at, event in record.shown:
        seconds = len(audio_of(event)) / (2 * CHUNK_RATE)
        if seconds:
            if current is None:
                current = Response(at + BUFFER_S, at + BUFFER_S)
                responses.append(current)
            elif at > current.until + 1e-6:
                gaps.append((current.until, at))
                current.until = at + BUFFER_S
            if afresh:  # another connection says it again, from the beginning
                current.until = max(current.until, at + BUFFER_S)
            current.until += seconds
            afresh = False
        if event.output_transcription is not None and event.partial and responses:
            responses[-1].words += event.output_transcription.text or ""
        elif event.output_transcription is not None:
            afresh = True
        if event.turn_complete or event.interrupted or event.generation_complete or event.get_function_calls():
            if current is not None:
                current.over = True
            current = None
        elif event.error_code:
            current = None
    return responses, gaps
