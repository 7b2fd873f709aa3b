"""What a model is told of the conversation so far: a session's events as turns of content.

Text and finished transcripts become turns, tool calls and answers stay what they are; notices, usage, thoughts and raw
media are left out. What other agents said and did is quoted. What the user did not hear, the agent did not say.
"""

from __future__ import annotations

from collections.abc import Iterable

from fullduplex.events import Event
from fullduplex.turns.approvals import REQUESTS
from fullduplex.turns.interruption import Interruption, words
from fullduplex.turns.quoting import is_others, quoted
from fullduplex.types.content import Content, FunctionCall, FunctionResponse, Part

_OWN_ID = "adk-"


def contents_of(events: Iterable[Event], *, media: bool = False, agent: str | None = None) -> list[Content]:
    """The turns as `agent` is told them, oldest first (None: as they are, whoever said them).

    Neighbouring transcripts of one side are joined, and so is what other agents did. `media`: raw media are told, too.
    """
    contents: list[Content] = []
    joinable = False
    others: list[Event] = []
    for event in as_heard(events):
        if event.partial:
            continue
        if agent is not None and is_others(event, agent):
            others.append(event)
            continue
        transcript = _transcript(event)
        content = _said(event, media) if transcript is None else transcript
        if content is None:
            continue
        if others:
            contents += _quotation(others)
            joinable, others = False, []
        if transcript is not None and joinable and contents[-1].role == transcript.role:
            contents[-1].parts = [Part(text=f"{contents[-1].text} {transcript.text}")]
        else:
            contents.append(content)
        joinable = transcript is not None
    return contents + _quotation(others)


def as_heard(events: Iterable[Event]) -> Iterable[Event]:
    """`events`, with answers cut that were kept whole and broken off afterwards; see `Heard.cuts`."""
    events = list(events)
    corrections = [event.heard for event in events if event.heard is not None and event.heard.cuts]
    if not corrections:
        return events
    known = {event.id: event for event in events}
    read: dict[str, Event | None] = {}
    for heard in corrections:
        answer = [known[name] for name in heard.cuts or () if name in known]
        texts = [words(event) for event in answer]
        # Of an answer that is not all here, nobody could say where to cut it.
        if heard.text is not None and _letters(*texts).startswith(_letters(heard.text)):
            read |= {event.id: None for event in answer}
            read |= {event.id: event for event in Interruption(texts, answer, heard).cut(answer)}
    return [told for event in events if (told := read.get(event.id, event)) is not None]


def _letters(*texts: str) -> str:
    return "".join(letters for text in texts for letters in text.split())


def _quotation(events: Iterable[Event]) -> list[Content]:
    text = quoted(events)
    return [Content(role="user", parts=[Part(text=text)])] if text else []


def _transcript(event: Event) -> Content | None:
    for transcription, role in ((event.input_transcription, "user"), (event.output_transcription, "model")):
        if transcription is not None and transcription.finished and (transcription.text or "").strip():
            return Content(role=role, parts=[Part(text=transcription.text)])
    return None


def _said(event: Event, media: bool) -> Content | None:
    if event.content is None:
        return None
    parts = [told for part in event.content.parts or () if (told := _told(part, media))]
    return Content(role=event.content.role or "user", parts=parts) if parts else None


def _told(part: Part, media: bool) -> Part | None:
    """The part as the model may read it again, or None."""
    if part.thought:
        return None
    if part.inline_data is not None:
        return part if media else None
    if part.file_data is not None:
        return None if "/_adk_live/" in (part.file_data.file_uri or "") else part
    if part.function_call is not None:
        call = part.function_call
        if call.name in REQUESTS:
            return None  # the user was asked, not the model
        function_call = FunctionCall(id=_foreign(call.id), name=call.name, args=call.args)
        return Part(function_call=function_call, thought_signature=part.thought_signature)
    if part.function_response is not None:
        answer = part.function_response
        if answer.name in REQUESTS:
            return None
        response = FunctionResponse(id=_foreign(answer.id), name=answer.name, response=answer.response)
        return Part(function_response=response)
    return part if part.text or part.executable_code or part.code_execution_result else None


def _foreign(call_id: str | None) -> str | None:
    """The id, unless this framework made it up: the model never saw those."""
    return None if call_id and call_id.startswith(_OWN_ID) else call_id
