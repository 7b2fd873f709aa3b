"""The interface above all backends: who answers, and the few verbs by which the engine speaks with it.

A backend translates between its own wire and `LiveServerMessage`. It knows its wire; it knows nothing of sessions,
agents or events. One contract suite (`tests/models/test_contract.py`) runs against every backend.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from fullduplex.errors import InvalidConfig
from fullduplex.models.text import TextModel
from fullduplex.types.config import LiveConnectConfig, SpeechConfig
from fullduplex.types.content import Blob, Content, FunctionResponse, Part, Tool
from fullduplex.types.live import LiveServerMessage, Signal


@dataclass
class ConnectRequest:
    """What one connection is opened with.

    `tools` holds function declarations and the tools that the backend runs itself. `history` is sent at once when
    it is not empty; the model answers it if its last turn is the user's. With a resumption handle in
    `config.session_resumption` the engine leaves `history` empty. `history_follows` says that turns may come by
    `send_history` before anything else is sent.
    """

    model: str
    system_instruction: str = ""
    tools: list[Tool] = field(default_factory=list)
    history: list[Content] = field(default_factory=list)
    config: LiveConnectConfig = field(default_factory=LiveConnectConfig)
    history_follows: bool = False


class LiveConnection(ABC):
    """One open connection to a model. Its verbs return as soon as the message is handed to the transport.

    A verb on a connection that has ended raises `ConnectionLost`. A message that the backend cannot express raises
    `InvalidInput` and leaves the connection as it was.
    """

    __slots__ = ()

    @abstractmethod
    async def send_content(self, content: Content, *, turn_complete: bool = True) -> None:
        """Sends a turn of text (and media); `turn_complete=False` adds context without asking for an answer."""

    @abstractmethod
    async def send_history(self, contents: list[Content], *, turn_complete: bool) -> None:
        """Tells what was said elsewhere: turns of both sides, tool calls and answers, oldest first.

        With `turn_complete` the model answers the last of them (no contents: of those told before); without, it only
        knows them.
        """

    @abstractmethod
    async def send_realtime(self, blob: Blob) -> None:
        """Sends a piece of live input: audio (PCM16 mono, its rate in the mime type) or one video frame (JPEG)."""

    @abstractmethod
    async def send_activity(self, signal: Signal) -> None:
        """Sends the start or end of the user's activity, or that the audio stream has ended."""

    @abstractmethod
    async def send_tool_response(self, responses: list[FunctionResponse]) -> None:
        """Answers tool calls."""

    async def greet(self, words: str) -> None:
        """Opens the conversation: the model is to say `words` before the user has said anything.

        Unless a backend can put words into its model's mouth, the model is asked for them in a turn of the user's side.
        """
        request = f"(The user has just joined. Open the conversation: say exactly this, and nothing else.)\n{words}"
        await self.send_content(Content(role="user", parts=[Part(text=request)]))

    async def speak(self, words: str) -> bool:
        """Has the model's voice say `words` and nothing else, as a turn of its own.

        False when the backend cannot put words into its model's mouth: then nothing was sent.
        """
        return False

    @abstractmethod
    async def interrupt(self) -> None:
        """Stops the answer that is being given, if the backend can be told so; else nothing happens."""

    @property
    def messages_sent(self) -> int | None:
        """How many messages this connection has sent, the setup included; None when the backend counts none.

        The index by which a backend acknowledges the latest of them is one less.
        """
        return None

    @abstractmethod
    def receive(self) -> AsyncIterator[LiveServerMessage]:
        """All messages from the backend, in order, until the connection ends.

        Ends without an error after `close()`; raises `ConnectionLost` when the other side or the network ended it,
        and `ModelError` when the backend reported an error. Messages that cannot be read are logged and skipped.
        """

    async def listen(self, take: Callable[[LiveServerMessage], None]) -> None:
        """Calls `take` with every message as it arrives; ends as `receive` does, or with what `take` raises.

        A backend that is called by its transport can save the wake-up of a task for each message here.
        """
        messages = self.receive()
        try:
            async for message in messages:
                take(message)
        finally:
            if isinstance(messages, AsyncGenerator):
                await messages.aclose()

    async def ready(self) -> None:  # noqa: B027  (a transport that never fills is always ready)
        """Returns when the transport takes a message; until then input had better wait above.

        Raises `ConnectionLost`.
        """

    def offer_realtime(self, blob: Blob) -> bool:
        """Sends a piece of live input if that takes no waiting; False when it was not sent. Never raises.

        False is always right: `send_realtime` is called then.
        """
        return False

    @abstractmethod
    async def close(self) -> None:
        """Ends the connection and frees all that it holds. Closing twice is harmless."""


class LiveModel(ABC):
    """A model that can be talked with. One object may serve many connections at once."""

    model: str
    speech_config: SpeechConfig | None = None

    @abstractmethod
    def connect(self, request: ConnectRequest) -> AbstractAsyncContextManager[LiveConnection]:
        """Opens a connection, sends setup and history, and returns when the backend has accepted the setup.

        Raises `InvalidConfig` for settings that this backend cannot honour, `ModelError` when it refuses, and
        `ConnectionLost` when it closes or cannot be reached.
        """

    def text_model(self) -> TextModel:
        """The same model, or its counterpart, for text turns. Raises `InvalidConfig` when it has none."""
        raise InvalidConfig(
            f"{type(self).__name__}(model={self.model!r}) can only be talked with: a text run needs a text model.",
            code="live_only_model",
        )
