"""`Gemini`: models of the Gemini API and of Vertex AI behind the common interface, and one connection to them."""

from __future__ import annotations

import asyncio
import dataclasses
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from fullduplex.errors import ConnectionLost, InvalidInput
from fullduplex.google_login import GoogleCredentials, Login, default_login
from fullduplex.models.base import ConnectRequest, LiveConnection, LiveModel
from fullduplex.models.gemini import failures
from fullduplex.models.gemini import setup as setups
from fullduplex.models.gemini.capabilities import capabilities_of
from fullduplex.models.gemini.endpoint import Options, find_endpoint
from fullduplex.models.gemini.failures import HandshakeRefused, SocketClosed
from fullduplex.models.gemini.wire import Decoder, Encoder
from fullduplex.models.text import TextModel
from fullduplex.types.config import SpeechConfig
from fullduplex.types.content import Blob, Content, FunctionResponse
from fullduplex.types.live import AudioStreamEnd, LiveServerMessage, Signal

if TYPE_CHECKING:
    from fullduplex.models.gemini.socket import Socket


class GeminiConnection(LiveConnection):
    """One conversation over one open socket; `Gemini.connect` makes it."""

    __slots__ = ("_closed", "_decoder", "_early", "_manual_activity", "_socket", "encoder", "messages_sent")

    messages_sent: int
    """See `LiveConnection`."""

    def __init__(self, socket: Socket, encoder: Encoder, *, manual_activity: bool) -> None:
        self.encoder = encoder
        self._socket = socket
        self._decoder = Decoder()
        self._manual_activity = manual_activity
        self._early: list[LiveServerMessage] = []
        self._closed = False
        self.messages_sent = 0

    async def set_up(self, setup: bytes, *, place: str, timeout: float) -> None:
        """Sends `setup` and waits for its acceptance, which stays the first message that `receive` gives."""
        try:
            async with asyncio.timeout(timeout):
                await self.send(setup)
                while not self._early or self._early[-1].setup_complete is None:
                    if (message := await self._next(in_setup=True)) is not None:
                        self._early.append(message)
        except TimeoutError:
            raise failures.from_timeout(place, timeout) from None

    async def send(self, message: bytes) -> None:
        """Sends what the encoder wrote; waits while the network is behind."""
        try:
            await self._socket.send(message)
            self.messages_sent += 1
        except SocketClosed as closed:
            raise self._gone(closed) from None

    def _gone(self, closed: SocketClosed) -> ConnectionLost:
        if self._closed:
            return ConnectionLost("This connection was closed.", close_code=1000)
        return failures.from_close(closed.code, closed.reason)

    async def send_content(self, content: Content, *, turn_complete: bool = True) -> None:
        """A typed turn. Parts that are all function responses go up as a tool response."""
        await self.send(self.encoder.content(content, turn_complete=turn_complete))

    async def send_history(self, contents: list[Content], *, turn_complete: bool) -> None:
        """See `LiveConnection`."""
        for message in self.encoder.history(contents, turn_complete=turn_complete):
            await self.send(message)

    async def interrupt(self) -> None:
        """Client content stops a generation in progress; without turns it says nothing and asks for nothing."""
        await self.send(self.encoder.turns([], turn_complete=False))

    async def send_realtime(self, blob: Blob) -> None:
        """Audio, or one video frame."""
        pieces = self.encoder.realtime(blob)
        await self.ready()
        if pieces is not None and self._socket.send_now(*pieces):
            self.messages_sent += 1

    def offer_realtime(self, blob: Blob) -> bool:
        """See `LiveConnection`."""
        try:
            pieces = self.encoder.realtime(blob)
        except InvalidInput:
            return False
        if pieces is None or not self._socket.send_now(*pieces):
            return False
        self.messages_sent += 1
        return True

    async def ready(self) -> None:
        """See `LiveConnection`."""
        try:
            await self._socket.writable()
        except SocketClosed as closed:
            raise self._gone(closed) from None

    async def send_activity(self, signal: Signal) -> None:
        """The user's start or end, where automatic detection is disabled; the end of the audio stream anywhere.

        Raises `InvalidInput` elsewhere, because the backend would end the conversation for it.
        """
        if not self._manual_activity and not isinstance(signal, AudioStreamEnd):
            raise InvalidInput(
                "activity signals need automatic_activity_detection.disabled", code="activity_not_allowed"
            )
        await self.send(self.encoder.signal(signal))

    async def send_tool_response(self, responses: list[FunctionResponse]) -> None:
        """Answers to tool calls."""
        await self.send(self.encoder.tool_response(responses))

    async def receive(self) -> AsyncIterator[LiveServerMessage]:
        """All messages, the acceptance of the setup first; see `LiveConnection.receive` for how it ends."""
        while not self._closed:
            if self._early:
                yield self._early.pop(0)
            elif (message := await self._next()) is not None:
                yield message

    async def listen(self, take: Callable[[LiveServerMessage], None]) -> None:
        """See `LiveConnection`; messages are read where the transport delivers them."""

        chunks, read = self._decoder.chunks, self._decoder.read

        def deliver(raw: bytes | memoryview) -> None:
            if (message := chunks.read(raw) or read(bytes(raw))) is not None:
                take(message)

        while self._early:
            take(self._early.pop(0))
        try:
            await self._socket.deliver(deliver)
        except SocketClosed as closed:
            if not self._closed:
                raise failures.from_close(closed.code, closed.reason) from None

    async def _next(self, *, in_setup: bool = False) -> LiveServerMessage | None:
        try:
            raw = await self._socket.receive()
        except SocketClosed as closed:
            if self._closed:
                return None
            raise failures.from_close(closed.code, closed.reason, in_setup=in_setup) from None
        return self._decoder.chunks.read(raw) or self._decoder.read(raw)

    async def close(self) -> None:
        """Says goodbye to the backend, waits a moment for its answer, and frees the socket."""
        self._closed = True
        self._early.clear()
        await self._socket.close()


class Gemini(LiveModel):
    """A Gemini Live model, on the Gemini API or on Vertex AI.

        Agent(name="guide", model=Gemini(model="gemini-live-2.5-flash-native-audio", speech_config=...))

    Args:
        model: Its name, with or without `models/` or `projects/…/models/` before it.
        speech_config: Voice and language; stands before those of the run.
        api_key, base_url, api_version, vertexai, project, location: Stand before the environment (`GOOGLE_API_KEY`,
            `GOOGLE_GENAI_USE_VERTEXAI`, `GOOGLE_CLOUD_PROJECT`, …), which is read when a connection is opened.
            A base URL that begins with `http://` means an unencrypted `ws://`.
        credentials: A login for Vertex AI (google-auth's); the machine's default login when None.
        connect_timeout: Seconds until the backend must have accepted the setup.
    """

    def __init__(
        self,
        model: str = "",
        *,
        speech_config: SpeechConfig | None = None,
        api_key: str | None = None,
        base_url: str | None = None,
        api_version: str | None = None,
        vertexai: bool | None = None,
        project: str | None = None,
        location: str | None = None,
        credentials: GoogleCredentials | None = None,
        connect_timeout: float = 10.0,
    ) -> None:
        self.model = model
        self.speech_config = None if speech_config is None else SpeechConfig.model_validate(speech_config)
        self._options = Options(
            api_key=api_key,
            base_url=base_url,
            api_version=api_version,
            vertexai=vertexai,
            project=project,
            location=location,
        )
        self._credentials = credentials
        self._login = default_login if credentials is None else Login(credentials)
        self._connect_timeout = connect_timeout

    def __repr__(self) -> str:
        return f"Gemini(model={self.model!r})"

    @asynccontextmanager
    async def connect(self, request: ConnectRequest) -> AsyncIterator[LiveConnection]:
        """Opens a connection, sends setup and history, and yields it when the setup is accepted.

        Raises `InvalidConfig` before anything is opened, `ModelError` when the backend refuses, `ConnectionLost` when
        it cannot be reached or goes away; their codes are listed in `failures`.
        """
        connection = await self._open(request)
        try:
            if request.history:
                await connection.send_history(request.history, turn_complete=request.history[-1].role != "model")
            yield connection
        finally:
            await connection.close()

    def text_model(self) -> TextModel:
        """The model of this name by generateContent, reached in the same way."""
        from fullduplex.models.gemini.generate import GeminiText

        return GeminiText(self.model, credentials=self._credentials, **dataclasses.asdict(self._options))

    async def _open(self, request: ConnectRequest) -> GeminiConnection:
        from fullduplex.models.gemini.socket import Socket  # here, so that only those who connect load the library

        model = request.model or self.model
        endpoint = find_endpoint(self._options, model, os.environ)
        capabilities = capabilities_of(model)
        config = setups.check(request, backend=endpoint.backend, capabilities=capabilities, speech=self.speech_config)
        token = await self._login.access_token() if endpoint.auth == "login" else None
        setup = setups.encode_setup(request, config, model_path=endpoint.model_path(model, token))
        url = endpoint.url(alpha=setups.needs_alpha(config))
        place = urlsplit(url).netloc
        try:
            socket = await Socket.open(url, endpoint.headers(token), timeout=self._connect_timeout)
        except HandshakeRefused as refused:
            body = refused.body
            for secret in (endpoint.secret, token.value if token is not None else ""):
                body = body.replace(secret, "…") if secret else body
            raise failures.from_status(refused.status, body) from None
        except SocketClosed as closed:
            raise failures.from_close(closed.code, closed.reason, in_setup=True) from None
        except TimeoutError:
            raise failures.from_timeout(place, self._connect_timeout) from None
        except OSError as error:
            raise failures.from_os_error(error, place) from None
        connection = GeminiConnection(
            socket, Encoder(capabilities, endpoint.backend), manual_activity=setups.manual_activity(config)
        )
        try:
            await connection.set_up(setup, place=place, timeout=self._connect_timeout)
        except BaseException:
            await connection.close()
            raise
        return connection
