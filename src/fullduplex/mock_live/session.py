"""One live session as a state machine: frames and the time in, outputs out. It opens no socket and reads no clock.

The shell calls `receive(raw, now)` for each frame, `tick(now)` when `wakeup` is due, and sends what `take_outputs()`
gives. What a message means is decided here; who speaks when in `floor.py`, what was spoken to it in `ear.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from . import steps
from .conversation import UserTurn, text_of
from .ear import Ear, Heard, SpeechEnded, SpeechStarted
from .floor import Floor
from .handshake import Endpoint, accepted
from .performer import voice_activity
from .reactors import Reactor
from .records import ClientMessage, Connection
from .script import Cursor, Item
from .setup import non_blocking_tools, read_setup
from .stage import Output, Stage, World
from .wire import JsonDict, Violation, parse

_REALTIME_KINDS = ("audio", "video", "mediaChunks", "text", "activityStart", "activityEnd", "audioStreamEnd")


class LiveSession:
    """The server's side of one connection. `connection` is the record that it keeps up to date.

    With `quota` it closes so after the setup. With `story_resumes` a session that is resumed by a handle goes on with
    the story of the session that the handle came from, instead of `cursor`.
    """

    def __init__(
        self,
        connection: Connection,
        endpoint: Endpoint,
        world: World,
        reactor: Reactor,
        cursor: Cursor | None = None,
        quota: steps.Quota | None = None,
        story_resumes: bool = False,
    ) -> None:
        self.connection = connection
        self._stage = Stage(connection, endpoint, world, cursor)
        self._floor = Floor(self._stage, reactor, connection.opened_at)
        self._quota = quota
        self._story_resumes = story_resumes
        self._ear: Ear | None = None
        self._index = -1
        self._initial_history = False

    # -- the shell's side --------------------------------------------------------------------------------------------

    @property
    def ended(self) -> bool:
        """Whether the session has closed or dropped the connection."""
        return self._stage.ended

    @property
    def responding(self) -> bool:
        """Whether a turn of the model is being played (waiting for a tool included)."""
        return self._floor.taken

    @property
    def wakeup(self) -> float | None:
        """When `tick` has to be called at the latest, or None."""
        return None if self._stage.ended else self._floor.wakeup

    def take_outputs(self) -> list[Output]:
        """What is to be sent, in order; each output is given once."""
        outputs, self._stage.outputs = self._stage.outputs, []
        return outputs

    def receive(self, raw: str | bytes, now: float) -> None:
        """One frame of the client has come."""
        if self._stage.ended:
            return
        self._floor.now = max(now, self._floor.now)
        self._index += 1
        self._stage.world.stats.messages_in += 1
        try:
            self._dispatch(parse(raw, self._stage.options.strict))
        except Violation as violation:
            text = raw if isinstance(raw, str) else raw.decode(errors="replace")
            self._log("invalid", {"reason": violation.reason, "raw": text})
            self._stage.close(violation.code, violation.reason)
        self._floor.advance()

    def tick(self, now: float) -> None:
        """Time has passed."""
        self._floor.now = max(now, self._floor.now)
        self._floor.run_timers()
        self._floor.advance()

    def push(self, items: Sequence[Item], now: float) -> None:
        """Does these steps now: at once if none of them takes time, else as a turn of its own after the present one."""
        self._floor.now = max(now, self._floor.now)
        self._floor.push(items)
        self._floor.advance()

    # -- messages ----------------------------------------------------------------------------------------------------

    def _dispatch(self, message: JsonDict) -> None:
        kind, body = next(iter(message.items()))
        if self._ear is None:
            if kind != "setup":
                raise Violation(1007, f"The first message must be setup, not {kind}.")
            self._log("setup", body)
            self._set_up(body)
            return
        if kind == "setup":
            raise Violation(1007, "setup may be sent only once, as the first message.")
        self._ear.saw(self._index)
        if kind == "realtimeInput":
            kinds = [name for name in _REALTIME_KINDS if name in body]
            if not kinds:
                raise Violation(1007, "realtime_input must have a payload.")
            expected = self._floor.expects({*kinds, *(("audio",) if "mediaChunks" in kinds else ())})
            self._log(kinds[0], body)
            self._realtime(body, expected)
        else:
            expected = self._floor.expects({kind})
            self._log(kind, body)
            if kind == "clientContent":
                self._client_content(body, expected)
            elif kind == "toolResponse":
                self._tool_response(body, expected)
            else:
                self._context_update(body)
        self._stage.consumed = self._ear.consumed

    def _log(self, kind: str, body: JsonDict) -> None:
        if self._stage.options.keep_log:
            self.connection.messages.append(ClientMessage(kind, body, self._floor.now, self._index))

    def _set_up(self, setup: JsonDict) -> None:
        stage = self._stage
        self.connection.setup = setup
        if self._quota is not None:
            stage.close(self._quota.code, self._quota.reason)
            return
        if not accepted(stage.endpoint.credential, stage.options):
            raise Violation(1007, "API key not valid. Please pass a valid API key.")
        config = stage.config = read_setup(setup, stage.endpoint, stage.options)
        if config.handle is not None:
            snapshot = stage.world.handles.snapshots.get(config.handle)
            if snapshot is None:
                raise Violation(1008, "BidiGenerateContent session not found.")
            stage.conversation = snapshot.conversation.copy()
            self.connection.contents = stage.conversation.contents
            self.connection.resumed_from = config.handle
            if self._story_resumes:
                stage.cursor = snapshot.cursor
        stage.conversation.setup = setup
        self._ear = Ear(config, stage.options.hear)
        self._initial_history = config.initial_history and config.family == "3.x"
        self._floor.after(stage.options.setup_delay_s, self._ready)
        if stage.options.max_connection_s is not None:
            lead = min(stage.options.go_away_lead_s, stage.options.max_connection_s)
            self._floor.after(stage.options.max_connection_s - lead, lambda: self._floor.go_away(steps.GoAway(lead)))

    def _ready(self) -> None:
        stage = self._stage
        vertex = stage.endpoint.backend == "vertex"
        stage.send({"setupComplete": {"sessionId": f"mock-session-{self.connection.number}"} if vertex else {}})
        self.connection.ready = True
        if stage.config.resumption and stage.options.resumption_updates == "setup_and_turn":
            stage.update_resumption()
        self._floor.plan_unprompted()

    def _client_content(self, body: JsonDict, expected: bool) -> None:
        talk = self._stage.conversation
        complete = bool(body.get("turnComplete"))
        answer = complete and not expected and not self._initial_history
        if answer or (self._stage.options.partial_content_interrupts and not expected):
            self._floor.interrupt()  # before the content is added: what the model had said stands before it
        for turn in body.get("turns") or []:
            talk.contents.append({"role": "user", **turn})
        if complete:
            self._initial_history = False
        if not answer:
            return
        self._begin(UserTurn("text", " ".join(self._unanswered()), contents=talk.contents[-1:]))

    def _unanswered(self) -> list[str]:
        """Texts of the user since the model last spoke."""
        texts: list[str] = []
        for content in reversed(self._stage.conversation.contents):
            if content.get("role") == "model":
                break
            if text := text_of(content):
                texts.insert(0, text)
        return texts

    def _realtime(self, body: JsonDict, expected: bool) -> None:
        ear = self._ear
        assert ear is not None
        if "mediaChunks" in body and self._stage.config.family == "3.x":
            raise Violation(1007, "realtime_input.media_chunks is deprecated. Use audio, video, or text instead.")
        if "activityStart" in body:
            self._heard(ear.activity_start(), expected)
        for blob in [*(body.get("mediaChunks") or []), *([body["audio"]] if "audio" in body else [])]:
            if str(blob.get("mimeType") or "audio/pcm").startswith("audio/"):
                self._audio(blob, ear, expected)
            else:
                self._image(blob, ear)
        if "video" in body:
            self._image(body["video"], ear)
        if "text" in body and not ear.typed(body["text"]):
            self._typed(body["text"], expected)
        if "activityEnd" in body:
            self._heard(ear.activity_end(), expected)
        if body.get("audioStreamEnd"):
            self._heard(ear.stream_end(), expected)

    def _audio(self, blob: JsonDict, ear: Ear, expected: bool) -> None:
        pcm, heard = ear.audio(blob)
        self._stage.world.stats.audio_bytes_in += len(pcm)
        self.connection.audio_seconds += len(pcm) / 32_000
        if self._stage.options.keep_log:
            self.connection.audio += pcm
            self.connection.audio_mimes.append(str(blob.get("mimeType") or ""))
        self._heard(heard, expected)

    def _image(self, blob: JsonDict, ear: Ear) -> None:
        image = ear.image(blob)
        if self._stage.options.keep_log:
            self.connection.images.append(image)

    def _typed(self, text: str, expected: bool) -> None:
        open_question = " ".join(self._unanswered())
        if not expected:
            self._floor.interrupt()
        self._stage.conversation.add("user", {"text": text})
        if expected:
            return
        # A lone full stop is how clients of 3.x models ask for an answer to the history they have replayed.
        self._begin(UserTurn("text", open_question if text.strip() == "." and open_question else text))

    def _heard(self, events: list[Heard], expected: bool) -> None:
        for event in events:
            self._signal(event)
            if isinstance(event, SpeechStarted):
                if self._stage.config.speech_interrupts and not expected:
                    self._floor.interrupt()
            else:
                self._stage.conversation.add("user", {"text": event.turn.text})
                if not expected:
                    self._begin(event.turn)

    def _signal(self, event: SpeechStarted | SpeechEnded) -> None:
        if not self._stage.config.explicit_vad:
            return
        start = isinstance(event, SpeechStarted)
        signal = "VAD_SIGNAL_TYPE_SOS" if start else "VAD_SIGNAL_TYPE_EOS"
        self._stage.send({"voiceActivityDetectionSignal": {"vadSignalType": signal}})
        self._stage.send(voice_activity(steps.VoiceActivity("start" if start else "end", event.offset_s)))

    def _tool_response(self, body: JsonDict, expected: bool) -> None:
        stage = self._stage
        late: list[JsonDict] = []
        responses = body.get("functionResponses") or []
        if any(response.get("scheduling") == "INTERRUPT" for response in responses) and not self._floor.awaits_tools:
            self._floor.interrupt()
        for response in responses:
            call_id = self._call_id(response)
            pending = stage.pending.get(call_id) if call_id else None
            if pending is None:
                why = "cancelled" if call_id in stage.cancelled else "unknown or answered"
                self.connection.notes.append(f"response to {why} call {call_id or response.get('name')}")
                continue
            response = {"name": pending.name, **response, "id": call_id}
            stage.conversation.add("user", {"functionResponse": response})
            if not response.get("willContinue"):
                del stage.pending[str(call_id)]
            if not self._floor.answer(str(call_id), response):
                late.append(response)
        # Of responses that no turn waits for, the scheduling says whether the model speaks about them.
        if not expected and any(response.get("scheduling") != "SILENT" for response in late):
            self._begin(UserTurn("tool_response", function_responses=late))

    def _call_id(self, response: JsonDict) -> str | None:
        if response.get("id"):
            return str(response["id"])
        if self._stage.endpoint.backend == "gemini":
            raise Violation(1007, "tool_response.function_responses: the id of the function call is required.")
        name = response.get("name")
        return next((call_id for call_id, call in self._stage.pending.items() if call.name == name), None)

    def _context_update(self, body: JsonDict) -> None:
        setup = dict(self._stage.conversation.setup)
        if "systemInstruction" in body:
            setup["systemInstruction"] = body["systemInstruction"]
        if "tools" in body:
            setup["tools"] = body["tools"].get("tools") or []
        self._stage.conversation.setup = setup
        self._stage.config = replace(self._stage.config, non_blocking=non_blocking_tools(setup))

    def _begin(self, user: UserTurn) -> None:
        if self._ear is not None and not user.images:
            user.images = self._ear.take_images()
        self._floor.begin(user)
