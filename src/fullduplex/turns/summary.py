"""A summary of the earlier conversation, as one turn of text; made without a model, by extracting.

An extract repeats the sentences that tell most, word for word, and leaves out the rest. It understands nothing: it
prefers what the user said over what the agent said, sentences with names, numbers and wishes over others, what tools
were asked and answered over small talk, and new over old. A model's summary reads better; this one is free and at once.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Sequence

from fullduplex.types.content import Content, Part
from fullduplex.types.struct import encode_json

MARK = "[Summary of the earlier conversation; the latest turns follow]"

_SENTENCES = {"User": 4, "Agent": 2}
_LONGEST = 240
_LEAST = 3

_END = re.compile(r"(?<!\b[A-Z]\.)(?<!\b(?:Dr|Mr|Ms|St)\.)(?<!\bMrs\.)(?<=[.!?…])\s+|(?<=[。！？])")
_NUMBER = re.compile(r"\d+")
_ABOUT_ME = re.compile(
    r"\b(?:my|call me|i am|i'm|i have|i've|i live|i work|i need|i want|i'd like|i like|i prefer|i can't|i cannot|"
    r"remember|never|always)\b",
    re.IGNORECASE,
)


def summary_turn(text: str) -> Content:
    """`text` as a turn of the user that says what it is."""
    return Content(role="user", parts=[Part(text=f"{MARK}\n{text}")])


def is_summary(content: Content) -> bool:
    """Whether `content` was made by `summary_turn`."""
    return content.role == "user" and content.text.startswith(MARK)


def extract(contents: Sequence[Content], max_bytes: int) -> str:
    """The lines of `contents` that tell most, in their order, in at most `max_bytes` bytes of UTF-8.

    A summary at the beginning is taken for what it is: its lines compete with the new ones.
    """
    lines: list[str] = []
    for content in contents:
        lines.extend(" ".join(line.split()) for line in _lines(content))
    lines = list(dict.fromkeys(lines))
    chosen, room = set(), max_bytes + 1  # the last line needs no line break
    for index in sorted(range(len(lines)), key=lambda index: (-_weight(lines[index]), -index)):
        size = len(lines[index].encode()) + 1
        if size <= room:
            chosen.add(index)
            room -= size
    return "\n".join(lines[index] for index in sorted(chosen))


def shortened(text: str, max_bytes: int) -> str:
    """`text`, cut after its last whole word within `max_bytes` bytes of UTF-8 where it is longer."""
    encoded = text.encode()
    if len(encoded) <= max_bytes:
        return text
    cut = encoded[: max(0, max_bytes)].decode(errors="ignore")
    return cut.rstrip() if text[len(cut)].isspace() else cut.rpartition(" ")[0].rstrip() or cut


def _lines(content: Content) -> Iterable[str]:
    if is_summary(content):
        yield from filter(None, content.text.splitlines()[1:])
        return
    speaker = "User" if content.role == "user" else "Agent"
    for sentence in _best(content.text, _SENTENCES[speaker]):
        yield f"- {speaker}: {sentence}"
    for part in content.parts or ():
        if part.function_call is not None:
            yield f"- Agent called {part.function_call.name}({_json(part.function_call.args)})"
        elif part.function_response is not None:
            yield f"- Tool {part.function_response.name} answered {_json(part.function_response.response)}"
        elif (media := part.inline_data or part.file_data) is not None:
            yield f"- {speaker} sent {media.mime_type or 'a file'}"


def _best(text: str, count: int) -> list[str]:
    """At most `count` sentences of `text`, in order; what has no end of sentence is cut into pieces."""
    sentences = [
        piece for sentence in _END.split(text) for piece in textwrap.wrap(sentence, _LONGEST, break_on_hyphens=False)
    ]
    ranked = sorted(range(len(sentences)), key=lambda index: (-_told(sentences[index]), index))
    return [sentences[index] for index in sorted(ranked[:count])]


def _told(sentence: str) -> int:
    """How much a sentence tells: names and numbers, and what somebody says of themselves."""
    words = sentence.split()
    names = sum(word[0].isupper() and not word.startswith(("I'", "I’")) and word != "I" for word in words[1:])
    numbers = len(_NUMBER.findall(sentence))
    return (
        min(3, names)
        + 2 * min(2, numbers)
        + 3 * bool(_ABOUT_ME.search(sentence.replace("’", "'")))
        + (len(words) >= _LEAST or len(sentence) > 4 * _LEAST)
    )


def _weight(line: str) -> int:
    """How much a line of a summary is worth: the same for a line that is read again as for a new one."""
    speaker, colon, said = line.removeprefix("- ").partition(": ")
    if colon and speaker in _SENTENCES:
        return _told(said) + 3 * (speaker == "User")
    return 3


def _json(value: object) -> str:
    text = encode_json(value or {}).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
