"""Messages stand in pydantic models and as FastAPI bodies and answers, as pydantic's own would."""

from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, TypeAdapter, ValidationError

from fullduplex.events import Event
from fullduplex.requests import LiveRequest
from fullduplex.types import Blob, Content, Part


class Note(BaseModel):
    """A user's own model with ours inside."""

    content: Content
    extra: list[Part] | None = None
    event: Event | None = None


def test_a_model_with_messages_inside() -> None:
    note = Note.model_validate({"content": {"parts": [{"inlineData": {"data": "_-8", "mimeType": "m"}}]}})
    assert note.content.parts == [Part(inline_data=Blob(data=b"\xff\xef", mime_type="m"))]
    assert note.model_dump(exclude_none=True) == {
        "content": {"parts": [{"inline_data": {"data": b"\xff\xef", "mime_type": "m"}}]}
    }
    text = note.model_dump_json(by_alias=True, exclude_none=True)
    assert text == '{"content":{"parts":[{"inlineData":{"data":"_-8=","mimeType":"m"}}]}}'
    assert Note.model_validate_json(text) == note


def test_instances_pass_and_mistakes_are_pydantics_errors() -> None:
    content = Content(parts=[Part(text="x")])
    assert Note(content=content, extra=[Part(text="y")]).content is content
    with pytest.raises(ValidationError, match="Content"):
        Note.model_validate({"content": {"parts": 5}})


def test_a_type_adapter_and_the_schemas() -> None:
    adapter = TypeAdapter(list[LiveRequest])
    (request,) = adapter.validate_python([{"blob": {"data": "YQ", "mime_type": "audio/pcm"}}])
    assert request.blob == Blob(data=b"a", mime_type="audio/pcm")
    schema = Note.model_json_schema()
    assert "parts" in schema["properties"]["content"]["properties"]


@pytest.fixture(scope="module")
def client() -> TestClient:
    app = FastAPI()

    @app.post("/say")
    def say(request: LiveRequest) -> Event:
        assert request.content is not None
        return Event(content=request.content, author="echo", id="1", timestamp=1.5)

    @app.post("/events", response_model_exclude_none=True)
    def events(event: Event, note: Note) -> list[Event]:
        return [event]

    return TestClient(app)


def test_a_body_and_an_answer_of_fastapi(client: TestClient) -> None:
    body = {"content": {"role": "user", "parts": [{"inlineData": {"data": "/+8=", "mimeType": "image/png"}}]}}
    answer = client.post("/say", json=body)
    assert answer.status_code == 200
    assert answer.json()["content"]["parts"][0]["inlineData"] == {
        "data": "_-8=",
        "mimeType": "image/png",
        "displayName": None,
    }


def test_several_bodies_without_nulls(client: TestClient) -> None:
    event = Event(content=Content(parts=[Part(text="x")]), author="a", id="1", timestamp=2.0)
    wire = event.model_dump(mode="json", by_alias=True, exclude_none=True)
    answer = client.post("/events", json={"event": wire, "note": {"content": {"parts": []}}})
    assert answer.json() == [wire]


@pytest.mark.parametrize("body", [{"content": {"parts": "x"}}, {"blob": {"data": "*"}}, [], "x"])
def test_a_body_that_is_wrong_is_answered_422(client: TestClient, body: object) -> None:
    assert client.post("/say", json=body).status_code == 422


def test_the_api_description_names_the_fields(client: TestClient) -> None:
    api = client.get("/openapi.json").json()
    body = api["paths"]["/say"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "audio_stream_end" in body["properties"]
