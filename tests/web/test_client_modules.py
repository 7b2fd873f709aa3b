"""The pure modules of the JavaScript client, run in the browser: base64, PCM, resampling, the ring, silence."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from .conftest import Modules

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.spec(171)
async def test_base64_of_both_alphabets_with_and_without_padding_decodes(modules: Modules) -> None:
    payloads = [bytes(range(256)), b"\xff\xfe\xfb\xef\xbe", b"\xfb", b"\xff\xff", b"", b"\x00" * 1_921]
    cases = []
    for payload in payloads:
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            text = encode(payload).decode()
            cases += [(text, list(payload)), (text.rstrip("="), list(payload))]
    assert any("-" in text and "_" in text for text, _ in cases)
    assert any("+" in text and "/" in text for text, _ in cases)
    texts = [text for text, _ in cases]
    decoded = await modules.run("client/base64.js", "return arg.map((text) => [...m.decodeBase64(text)]);", texts)
    assert decoded == [payload for _, payload in cases]


async def test_text_that_is_not_base64_is_refused(modules: Modules) -> None:
    outcome = await modules.run(
        "client/base64.js",
        "return arg.map((t) => { try { m.decodeBase64(t); return 'read'; } catch (e) { return e.name; } });",
        ["not base64!", "A", "ÄÖÜ"],
    )
    assert outcome == ["RangeError"] * 3


async def test_base64_encodes_long_data_and_tells_lengths(modules: Modules) -> None:
    payload = bytes(np.random.default_rng(1).integers(0, 256, 100_001, dtype=np.uint8))
    text, length = await modules.run(
        "client/base64.js",
        "const text = m.encodeBase64(Uint8Array.from(arg)); return [text, m.base64ByteLength(text)];",
        list(payload),
    )
    assert base64.b64decode(text) == payload
    assert length == len(payload)


async def test_float_samples_become_clipped_int16(modules: Modules) -> None:
    pcm = await modules.run(
        "client/pcm.js", "return [...m.floatToInt16(Float32Array.from(arg))];", [0, 1, -1, 2, -2, 0.5]
    )
    assert pcm == [0, 32767, -32767, 32767, -32767, 16384]


@pytest.mark.parametrize(("from_rate", "to_rate"), [(48_000, 16_000), (44_100, 16_000), (22_050, 24_000)])
async def test_resampler_keeps_speech_and_removes_what_the_lower_rate_cannot_carry(
    modules: Modules, from_rate: int, to_rate: int
) -> None:
    code = """
      const [from, to, hertz] = arg;
      const resampler = new m.Resampler(from, to);
      const out = [];
      for (let block = 0; block < 80; block += 1) {
        const at = (i) => (block * 128 + i) / from;
        out.push(...resampler.push(Float32Array.from({length: 128}, (_, i) => Math.sin(2 * Math.PI * hertz * at(i)))));
      }
      return out;
    """
    module = "client/resampler.js"
    kept = np.array(await modules.run(module, code, [from_rate, to_rate, 1_000]))
    at = np.arange(len(kept)) / to_rate
    expected = np.sin(2 * np.pi * 1_000 * at)
    assert abs(len(kept) - 80 * 128 * to_rate / from_rate) < 20 * max(1, to_rate / from_rate)
    middle = slice(100, -100)
    assert np.max(np.abs(kept[middle] - expected[middle])) < 0.01

    if to_rate < from_rate:
        removed = np.array(await modules.run(module, code, [from_rate, to_rate, 11_000]))
        assert np.sqrt(np.mean(removed[middle] ** 2)) < 0.01


async def test_frames_have_one_size_whatever_the_blocks_are(modules: Modules) -> None:
    frames = await modules.run(
        "worklets/frame_chunker.js",
        """const chunker = new m.FrameChunker(320);
           let next = 0;
           const frames = [];
           for (const size of [128, 128, 128, 700, 1, 0, 200]) {
             frames.push(...chunker.push(Float32Array.from({length: size}, () => next++)));
           }
           return frames.map((frame) => [...frame]);""",
    )
    assert [len(frame) for frame in frames] == [320, 320, 320, 320]
    assert [sample for frame in frames for sample in frame] == list(range(1_280))


RING = "worklets/ring_buffer.js"


async def test_ring_plays_samples_exactly_and_then_silence(modules: Modules) -> None:
    first, second, totals, books = await modules.run(
        RING,
        """const ring = new m.PlayoutBuffer(1000);
           ring.push(Int16Array.from({length: 100}, (_, i) => i * 300 - 15000), 1);
           ring.push(Int16Array.from({length: 100}, (_, i) => i), 2);
           const first = new Float32Array(128), second = new Float32Array(128);
           ring.pull(first, 5000);
           ring.pull(second, 5128);
           return [[...first], [...second], ring.totals, ring.responses()];""",
    )
    expected = [*(i * 300 - 15_000 for i in range(100)), *range(100), *([0] * 56)]
    assert [round(sample * 32_768) for sample in first + second] == expected
    assert totals == {"received": 200, "rendered": 200, "dropped": 0, "cleared": 0, "silent": 56}
    assert [(book["response"], book["firstFrame"], book["lastFrame"]) for book in books] == [
        (1, 5000, 5100),
        (2, 5100, 5200),
    ]


async def test_full_ring_drops_the_oldest_and_says_whose(modules: Modules) -> None:
    heard, books, totals = await modules.run(
        RING,
        """const ring = new m.PlayoutBuffer(100);
           ring.push(new Int16Array(80).fill(1), 1);
           ring.push(new Int16Array(60).fill(2), 2);
           ring.push(new Int16Array(250).fill(3), 3);
           const out = new Float32Array(100);
           ring.pull(out, 0);
           return [[...out], ring.responses(), ring.totals];""",
    )
    assert {round(sample * 32_768) for sample in heard} == {3}
    assert [(book["response"], book["received"], book["dropped"], book["rendered"]) for book in books] == [
        (1, 80, 80, 0),
        (2, 60, 60, 0),
        (3, 250, 150, 100),
    ]
    assert totals["received"] == totals["rendered"] + totals["dropped"]


async def test_ring_books_balance_in_any_order_of_use(modules: Modules) -> None:
    violations = await modules.run(
        RING,
        """const ring = new m.PlayoutBuffer(500);
           let seed = 7, written = 0, frame = 0;
           const random = (n) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
           const violations = [];
           for (let step = 0; step < 3000; step += 1) {
             const what = random(10);
             if (what < 5) ring.push(new Int16Array(random(200)), 1 + Math.floor(step / 100));
             else if (what < 9) { ring.pull(new Float32Array(128), frame); frame += 128; }
             else ring.clear();
             const { received, rendered, dropped, cleared } = ring.totals;
             if (received !== rendered + dropped + cleared + ring.buffered) violations.push(["totals", step]);
             if (ring.buffered > 500 || ring.buffered < 0) violations.push(["buffered", step]);
             if (ring.runs.reduce((sum, run) => sum + run.count, 0) !== ring.buffered) violations.push(["runs", step]);
           }
           ring.clear();
           for (const book of ring.responses()) {
             if (book.received !== book.rendered + book.dropped + book.cleared) violations.push(book);
           }
           return violations;""",
    )
    assert violations == []


@pytest.mark.parametrize(
    ("spaced", "clean"),
    [
        ("今日 の 天気 は", "今日の天気は"),
        ("東京 。 晴れ", "東京。晴れ"),
        ("你好 world 你 好", "你好 world 你好"),
        ("오늘 날씨 어때", "오늘 날씨 어때"),
        ("plain words stay", "plain words stay"),
    ],
)
async def test_blanks_between_cjk_characters_go(modules: Modules, spaced: str, clean: str) -> None:
    assert await modules.run("client/cjk.js", "return m.cleanCjkSpacing(arg);", spaced) == clean


@pytest.mark.parametrize(
    ("scheme", "expected"), [("http:", "ws://host:80/ws/a%20b/s%2F1"), ("https:", "wss://host:80/ws/a%20b/s%2F1")]
)
async def test_socket_address_follows_the_page(modules: Modules, scheme: str, expected: str) -> None:
    url = await modules.run(
        "client/identity.js", "return m.socketUrl({protocol: arg, host: 'host:80'}, 'a b', 's/1');", scheme
    )
    assert url == expected


@pytest.mark.parametrize(
    ("what_happens", "verdicts"),
    [
        ("-" * 12, ["fine"] * 2 + ["ask"] * 2 + ["faint"] * 7 + ["lost"]),
        ("----!---", ["fine", "fine", "ask", "ask", "fine", "fine", "ask"]),  # an answer, and all is as before
        ("-o--", ["fine", "faint", "lost"]),  # the system says that there is no network …
        ("-o-!--", ["fine", "faint", "fine", "fine"]),  # … but the server is on this machine
        ("-----------o-", ["fine"] * 2 + ["ask"] * 2 + ["faint"] * 7 + ["lost"]),  # it gives no more time
    ],
)
async def test_what_the_servers_silence_means(modules: Modules, what_happens: str, verdicts: list[str]) -> None:
    """`-` a second without a frame, `!` a frame, `o` the system is offline."""
    code = """const silence = new m.Silence();
              const acts = { "-": () => silence.pass(), "!": () => silence.break(), o: () => silence.offline() };
              return [...arg].map((happens) => acts[happens]()).filter((verdict) => verdict);"""
    assert await modules.run("client/silence.js", code, what_happens) == verdicts
