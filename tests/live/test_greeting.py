"""Whether an agent speaks first: once, and only where there is no conversation yet."""

from __future__ import annotations

from typing import Any

import pytest

from fullduplex import Agent, types
from fullduplex.events import Event, EventActions
from fullduplex.live.greeting import opens
from fullduplex.models.base import ConnectRequest
from fullduplex.sessions import Session
from fullduplex.types.config import LiveConnectConfig, SessionResumptionConfig
from fullduplex.types.live import Transcription

pytestmark = pytest.mark.spec(188)


def said(*events: Event, greeting: str = "Hello!", **resumption: Any) -> str | None:
    config = LiveConnectConfig(session_resumption=SessionResumptionConfig(**resumption) if resumption else None)
    session = Session(id="s", app_name="app", user_id="u", events=list(events))
    return opens(session, Agent(name="guide", greeting=greeting), ConnectRequest(model="m", config=config))


def test_a_new_conversation_is_opened() -> None:
    assert said() == "Hello!"
    assert said(transparent=None) == "Hello!"
    assert said(greeting="") is None


def test_state_alone_is_no_conversation() -> None:
    assert said(Event(author="user", actions=EventActions(state_delta={"name": "Ada"}))) == "Hello!"


@pytest.mark.parametrize(
    "event",
    [
        Event(author="user", content=types.UserContent(parts="hi")),
        Event(author="user", input_transcription=Transcription(text="hi", finished=True)),
        Event(author="guide", output_transcription=Transcription(text="Hel", finished=True)),
        Event(author="guide", turn_complete=True),
        Event(author="guide", interrupted=True),
    ],
)
def test_a_conversation_that_goes_on_is_not(event: Event) -> None:
    assert said(Event(author="user", actions=EventActions(state_delta={"n": 1})), event) is None


def test_a_conversation_that_the_model_resumes_is_not() -> None:
    assert said(handle="h1") is None
