"""`GeminiText`: text turns with models of the Gemini API and of Vertex AI, by generateContent over HTTP."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator

from fullduplex.errors import InvalidConfig
from fullduplex.google_login import AccessToken, GoogleCredentials, Login, default_login
from fullduplex.models.answer import Answer
from fullduplex.models.gemini import generate_wire
from fullduplex.models.gemini.capabilities import is_live_only, takes_tools_with_schema
from fullduplex.models.gemini.endpoint import Endpoint, Options, find_endpoint
from fullduplex.models.http import Call, HttpClient
from fullduplex.models.text import LlmRequest, LlmResponse, TextModel


class GeminiText(TextModel):
    """A Gemini model for text turns.

    Its arguments are those of `Gemini`, and the environment is read in the same way, at each request. `timeout`:
    seconds without a sign of life after which a request has failed. Raises `InvalidConfig` for a model that can only be
    talked with.
    """

    def __init__(
        self,
        model: str = "",
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        vertexai: bool | None = None,
        project: str | None = None,
        location: str | None = None,
        credentials: GoogleCredentials | None = None,
        timeout: float = 300.0,
        client: HttpClient | None = None,
    ) -> None:
        if is_live_only(model):
            raise InvalidConfig(
                f"{model} can only be talked with: a text run needs a text model, such as gemini-3.5-flash.",
                code="live_only_model",
            )
        self.model = model
        self._options = Options(
            api_key=api_key,
            base_url=base_url,
            api_version=api_version,
            vertexai=vertexai,
            project=project,
            location=location,
        )
        self._login = default_login if credentials is None else Login(credentials)
        self._client = client or HttpClient(timeout=timeout)

    def __repr__(self) -> str:
        return f"GeminiText(model={self.model!r})"

    @property
    def takes_tools_with_schema(self) -> bool:
        """See `TextModel`."""
        return takes_tools_with_schema(self.model)

    async def generate(self, request: LlmRequest, *, stream: bool = False) -> AsyncGenerator[LlmResponse, None]:
        """See `TextModel`."""
        call = await self._call(request, stream)
        decoder, answer = generate_wire.Decoder(), Answer()
        async with self._client.post(call) as reply:
            if stream:
                async for event in reply.events():
                    for piece in answer.take(decoder.read(event)):
                        yield piece
            else:
                for _ in answer.take(decoder.read(await reply.body())):
                    pass
        yield answer.whole(partial=False if stream else None)

    async def close(self) -> None:
        """See `TextModel`."""
        await self._client.close()

    async def _call(self, request: LlmRequest, stream: bool) -> Call:
        model = request.model or self.model
        endpoint = find_endpoint(self._options, model, os.environ)
        token = await self._login.access_token() if endpoint.auth == "login" else None
        return Call(
            url=_url(endpoint, endpoint.model_path(model, token), stream),
            headers=endpoint.headers(token),
            body=generate_wire.encode(request, backend=endpoint.backend),
            secrets=_secrets(endpoint, token),
        )


def _url(endpoint: Endpoint, model_path: str, stream: bool) -> str:
    base = endpoint.base.replace("ws", "http", 1)  # an endpoint is written for WebSockets
    version = endpoint.version or ("v1beta1" if endpoint.backend == "vertex" else "v1beta")
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    return f"{base}/{version}/{model_path}:{method}"


def _secrets(endpoint: Endpoint, token: AccessToken | None) -> list[str]:
    return [secret for secret in (endpoint.secret, token.value if token is not None else "") if secret]
