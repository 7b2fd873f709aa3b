"""`OpenAiText`: text turns by chat completions over HTTP, with OpenAI or any server that speaks its API."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator
from urllib.parse import urlsplit

from fullduplex.errors import InvalidConfig
from fullduplex.models.answer import Answer
from fullduplex.models.base_url import read_base_url
from fullduplex.models.http import Call, HttpClient
from fullduplex.models.openai.messages import write_messages
from fullduplex.models.openai.options import write_options
from fullduplex.models.openai.reading import DONE, Reader
from fullduplex.models.text import LlmRequest, LlmResponse, TextModel
from fullduplex.types.struct import encode_json

_log = logging.getLogger(__name__)

PREFIX = "openai/"
_OPENAI = "https://api.openai.com/v1"


class OpenAiText(TextModel):
    """A model behind an API of OpenAI's kind.

        Agent(name="clerk", model="openai/gpt-5-mini")    # or OPENAI_BASE_URL=http://localhost:11434/v1 (Ollama)

    Args:
        model: Its name at the server, with `openai/` before it or not.
        api_key, base_url: Stand before `OPENAI_API_KEY` and `OPENAI_BASE_URL`, which are read at each request. Only
            OpenAI's own server must have a key.
        timeout: Seconds without a sign of life after which a request has failed.
    """

    def __init__(
        self,
        model: str = "",
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: float = 300.0,
        client: HttpClient | None = None,
    ) -> None:
        self.model = model
        self._api_key = api_key
        self._base_url = base_url
        self._client = client or HttpClient(timeout=timeout)
        self._warned: set[str] = set()

    def __repr__(self) -> str:
        return f"OpenAiText(model={self.model!r})"

    async def generate(self, request: LlmRequest, *, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        """See `TextModel`."""
        reader, answer = Reader(), Answer()
        async with self._client.post(self._call(request, stream)) as reply:
            if stream:
                async for event in reply.events():
                    if event != DONE:  # and read on to the end, so that the connection can be used again
                        for piece in answer.take(reader.read(event)):
                            yield piece
            else:
                for _ in answer.take(reader.read(await reply.body())):
                    pass
        for _ in answer.take(reader.calls()):
            pass
        yield answer.whole(partial=False if stream else None)

    async def close(self) -> None:
        """See `TextModel`."""
        await self._client.close()

    def _call(self, request: LlmRequest, stream: bool) -> Call:
        base = _base(self._base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI)
        key = (self._api_key or os.environ.get("OPENAI_API_KEY") or "").strip()
        official = urlsplit(base).hostname == urlsplit(_OPENAI).hostname
        if official and not key:
            raise InvalidConfig(
                "No key for OpenAI: set OPENAI_API_KEY, or OPENAI_BASE_URL for another server.", code="no_credentials"
            )
        headers = [("Content-Type", "application/json")]
        if key:
            headers.append(("Authorization", f"Bearer {key}"))
        body = self._body(request, "max_completion_tokens" if official else "max_tokens")
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        return Call(url=f"{base}/chat/completions", headers=headers, body=encode_json(body), secrets=[key])

    def _body(self, request: LlmRequest, limit_name: str) -> dict[str, object]:
        options, unknown = write_options(request, limit_name=limit_name)
        if new := [name for name in unknown if name not in self._warned]:
            self._warned.update(new)
            _log.warning("chat completions do not know %s: not sent", ", ".join(new))
        return {
            "model": (request.model or self.model).removeprefix(PREFIX),
            "messages": write_messages(request.system_instruction, request.contents),
            **options,
        }


def _base(url: str) -> str:
    read_base_url(url, schemes=("http", "https"), variable="OPENAI_BASE_URL")
    return url.strip().rstrip("/")
