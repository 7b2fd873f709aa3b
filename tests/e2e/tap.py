"""A tap on what the page plays: every sample behind the volume, on the audio clock, and no word of the page's books.

It is put into the page by the test. The agent's voice is taken to be tagged audio (`fullduplex.testing.tagged_audio`),
which is never zero and knows which part of an answer it is.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fullduplex.testing import tagged_audio
from tests.web.browser import VoicePage

RATE = 24_000
SLICE = tagged_audio.slice_bytes(RATE) // 2
_BURST = 1_024

_WORKLET = """
class Tap extends AudioWorkletProcessor {
  constructor() {
    super();
    this.blocks = [];
    this.from = this.end = this.cut = 0;
    this.port.onmessage = ({ data }) => {
      if (data === "cut") {
        this.cut = this.end;
        return;
      }
      const { blocks } = this;
      const samples = new Int16Array(blocks.length * 128);
      blocks.forEach((block, index) => samples.set(block, index * 128));
      this.blocks = [];
      this.port.postMessage({ from: this.from, cut: this.cut, samples });
    };
  }
  process([[input]]) {
    if (this.blocks.length === 0) this.from = currentFrame;
    const block = new Int16Array(128);
    if (input) for (let i = 0; i < 128; i += 1) block[i] = Math.round(input[i] * 32768);
    this.blocks.push(block);
    this.end = currentFrame + 128;
    return true;
  }
}
registerProcessor("tap", Tap);
"""

_ATTACH = """async (worklet) => {
  const { context, volume } = fullduplex.player;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([worklet], { type: "text/javascript" })));
  const node = new AudioWorkletNode(context, "tap", { outputChannelCount: [1] });
  volume.connect(node).connect(context.destination);
  window.tap = { node, latencies: [] };
  const clear = fullduplex.player.clear.bind(fullduplex.player);
  fullduplex.player.clear = (response) => {
    node.port.postMessage("cut");
    clear(response);
  };
  const look = () => tap.latencies.push([
    context.currentTime * context.sampleRate, context.outputLatency || context.baseLatency, performance.now()
  ]);
  look();
  setInterval(look, 20);
}"""

_TAKE = """async () => {
  const data = await new Promise((resolve) => {
    tap.node.port.onmessage = ({ data }) => resolve(data);
    tap.node.port.postMessage("take");
  });
  const bytes = new Uint8Array(data.samples.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 32768) text += String.fromCharCode(...bytes.subarray(i, i + 32768));
  return { from: data.from, cut: data.cut, samples: btoa(text), latencies: tap.latencies.splice(0) };
}"""


@dataclass(frozen=True)
class Tapped:
    """A stretch of what was played.

    `cut` is the frame at which the player was last told to fall silent; `latencies` has (audio frame, output latency in
    seconds, page's ms), oldest first.
    """

    from_frame: int
    cut: int
    samples: npt.NDArray[np.int16]
    latencies: list[tuple[float, float, float]]

    @property
    def frames(self) -> npt.NDArray[np.int64]:
        """The audio clock's frame of each sample of the agent's."""
        return np.nonzero(self.samples)[0] + self.from_frame

    @property
    def voice(self) -> npt.NDArray[np.int16]:
        """The agent's samples without the silence around and between them."""
        return self.samples[self.samples != 0]

    def latency_at(self, frame: float) -> float:
        """The output latency that the browser told last before `frame`, in frames."""
        told = [latency for at, latency, _ in self.latencies if at <= frame]
        return (told[-1] if told else self.latencies[0][1]) * RATE

    def heard_ms(self) -> float:
        """How much of the only answer in it had left the speaker when it was cut off.

        Raises AssertionError when a slice of the answer was left out, doubled or cut anywhere but at its end.
        """
        numbers = tagged_audio.decode(self.voice.tobytes(), RATE)
        whole = numbers[: len(self.voice) // SLICE]
        assert whole == list(range(whole[0], whole[0] + len(whole))), "what was played is not what was sent"
        # The player obeys between two bursts of rendering. While it had run dry, only the order itself tells when.
        cut = max(self.cut, int(self.frames[-1]) + 1)
        assert cut - self.cut <= _BURST, "it sounded on after it was told to fall silent"
        left = np.searchsorted(self.frames, cut - self.latency_at(cut))
        return float(left) / RATE * 1_000

    def onset_ms(self) -> float:
        """When the first sample of the agent's left the speaker, in ms of the page's clock.

        The audio clock goes by leaps: one buffer is rendered at a time, and its first sample leaves the speaker one
        output latency after that. So of all looks at the clock those count that find it furthest behind, just before a
        leap; not the very furthest, which may be a buffer that was rendered late.
        """
        behind = np.percentile([at - clock / RATE * 1_000 for clock, _, at in self.latencies], 95)
        frame = float(self.frames[0])
        return float(behind) + (frame + self.latency_at(frame)) / RATE * 1_000


class Tap:
    """The tap in a page whose player runs."""

    def __init__(self, voice: VoicePage) -> None:
        self._voice = voice

    @classmethod
    async def attach(cls, voice: VoicePage) -> Tap:
        """Puts the tap behind the player's volume."""
        await voice.allow_sound()
        await voice.page.evaluate(_ATTACH, _WORKLET)
        return cls(voice)

    async def take(self) -> Tapped:
        """What was played since the last time."""
        found: dict[str, Any] = await self._voice.page.evaluate(_TAKE)
        samples = np.frombuffer(base64.b64decode(found["samples"]), dtype="<i2")
        return Tapped(int(found["from"]), int(found["cut"]), samples, [tuple(one) for one in found["latencies"]])
