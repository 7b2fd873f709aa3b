"""Keeps a recording of a run: what was heard and shown goes to the artifact service, and the session refers to it.

Saving goes on beside the conversation, in tasks of its own: a service that is slow or fails costs the recording and
nothing else. What a file holds is decided in `turns.recording`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote

from fullduplex.agents.contexts import InvocationContext
from fullduplex.agents.run_config import LiveBlobConfig
from fullduplex.artifacts import BaseArtifactService
from fullduplex.errors import FullduplexError
from fullduplex.events import Event
from fullduplex.live.ambient import Ambient
from fullduplex.turns.answer_text import sound_of
from fullduplex.turns.recording import Kind, Recording, Recordings, expired
from fullduplex.types.content import Blob, Content, FileData, Part

logger = logging.getLogger(__name__)

PATIENCE_S = 1.0  # the end of a turn waits so long for its references
SAVE_DEADLINE_S = 10.0
MAX_AT_ONCE = 4
MAX_WAITING_BYTES = 32 * 1024 * 1024
MAX_FRAMES = 50  # that one event refers to

_SEGMENT = "@:!$&'()*+,;="  # what one segment of a path may hold as it is


class Show(Protocol):
    """Takes an event that goes to the app and into the session; with `ready`, when that says so (see `Scribe`)."""

    def __call__(self, event: Event, *, ready: asyncio.Future[bool] | None = None) -> None: ...


class _File(NamedTuple):
    """A recording that is being saved; `data` has its `file_uri` when it is."""

    author: str
    data: FileData
    saving: asyncio.Task[None]


class Recorder:
    """The recording of one run. `show` is its scribe's; `lost` counts the files that could not be saved."""

    show: Show

    def __init__(
        self, *, ctx: InvocationContext, service: BaseArtifactService, config: LiveBlobConfig, ambient: Ambient
    ) -> None:
        self._ctx = ctx
        self._service = service
        self._config = config
        self._ambient = ambient
        self._whose = {"app_name": ctx.app_name, "user_id": ctx.user_id, "session_id": ctx.session.id}
        self._recordings = Recordings(audio=config.audio, video=config.video, max_file_s=config.max_file_s)
        self._turn_to_save = asyncio.Semaphore(MAX_AT_ONCE)
        self._waiting_bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._frames: list[_File] = []
        self._answer: list[_File] = []
        self._waiting: set[asyncio.Future[bool]] = set()
        self._latest: asyncio.Task[None] | None = None
        self._names: set[str] | None = None
        self._fails = False
        self.lost = 0

    @classmethod
    def of(cls, ctx: InvocationContext, ambient: Ambient) -> Recorder | None:
        """The recorder that the run's settings ask for; None when it is not to be, or cannot be, recorded."""
        run = ctx.run_config
        config = run.live_blob or LiveBlobConfig()
        if not run.save_live_blob or ctx.artifact_service is None or ambient.chance() >= config.sample:
            return None
        return cls(ctx=ctx, service=ctx.artifact_service, config=config, ambient=ambient)

    def sent(self, blob: Blob) -> None:
        """The model was sent this."""
        for recording in self._recordings.sent(blob, self._ambient.now()):
            file = self._save(recording)
            if recording.kind is Kind.INPUT_VIDEO:
                self._frames.append(file)
            else:
                self._refer([file], in_place=False)
        if len(self._frames) >= MAX_FRAMES:
            self._refer_to_frames(in_place=False)

    def before(self, event: Event) -> None:
        """`event` is about to be shown; before the end of a turn comes what was said in it. Speech and silence, which
        are wanted at once, end all waiting."""
        if event.turn_complete:
            self._turn_over()
        if event.interrupted or sound_of(event) is not None:
            for ready in self._waiting:
                _settle(ready, False)

    def after(self, event: Event) -> None:
        """`event` was shown."""
        if (blob := sound_of(event)) is not None:
            for recording in self._recordings.received(event.author, blob, self._ambient.now()):
                self._refer([self._save(recording)], in_place=False)
        if event.generation_complete or event.interrupted:
            self._answer += map(self._save, self._recordings.answer_over())
        if event.interrupted:
            self._refer_to_answer()

    async def finish(self, deadline_s: float) -> None:
        """The run is over: saves the rest, and waits for so long at most."""
        self._turn_over()
        # Cancelled: somebody wants to be gone, and the session is still to be written.
        with contextlib.suppress(TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(deadline_s):
                while self._tasks:
                    await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=deadline_s)
        if self.lost:
            logger.warning("session %s: %d recordings are lost", self._ctx.session.id, self.lost)

    # -- references ---------------------------------------------------------------------------------------------------

    def _turn_over(self) -> None:
        self._refer_to_frames()
        for recording in self._recordings.turn_over():
            file = self._save(recording)
            if recording.kind is Kind.OUTPUT_AUDIO:
                self._answer.append(file)
            else:
                self._refer([file])
        self._refer_to_answer()

    def _refer_to_frames(self, *, in_place: bool = True) -> None:
        frames, self._frames = self._frames, []
        if frames:
            self._refer(frames, in_place=in_place)

    def _refer_to_answer(self) -> None:
        answer, self._answer = self._answer, []
        for file in answer:
            self._refer([file])

    def _refer(self, files: list[_File], *, in_place: bool = True) -> None:
        """Refers to `files`, of one author, in an event that has its place here, or comes when they are saved."""
        event = self._reference(files)
        ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if in_place:
            self._waiting.add(ready)
            ready.add_done_callback(self._waiting.discard)
            self._tell(event, ready=ready)
        else:
            ready.set_result(False)
        earlier = [self._latest] if self._latest is not None else []
        saving = [file.saving for file in files]
        self._latest = self._begin(self._await([*earlier, *saving], files, event, ready), "reference")

    def _reference(self, files: list[_File]) -> Event:
        role = "user" if files[0].author == "user" else "model"
        content = Content(role=role, parts=[Part(file_data=file.data) for file in files])
        return self._event(files[0].author, content=content)

    async def _await(
        self, tasks: list[asyncio.Task[None]], files: list[_File], event: Event, ready: asyncio.Future[bool]
    ) -> None:
        """Says when `event` is ready. What is saved too late for its place is referred to in another one."""
        try:
            _, late = await asyncio.wait(tasks, timeout=PATIENCE_S)
            if late:
                _settle(ready, False)
                await asyncio.wait(tasks)
            saved = [file for file in files if file.data.file_uri is not None]
            if not ready.done() and event.content is not None:
                event.content.parts = [Part(file_data=file.data) for file in saved]
                ready.set_result(bool(saved))
            elif saved:
                self._tell(self._reference(saved))
        finally:
            _settle(ready, False)

    def _event(self, author: str, **fields: Any) -> Event:
        now, new_id = self._ambient.now(), self._ambient.new_id()
        return Event(author=author, invocation_id=self._ctx.invocation_id, id=new_id, timestamp=now, **fields)

    def _tell(self, event: Event, *, ready: asyncio.Future[bool] | None = None) -> None:
        with contextlib.suppress(FullduplexError):  # nobody reads: the run learns that from its own events
            self.show(event, ready=ready)

    # -- saving -------------------------------------------------------------------------------------------------------

    def _begin(self, work: Coroutine[None, None, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _save(self, recording: Recording) -> _File:
        data = FileData(mime_type=recording.mime_type)
        return _File(recording.author, data, self._begin(self._keep(recording, data), "recording"))

    async def _keep(self, recording: Recording, data: FileData) -> None:
        """Saves `recording` and puts its address into `data`; what fails is told of."""
        size, name = len(recording.data), recording.filename
        if self._waiting_bytes + size > MAX_WAITING_BYTES:
            self._lose(name, "too much waits for the artifact service")
            return
        self._waiting_bytes += size
        media = Part(inline_data=Blob(data=recording.data, mime_type=recording.mime_type))
        try:
            async with self._turn_to_save, asyncio.timeout(SAVE_DEADLINE_S):
                version = await self._service.save_artifact(**self._whose, filename=name, artifact=media)
        except asyncio.CancelledError:
            self._lose(name, "the run ended before it was saved")
            raise
        except Exception as error:  # the service is the app's
            late = f"not saved within {SAVE_DEADLINE_S:.0f} s" if isinstance(error, TimeoutError) else error
            self._lose(name, late)
        else:
            self._fails = False
            place = "/".join(quote(segment, safe=_SEGMENT) for segment in self._whose.values())
            data.file_uri = f"artifact://{place}/_adk_live/{name}#{version}"
            if self._config.keep_last is not None or self._config.max_age_s is not None:
                self._begin(self._discard(name), "retention")
        finally:
            self._waiting_bytes -= size

    def _lose(self, name: str, reason: object) -> None:
        """Logs each loss; the app is told of the first, and of the first after one that was saved."""
        self.lost += 1
        logger.warning("recording %s is lost: %s", name, reason)
        if not self._fails:
            self._fails = True
            message = f"recording {name} is lost: {reason}"
            self._tell(
                self._event(
                    self._ctx.agent_name, error_code="recording_failed", error_message=message, recoverable=True
                )
            )

    async def _discard(self, latest: str) -> None:
        """Deletes the session's recordings that are not to be kept any longer."""
        try:
            async with self._turn_to_save, asyncio.timeout(SAVE_DEADLINE_S):
                if self._names is None:
                    self._names = set(await self._service.list_artifact_keys(**self._whose))
                self._names.add(latest)
                now, config = self._ambient.now(), self._config
                for name in expired(self._names, now, max_age_s=config.max_age_s, keep_last=config.keep_last):
                    self._names.discard(name)
                    await self._service.delete_artifact(**self._whose, filename=name)
        except Exception as error:  # the service is the app's
            logger.warning("old recordings of session %s are not deleted: %s", self._ctx.session.id, error)


def _settle(ready: asyncio.Future[bool], value: bool) -> None:
    if not ready.done():
        ready.set_result(value)
