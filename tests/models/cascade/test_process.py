"""Worker processes: answers, death, and that nothing of them stays."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from fullduplex.errors import EngineUnavailable
from fullduplex.models.cascade.process import WorkerProcess
from fullduplex.models.cascade.tts import VOICES, EspeakHelper, Flite, find_synthesizer
from tests.needs import needs


def _gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


async def test_espeak_speaks_in_its_own_process_and_survives_its_death() -> None:
    needs("espeakng_loader")
    helper = EspeakHelper()
    threads = threading.active_count()
    pids = []
    try:
        pcm = await helper.speak("It is noon.", "")
        assert 0.4 < len(pcm) / 48_000 < 2.0
        assert (await helper.ipa(["tokyo"]))["tokyo"].startswith("tˈoʊk")
        worker = helper._worker
        assert worker is not None
        pids.append(worker.pid)
        assert "espeak" not in Path("/proc/self/maps").read_text(), "GPL code is not loaded in this process"
        os.kill(worker.pid, signal.SIGKILL)
        worker._process.wait()
        for thread in worker._threads:
            thread.join()
        assert len(await helper.speak("Again.", "")) > 0
        worker.kill()
        assert helper._worker is not None
        pids.append(helper._worker.pid)
    finally:
        await helper.aclose()
    assert all(map(_gone, pids))
    assert threading.active_count() == threads


async def test_a_request_to_a_dying_worker_is_told() -> None:
    needs("espeakng_loader")
    worker = WorkerProcess("espeak")
    try:
        await worker.request("ipa", b"warm")
        os.kill(worker.pid, signal.SIGSTOP)
        request = asyncio.create_task(worker.request("speak", b"hello"))
        await asyncio.sleep(0)
        os.kill(worker.pid, signal.SIGKILL)
        with pytest.raises(EngineUnavailable):
            await request
        with pytest.raises(EngineUnavailable):
            await worker.request("speak", b"hello")
    finally:
        worker.kill()


def test_a_worker_does_not_outlive_its_parent(tmp_path: object) -> None:
    """Killed with SIGKILL, the parent cannot tidy up: the worker sees its input end."""
    needs("espeakng_loader")
    code = (
        "from fullduplex.models.cascade.process import WorkerProcess; import time\n"
        "w = WorkerProcess('espeak'); print(w.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while not _gone_or_zombie(pid):
        assert time.monotonic() < deadline, "the worker still runs"
        time.sleep(0.02)


def _gone_or_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def test_flite_speaks_without_leading_silence() -> None:
    needs("flite")
    engine = Flite()
    try:
        pcm = await engine.speak("It is noon.", "slt")
        first = next(
            i for i in range(0, len(pcm), 2) if abs(int.from_bytes(pcm[i : i + 2], "little", signed=True)) > 250
        )
        assert first / 48 <= 16, "at most 10 ms of silence and one frame of 5"
        assert 0.4 < len(pcm) / 48_000 < 2.0
        unknown, other = await engine.speak("It is noon.", "Puck"), await engine.speak("It is noon.", "awb")
        assert len(unknown) == pytest.approx(len(pcm), rel=0.03), "an unknown voice is the default one"
        assert len(other) != pytest.approx(len(pcm), rel=0.03)
        assert engine.knows("awb")
        assert not engine.knows("Puck")
    finally:
        await engine.aclose()


async def test_espeak_has_a_voice_for_each_of_flites() -> None:
    needs("espeakng_loader")
    engine = EspeakHelper()
    try:
        words = "I have a question about my bill, please."
        long = {voice: len(await engine.speak(words, voice)) for voice in (*VOICES, "en-us", "Puck")}
        assert long["slt"] > 1.03 * max(long["rms"], long["awb"])
        assert long["Puck"] == pytest.approx(long["en-us"], rel=0.01), "an unknown voice is the default one"
        assert all(engine.knows(voice) for voice in (*VOICES, "en-gb"))
        assert not engine.knows("Puck")
    finally:
        await engine.aclose()


def test_an_engine_that_is_not_there_is_named() -> None:
    with pytest.raises(EngineUnavailable, match="no speech engine"):
        find_synthesizer("festival")
