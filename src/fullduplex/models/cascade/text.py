"""Words of an utterance: splitting, contractions, operators. Nothing here knows tools or patterns."""

from __future__ import annotations

import re
from dataclasses import dataclass

_TOKEN = re.compile(r"\d+(?:\.\d+)?|[^\W\d_]+(?:['’][^\W\d_]+)*|[+*/×÷=]|(?<=\s)-(?=\s)|-(?=\d)")

_CONTRACTIONS = {
    "what's": ("what", "is"),
    "whats": ("what", "is"),
    "it's": ("it", "is"),
    "that's": ("that", "is"),
    "there's": ("there", "is"),
    "where's": ("where", "is"),
    "who's": ("who", "is"),
    "how's": ("how", "is"),
    "i'm": ("i", "am"),
    "i'd": ("i", "would"),
    "i'll": ("i", "will"),
    "let's": ("let", "us"),
    "can't": ("can", "not"),
    "don't": ("do", "not"),
    "+": ("plus",),
    "*": ("times",),
    "×": ("times",),
    "/": ("divided", "by"),
    "÷": ("divided", "by"),
    "-": ("minus",),
}

_FILLER_WORDS = (
    "please could can you would will i want like to me um uh er hey hi okay ok now just so well then tell "
    "right today currently the a an for kindly thanks thank need"
)
_FUNCTION_WORDS = (
    "what is are in at of on it do does did how be by and or with this that my your have has had there was were am "
    "not us we they he she about from get give make which who when where why"
)

FILLERS = frozenset(_FILLER_WORDS.split())
"""Words that carry no meaning for the choice of a tool: extra ones cost next to nothing in a match."""

STOP_WORDS = FILLERS | frozenset(_FUNCTION_WORDS.split())
"""Function words: little weight in a match."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word, lower case, with its place `[start, end)` in the text it came from."""

    word: str
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Splits text into lower-case words and numbers; contractions and operators become words."""
    tokens: list[Token] = []
    for match in _TOKEN.finditer(text):
        raw = match.group().lower().replace("’", "'")
        for word in _CONTRACTIONS.get(raw, (raw,)):
            if word.endswith("'s"):
                word = word[:-2]
            tokens.append(Token(word, match.start(), match.end()))
    return tokens


def written(text: str) -> str:
    """Words in lower case, as patterns and recognisers have them, with the one that is written large."""
    return re.sub(r"\bi\b", "I", text)


def words_of(text: str) -> list[str]:
    """The words of `tokenize` alone."""
    return [token.word for token in tokenize(text)]
