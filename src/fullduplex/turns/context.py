"""A conversation that fits: the latest turns word for word, and a summary in the place of those before.

For models whose context is not compressed by their backend. What is sent and when is the engine's business. Budgets
are in tokens as estimated here: a token for every four bytes of UTF-8 (of JSON for tools), which are four letters of
English, and a fixed number for each picture or file. `scale_of` brings that closer to a backend's own count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from fullduplex.turns.summary import MARK, extract, is_summary, shortened, summary_turn
from fullduplex.types.content import Content, Part
from fullduplex.types.struct import encode_json

BYTES_PER_TOKEN = 4
MEDIA_TOKENS = 258
KEPT_SHARE = 0.75
"""Of the budget, so much may be taken by the turns that are kept word for word; the summary gets the rest."""

_LEAST_SCALE, _MOST_SCALE = 0.5, 2.0


def estimate_tokens(contents: Iterable[Content], scale: float = 1.0) -> int:
    """About how many tokens `contents` are to a model."""
    return math.ceil(scale * sum(map(_tokens, contents)))


def scale_of(contents: Iterable[Content], prompt_token_count: int | None) -> float:
    """By what to multiply estimates, from a backend's count of a prompt that held `contents` as text.

    Between 0.5 and 2: a prompt holds the instruction, the tools and perhaps sound as well, which this cannot know.
    """
    estimate = sum(map(_tokens, contents))
    if not prompt_token_count or not estimate:
        return 1.0
    return min(max(prompt_token_count / estimate, _LEAST_SCALE), _MOST_SCALE)


@dataclass(frozen=True)
class Cut:
    """A conversation in two: what is to be summarised, and what stays word for word."""

    earlier: list[Content]
    kept: list[Content]
    summary_bytes: int

    def with_summary(self, text: str) -> list[Content]:
        """The conversation anew, with `text` for its earlier part; a text that is too long is cut off."""
        told = shortened(text.strip(), self.summary_bytes)
        return [summary_turn(told), *self.kept] if told else list(self.kept)


def cut(contents: Sequence[Content], *, budget_tokens: int, keep_turns: int = 6, scale: float = 1.0) -> Cut | None:
    """Where to cut `contents` so that they fit into `budget_tokens`; None when they fit, or hold one turn alone.

    The last `keep_turns` turns are kept, fewer when those alone take more than three quarters of the budget, the
    latest one in any case. A turn is all that one side says until the other one does; tool calls and their answers
    are of the model's side, and a call is never parted from its answer.
    """
    if estimate_tokens(contents, scale) <= budget_tokens:
        return None
    starts = _starts(contents)
    places = _places(contents, starts)
    if not places:
        return None
    wanted = starts[max(0, len(starts) - keep_turns)]
    first = max((place for place in places if place <= wanted), default=places[0])
    sizes = {place: estimate_tokens(contents[place:], scale) for place in places if place >= first}
    place = next((place for place, size in sizes.items() if size <= KEPT_SHARE * budget_tokens), places[-1])
    tokens = max(budget_tokens - sizes[place], (1 - KEPT_SHARE) * budget_tokens)
    summary_bytes = max(0, int(tokens / scale * BYTES_PER_TOKEN) - len(MARK) - BYTES_PER_TOKEN)
    return Cut(list(contents[:place]), list(contents[place:]), summary_bytes)


def compress(
    contents: Sequence[Content],
    *,
    budget_tokens: int,
    keep_turns: int = 6,
    summarize: Callable[[list[Content]], str] | None = None,
    scale: float = 1.0,
) -> list[Content]:
    """`contents`, with a summary in place of the earlier turns if they take more than `budget_tokens`.

    `summarize` is given the earlier turns, an earlier summary first among them; without one, an extract is made
    (`summary`). The result fits unless the latest turn, with the calls that it answers, takes more than three quarters
    of the budget.
    """
    parts = cut(contents, budget_tokens=budget_tokens, keep_turns=keep_turns, scale=scale)
    if parts is None:
        return list(contents)
    text = summarize(parts.earlier) if summarize else extract(parts.earlier, parts.summary_bytes)
    return parts.with_summary(text)


def _tokens(content: Content) -> float:
    return sum(map(_part_tokens, content.parts or ()))


def _part_tokens(part: Part) -> float:
    if part.text is not None:
        return len(part.text.encode()) / BYTES_PER_TOKEN
    if part.inline_data is not None or part.file_data is not None:
        return MEDIA_TOKENS
    return len(encode_json(part)) / BYTES_PER_TOKEN


def _starts(contents: Sequence[Content]) -> list[int]:
    """Where turns begin."""
    sides = [_side(content) for content in contents]
    return [index for index, side in enumerate(sides) if index == 0 or side != sides[index - 1]]


def _side(content: Content) -> str:
    if is_summary(content):
        return "summary"
    answers = any(part.function_response is not None for part in content.parts or ())
    return "user" if content.role == "user" and not answers else "model"


def _places(contents: Sequence[Content], starts: list[int]) -> list[int]:
    """The starts of turns, but for the first, at which no call is parted from its answer."""
    parting = {place for call, answer in _answered(contents) for place in range(call + 1, answer + 1)}
    return [start for start in starts if start > 0 and start not in parting]


def _answered(contents: Sequence[Content]) -> Iterator[tuple[int, int]]:
    """The places of each call and its answer: by the id, or by the name where the model never saw an id."""
    waiting: dict[str | None, list[int]] = {}
    for index, content in enumerate(contents):
        for part in content.parts or ():
            if (call := part.function_call) is not None:
                waiting.setdefault(call.id or call.name, []).append(index)
            elif (answer := part.function_response) is not None:
                calls = waiting.get(answer.id or answer.name)
                if calls:
                    yield calls.pop(), index  # an earlier one of the same name may never be answered
