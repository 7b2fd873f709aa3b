"""The voice path with real engines: what is heard, how fast it answers, and how fast it falls silent.

Spoken by flite's voices slt, rms and awb, never by espeak-ng, whose voices the recogniser does not understand. No
human speech is measured here. The gate's threshold was set with these voices in view: the figures are those of a
demonstration, not of a product.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time

import numpy as np
import pytest

from fullduplex.models.cascade.engines import Engines
from fullduplex.models.cascade.hearing import Ears, Heard, Hearing, HearingSettings
from fullduplex.models.cascade.router import Calls, Router
from fullduplex.tools import flow
from fullduplex.types import Blob
from tests.machine import Slowness
from tests.models.cascade.conftest import Say
from tests.models.cascade.declarations import DEMO_DECLARATIONS
from tests.models.cascade.domain import IN_DOMAIN, OUT_OF_DOMAIN
from tests.models.cascade.fakes import DEMO, Client, talk
from tests.models.cascade.test_flow import lobby, stop_streaming, watch_price

VOICES = ("slt", "rms", "awb")
MIC = 640 * 2
AT_ONCE = 4


async def hear(engines: Engines, router: Router, pcm: bytes) -> Heard:
    """What the ears make of an utterance with silence around it, as fast as they can."""
    done: asyncio.Future[Heard] = asyncio.get_running_loop().create_future()
    ears = Ears(lambda: None, lambda heard: done.done() or done.set_result(heard), done.set_exception)  # type: ignore[arg-type, return-value]
    hearing = Hearing(ears, engines.detector(), engines.recognizer(router), HearingSettings())
    task = asyncio.create_task(hearing.run())
    hearing.put((bytes(16_000) + pcm + bytes(32_000), 16_000))
    try:
        return await asyncio.wait_for(done, 30)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def hear_all(engines: Engines, utterances: list[bytes], router: Router | None = None) -> list[Heard]:
    """Several at once, as sessions share the workers."""
    router = router or engines.router(DEMO_DECLARATIONS)
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(pcm: bytes) -> Heard:
        async with limit:
            return await hear(engines, router, pcm)

    return await asyncio.gather(*map(one, utterances))


def decided(engines: Engines, heard: Heard) -> object:
    """What the connection would do about it."""
    return engines.router(DEMO_DECLARATIONS).route(heard.text) if heard.in_domain else None


@pytest.mark.timeout(180)
async def test_spoken_sentences_of_the_domain(engines: Engines, say: Say) -> None:
    """At least 90 % of 25 sentences by 3 voices lead to the right tool with the right arguments."""
    said = [(voice, *sentence) for voice in VOICES for sentence in IN_DOMAIN]
    heard = await hear_all(engines, [say(text, voice) for voice, text, _, _ in said])
    wrong = []
    for (voice, text, tool, args), result in zip(said, heard, strict=True):
        match decided(engines, result):
            case Calls((call,)) if call.name == tool and call.args == args:
                pass
            case decision:
                wrong.append(f"{voice}: {text!r} heard as {result.text!r} -> {decision}")
    print(f"right: {len(said) - len(wrong)} of {len(said)}", *wrong, sep="\n")
    assert len(wrong) <= len(said) // 10, "\n".join(wrong)


@pytest.mark.timeout(180)
async def test_spoken_sentences_outside_the_domain(engines: Engines, say: Say) -> None:
    """At most 8 of 30 sentences call a tool; each voice says ten of them."""
    said = [(VOICES[index % 3], text) for index, text in enumerate(OUT_OF_DOMAIN)]
    heard = await hear_all(engines, [say(text, voice) for voice, text in said])
    wrong = [
        f"{voice}: {text!r} heard as {result.text!r} -> {decision}"
        for (voice, text), result in zip(said, heard, strict=True)
        if isinstance(decision := decided(engines, result), Calls)
    ]
    print(f"false calls: {len(wrong)} of {len(said)}")
    assert len(wrong) <= 8, "\n".join(wrong)


@pytest.mark.timeout(180)
async def test_spoken_handovers(engines: Engines, say: Say) -> None:
    """At least 90 % of 7 sentences by 3 voices lead where they should."""
    router = lobby(watch_price, stop_streaming, flow.task_completed)
    sentences = {
        "let me talk to billing": "billing_agent",
        "I have a question about my bill": "billing_agent",
        "my card was charged twice": "billing_agent",
        "talk to rooms": "rooms",
        "go back to the front desk": "front_desk",
        "stop watching the price": "watch_price",
        "next please": "",
    }
    said = [(voice, text, meant) for text, meant in sentences.items() for voice in VOICES]
    wrong = []
    for (voice, text, meant), heard in zip(
        said, await hear_all(engines, [say(text, voice) for voice, text, _ in said], router), strict=True
    ):
        decision = router.route(heard.text) if heard.in_domain else None
        if not isinstance(decision, Calls) or "".join(decision.calls[0].args.values()) != meant:
            wrong.append(f"{voice}: {text!r} heard as {heard.text!r} -> {decision}")
    assert len(wrong) <= 2, "\n".join(wrong)


class Microphone:
    """Sends sound in real time, 40 ms at a time, silence when there is nothing to say."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._pending = b""

    async def run(self) -> None:
        """Until cancelled."""
        now = asyncio.get_running_loop().time
        due = now()
        while True:
            due += 0.04
            await asyncio.sleep(max(0.0, due - now()))
            chunk, self._pending = self._pending[:MIC], self._pending[MIC:]
            data = chunk + bytes(MIC - len(chunk))
            await self._client.connection.send_realtime(Blob(data=data, mime_type="audio/pcm;rate=16000"))

    def speak(self, pcm: bytes) -> tuple[float, float]:
        """Says it; the times of its first loud sample and of its last."""
        now = asyncio.get_running_loop().time()
        self._pending = pcm
        loud = np.nonzero(np.abs(np.frombuffer(pcm, "<i2").astype(np.int32)) > 400)[0]
        return now + int(loud[0]) / 16_000, now + int(loud[-1]) / 16_000


def first_audible(client: Client, since: int) -> float | None:
    """When the first audible sample came down, among messages from `since` on: arrival plus its place in the piece."""
    for message, when in list(zip(client.messages, client.times, strict=True))[since:]:
        content = message.server_content
        if content is None or content.model_turn is None or not (content.model_turn.parts or [])[0].inline_data:
            continue
        samples = np.frombuffer((content.model_turn.parts or [])[0].inline_data.data or b"", "<i2")  # type: ignore[union-attr]
        loud = np.nonzero(np.abs(samples.astype(np.int32)) > 400)[0]
        if len(loud):
            return when + int(loud[0]) / 24_000
    return None


async def _delays(engines: Engines, say: Say, turns: list[tuple[str, str]]) -> list[float]:
    delays = []
    async with talk(engines, alone=False) as client:
        microphone = Microphone(client)
        stream = asyncio.create_task(microphone.run())
        try:
            for number, (voice, text) in enumerate(turns, 1):
                pcm = say(text, voice)
                since = len(client.messages)
                _, end = microphone.speak(pcm)
                await client.until(lambda since=since: first_audible(client, since) is not None)  # type: ignore[misc]
                heard = first_audible(client, since)
                assert heard is not None
                delays.append(heard - end)
                await client.until_turns(number)
        finally:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
    return delays


TURNS = ["what time is it in Tokyo", "what is twelve times seven", "roll two dice"]


@pytest.mark.timeout(120)
async def test_end_of_speech_to_first_sound(engines: Engines, say: Say) -> None:
    """95 % of answers are audible within 800 ms, 400 of them silence; real time, and three sessions at once.

    On a machine that is half as fast they are fewer: with more work than it can do, what waits would grow and grow.
    """
    await engines.prewarm(DEMO)
    slowness = Slowness()
    for attempt in ("first", "second"):  # the claim is about the program: a moment of load gets a second chance
        for _ in range(5):
            slowness.look()
        delays, at_once = [], max(1, int(len(VOICES) / slowness.factor + 0.35))
        for first in range(0, len(VOICES), at_once):
            sessions = [[(voice, text) for text in TURNS] for voice in VOICES[first : first + at_once]]
            for each in await asyncio.gather(*(_delays(engines, say, turns) for turns in sessions)):
                delays += each
        shown = sorted(round(delay * 1000) for delay in delays)
        print(f"end of speech to first sound, {attempt} round, {at_once} at once, ms:", shown)
        assert min(delays) > 0.3, "nothing can answer before the silence that ends a turn"
        worst = statistics.quantiles(delays, n=20, method="inclusive")[-1]
        for _ in range(5):
            slowness.look()
        limit = slowness.allow(0.8, of_it_waiting=0.4)
        if worst <= limit:
            return
    pytest.fail(f"p95 {worst * 1000:.0f} ms of {shown}, limit here {limit * 1000:.0f}")


@pytest.mark.timeout(60)
async def test_speech_over_an_answer_interrupts_it(engines: Engines, say: Say) -> None:
    """The interruption comes within 150 ms of the onset (median of five), 100 of them listening; no sound after it."""
    await engines.prewarm(DEMO)
    delays = []
    slowness = Slowness()
    async with talk(engines) as client:
        microphone = Microphone(client)
        stream = asyncio.create_task(microphone.run())
        try:
            for number in range(5):
                await client.type("tell me about yourself")
                sent = len(client.messages)
                await client.until(lambda sent=sent: sum("audio" in k for k in client.kinds()[-2:]) > 0)  # type: ignore[misc]
                await asyncio.sleep(0.3)
                begin, _ = microphone.speak(say("stop", VOICES[number % 3]))
                count = client.kinds().count("interrupted")
                await client.until(lambda count=count: client.kinds().count("interrupted") > count)  # type: ignore[misc]
                delays.append(client.times[len(client.messages) - 1] - begin)
                at = len(client.messages)
                await client.until(lambda: bool(client.text().endswith("Okay.")))
                assert first_audible(client, at) is None or _said_since(client, at).startswith("Okay")
                slowness.look()
        finally:
            stream.cancel()
            await asyncio.gather(stream, return_exceptions=True)
    print("onset to interruption, ms:", sorted(round(delay * 1000) for delay in delays))
    limit = slowness.allow(0.15, of_it_waiting=0.1)
    assert statistics.median(delays) <= limit, [round(delay * 1000) for delay in delays]


def _said_since(client: Client, at: int) -> str:
    contents = (message.server_content for message in client.messages[at:])
    return "".join(c.output_transcription.text or "" for c in contents if c and c.output_transcription)


async def test_a_dead_recogniser_is_reported_and_replaced(engines: Engines, say: Say) -> None:
    router = engines.router(DEMO_DECLARATIONS)
    await engines.prewarm(DEMO)
    for worker in engines._pool._workers:
        os.kill(worker.process.pid, signal.SIGSTOP)
    pending = asyncio.create_task(hear(engines, router, say("count to thirty")))
    await asyncio.sleep(0.3)
    for worker in list(engines._pool._workers):
        os.kill(worker.process.pid, signal.SIGKILL)
    with pytest.raises(Exception, match="recognise worker ended"):
        await pending
    assert (await hear(engines, router, say("count to thirty"))).text == "count to thirty"


async def test_ending_is_fast_and_a_later_use_starts_again(say: Say) -> None:
    own = Engines(workers=1)
    await own.prewarm(DEMO)
    pids = [worker.process.pid for worker in own._pool._workers]
    began = time.perf_counter()
    await own.aclose()
    assert time.perf_counter() - began < 1.0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    try:
        router = own.router(DEMO_DECLARATIONS)
        assert (await hear(own, router, say("count to thirty"))).text == "count to thirty"
    finally:
        await own.aclose()
