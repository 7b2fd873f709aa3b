"""Whether an agent speaks first: a conversation is opened once, and only where none is yet."""

from __future__ import annotations

from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.events import Event
from fullduplex.models.base import ConnectRequest
from fullduplex.sessions import Session


def opens(session: Session, agent: LlmAgent, request: ConnectRequest) -> str | None:
    """What the agent says before any input on the connection that `request` opened; None when it waits.

    It waits without a `greeting`, when the model resumes a conversation, and when anybody has said or done anything in
    the session already: what was heard of a greeting that broke off counts.
    """
    resumption = request.config.session_resumption
    if not agent.greeting or (resumption is not None and resumption.handle is not None):
        return None
    return None if any(map(_is_conversation, session.events)) else agent.greeting


def _is_conversation(event: Event) -> bool:
    """Whether somebody spoke, or a turn was held (without transcripts nothing else is left of it)."""
    return bool(
        event.content is not None
        or event.input_transcription is not None
        or event.output_transcription is not None
        or event.turn_complete
        or event.interrupted
    )
