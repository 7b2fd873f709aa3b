"""What the mock remembers of one request, in terms that are the same for both APIs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

ApiName = Literal["gemini", "vertex", "openai"]


@dataclass
class Exchange:
    """One request that was understood. `headers` has lower-case names; `status` is that of the answer, 0 before it."""

    api: ApiName
    model: str
    stream: bool
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    query: dict[str, str] = field(default_factory=dict)
    number: int = 0
    status: int = 0

    @property
    def text(self) -> str:
        """The text of the user's last turn."""
        if self.api == "openai":
            return _openai_text(self.body.get("messages") or [])
        for content in reversed(self.body.get("contents") or []):
            texts = [part["text"] for part in content.get("parts") or [] if "text" in part]
            if content.get("role", "user") == "user" and texts:
                return " ".join(texts)
        return ""

    @property
    def tool_results(self) -> list[Any]:
        """What the tools answered at the end of the conversation, in order; empty when they are not its end."""
        if self.api == "openai":
            messages = self.body.get("messages") or []
            last = next((i for i, m in enumerate(reversed(messages)) if m.get("role") != "tool"), len(messages))
            return [_json(message.get("content")) for message in messages[len(messages) - last :]]
        contents = self.body.get("contents") or [{}]
        responses = [part.get("functionResponse") for part in contents[-1].get("parts") or []]
        return [response.get("response") for response in responses if response]


def _openai_text(messages: list[dict[str, Any]]) -> str:
    content = next((message.get("content") for message in reversed(messages) if message.get("role") == "user"), "")
    if isinstance(content, str):
        return content
    return " ".join(part.get("text", "") for part in content or [] if part.get("type") == "text")


def _json(text: Any) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, TypeError):
        return text
