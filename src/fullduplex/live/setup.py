"""What a connection is opened with: an agent, the run's settings and the conversation so far as a `ConnectRequest`."""

from __future__ import annotations

import logging

from fullduplex.agents.contexts import InvocationContext, ReadonlyContext
from fullduplex.agents.llm_agent import LlmAgent
from fullduplex.agents.run_config import ContextFallback, RunConfig
from fullduplex.errors import InvalidConfig
from fullduplex.events import Event
from fullduplex.live.briefing import Handle, Reader, brief
from fullduplex.models.base import ConnectRequest
from fullduplex.models.text import LlmRequest
from fullduplex.sessions import Session
from fullduplex.tools.base import BaseTool
from fullduplex.tools.declared import declared
from fullduplex.turns.quoting import is_others
from fullduplex.types.config import GenerateContentConfig, LiveConnectConfig, Modality, SessionResumptionConfig
from fullduplex.types.content import Content

logger = logging.getLogger(__name__)

_FROM_RUN = (
    "speech_config",
    "input_audio_transcription",
    "output_audio_transcription",
    "realtime_input_config",
    "explicit_vad_signal",
    "proactivity",
    "enable_affective_dialog",
    "session_resumption",
    "context_window_compression",
    "history_config",
    "translation_config",
    "avatar_config",
    "labels",
)
_FROM_AGENT = (
    "temperature",
    "top_p",
    "top_k",
    "max_output_tokens",
    "seed",
    "media_resolution",
    "thinking_config",
    "safety_settings",
)


class Setup:
    """What stays the same over all connections of one agent's run; `request` adds what does not."""

    def __init__(
        self,
        *,
        model: str,
        system_instruction: str,
        tools: list[BaseTool],
        config: LiveConnectConfig,
        reader: Reader,
        context_fallback: ContextFallback | None = None,
    ) -> None:
        self._model = model
        self._system_instruction = system_instruction
        self._tools = declared(tools)
        self._config = config
        self.reader = reader
        self.context_fallback = context_fallback

    @classmethod
    async def of(cls, ctx: InvocationContext, agent: LlmAgent, model: str, tools: list[BaseTool]) -> Setup:
        """Resolves the instruction, once for the run; raises what the instruction raises."""
        if agent.output_schema is not None:
            logger.warning("agent %s: output_schema has no effect in a live run", agent.name)
        config = config_of(ctx.run_config, agent.generate_content_config)
        instruction = await agent.system_instruction(ReadonlyContext(ctx), live=True)
        return cls(
            model=model,
            system_instruction=instruction,
            tools=tools,
            config=config,
            reader=Reader(
                agent.name, ctx.branch, only_open=ctx.invocation_id if agent.include_contents == "none" else None
            ),
            context_fallback=ctx.run_config.context_fallback,
        )

    def question(self) -> LlmRequest:
        """The model and what it was told of itself and its tools, as model callbacks are shown it."""
        return LlmRequest(model=self._model, system_instruction=self._system_instruction, tools=list(self._tools))

    def handle(self, session: Session) -> Handle | None:
        """The handle that the run was given; it covers the session up to where it was issued, or to its present end.

        None, too, when it was issued to another agent: its model would go on in that one's place.
        """
        resumption = self._config.session_resumption
        if resumption is None or resumption.handle is None:
            return None
        issued = next((event for event in reversed(session.events) if _issues(event, resumption.handle)), None)
        if issued is None:
            return Handle(resumption.handle, session.events[-1].id if session.events else "")
        if is_others(issued, self.reader.agent or ""):
            logger.info("the handle was issued to agent %s: the model is told the session instead", issued.author)
            return None
        return Handle(resumption.handle, issued.id)

    def request(self, session: Session, handle: Handle | None, *, first: bool) -> ConnectRequest:
        """For the next connection, from `handle` if there is one. The first one without is told the session at once,
        if it need not be made to fit; all others are told later what they do not know."""
        config = self._config
        resumption = config.session_resumption
        if handle is not None or resumption is not None:
            name = handle.name if handle is not None else None
            resumption = (resumption or SessionResumptionConfig()).model_copy(update={"handle": name})
            config = config.model_copy(update={"session_resumption": resumption})
        history = self._told_at_once(session) if first and handle is None else None
        return ConnectRequest(
            model=self._model,
            system_instruction=self._system_instruction,
            tools=self._tools,
            history=history or [],
            config=config,
            history_follows=history is None,
        )

    def _told_at_once(self, session: Session) -> list[Content] | None:
        """The session, if it can be told as it is: then its last turn's role says whether the model is to answer."""
        if self.context_fallback is not None:
            return None
        news = brief(session.events, since=None, reader=self.reader)
        asks = bool(news.contents) and news.contents[-1].role != "model"
        return news.contents if news.open_question is asks else None


def _issues(event: Event, handle: str) -> bool:
    update = event.live_session_resumption_update
    return update is not None and update.new_handle == handle


def config_of(run: RunConfig, generation: GenerateContentConfig | None) -> LiveConnectConfig:
    """The connection's settings: audio is the answer's modality unless the run says otherwise."""
    if run.http_options is not None:
        raise InvalidConfig("http_options cannot be set for a live run: set the base URL on the model")
    fields = {name: getattr(run, name) for name in _FROM_RUN}
    if generation is not None:
        fields.update({name: getattr(generation, name) for name in _FROM_AGENT})
    modalities = [Modality(one) for one in run.response_modalities or [Modality.AUDIO]]
    return LiveConnectConfig(response_modalities=modalities, **fields)
