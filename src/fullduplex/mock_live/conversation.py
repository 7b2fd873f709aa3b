"""What the pretended model knows: the conversation so far, and the user's turn that it is to answer.

Contents are plain dicts as on the wire (`{"role": "user", "parts": [{"text": "hi"}]}`), camelCase.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

JsonDict = dict[str, Any]


@dataclass
class UserTurn:
    """What the user did that calls for an answer.

    `text` is what was typed or, for a voice turn, its transcript. `audio` is the turn's PCM16 at `audio_rate` Hz and
    `audio_ms` its length. `images` holds the video frames that came since the last turn.
    """

    kind: Literal["text", "voice", "tool_response", "unprompted"]
    text: str = ""
    audio: bytes = b""
    audio_rate: int = 16_000
    audio_ms: int = 0
    images: list[bytes] = field(default_factory=list)
    contents: list[JsonDict] = field(default_factory=list)
    function_responses: list[JsonDict] = field(default_factory=list)

    @property
    def tool_results(self) -> dict[str, Any]:
        """Function responses of this turn by function name."""
        return {str(item.get("name", "")): item.get("response") for item in self.function_responses}


class Conversation:
    """The contents of a session in order, with what a test wants to ask of them. Mutable; `copy()` for a snapshot."""

    def __init__(self, contents: list[JsonDict] | None = None, setup: JsonDict | None = None) -> None:
        self.contents: list[JsonDict] = contents if contents is not None else []
        self.setup: JsonDict = setup or {}

    def copy(self) -> Conversation:
        """A copy in which nothing shows that is said later. Contents are never changed, so they are shared."""
        return Conversation(list(self.contents), self.setup)

    def add(self, role: str, *parts: JsonDict) -> None:
        """Appends one content."""
        self.contents.append({"role": role, "parts": list(parts)})

    def texts(self, role: str | None = None) -> list[str]:
        """The text of each content (of this role), contents without text left out."""
        found = (_text(content) for content in self.contents if role is None or content.get("role", "user") == role)
        return [text for text in found if text]

    def tool_results(self, name: str) -> Iterator[Any]:
        """The `response` of each answer that the function `name` has given, oldest first."""
        for content in self.contents:
            for part in content.get("parts") or []:
                answer = part.get("functionResponse")
                if answer and answer.get("name") == name:
                    yield answer.get("response")

    @property
    def system_instruction(self) -> str:
        """The text of the setup's (or the last context update's) system instruction."""
        return _text(self.setup.get("systemInstruction") or {})

    def __len__(self) -> int:
        return len(self.contents)


def _text(content: JsonDict) -> str:
    parts = content.get("parts") or []
    return "".join(str(part.get("text") or "") for part in parts if not part.get("thought"))


def text_of(content: JsonDict) -> str:
    """The plain text of one content, thoughts left out."""
    return _text(content)
