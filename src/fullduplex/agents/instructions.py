"""What the model is told: an agent's instruction with the session's state filled in, and who it is."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable

from fullduplex.errors import MissingVariable
from fullduplex.sessions import State
from fullduplex.tools.context import ReadonlyContext

InstructionProvider = Callable[[ReadonlyContext], str | Awaitable[str]]

_PLACEHOLDER = re.compile(r"(?<![\\${])\{+[^{}]*\}+")
_ARTIFACT = "artifact."
_PREFIXES = (State.APP_PREFIX, State.USER_PREFIX, State.TEMP_PREFIX)


async def resolve(instruction: str | InstructionProvider, context: ReadonlyContext) -> str:
    """The instruction's text: a string with its `{variables}` filled in, or what a provider returns, left as it is."""
    if isinstance(instruction, str):
        return await fill(instruction, context)
    text = instruction(context)
    return await text if inspect.isawaitable(text) else text


async def fill(template: str, context: ReadonlyContext) -> str:
    """`template` with `{name}`, `{app:name}`, `{user:name}`, `{temp:name}` replaced by the state's values, and
    `{artifact.name}` by the text of the artifact of that name.

    A missing name raises `KeyError`; `{name?}` may be missing and is then empty. What is not a name stays as written.
    """
    pieces, end = [], 0
    for match in _PLACEHOLDER.finditer(template):
        pieces += [template[end : match.start()], await _value(match.group(), context)]
        end = match.end()
    return "".join([*pieces, template[end:]])


def identity(name: str, description: str) -> str:
    """The sentence that tells the model which agent it is."""
    text = f'You are an agent. Your internal name is "{name}".'
    return f'{text} The description about you is "{description}".' if description else text


async def _value(written: str, context: ReadonlyContext) -> str:
    name = written.strip("{}").strip()
    optional = name.endswith("?")
    name = name.removesuffix("?")
    if name.startswith(_ARTIFACT):
        return await _artifact(name.removeprefix(_ARTIFACT), optional, context)
    if not _is_name(name):
        return written
    state = context.state
    if name not in state:
        if optional:
            return ""
        raise MissingVariable(f"Context variable not found: `{name}` in agent '{context.agent_name}'.")
    value = state[name]
    return "" if value is None else str(value)


async def _artifact(filename: str, optional: bool, context: ReadonlyContext) -> str:
    artifact = await context.load_artifact(filename)
    if artifact is None:
        if optional:
            return ""
        raise MissingVariable(f"Artifact not found: `{filename}` in agent '{context.agent_name}'.")
    if artifact.text is not None:
        return artifact.text
    blob = artifact.inline_data
    return bytes(blob.data or b"").decode(errors="replace") if blob is not None else ""


def _is_name(name: str) -> bool:
    for prefix in _PREFIXES:
        if name.startswith(prefix):
            return name.removeprefix(prefix).isidentifier()
    return name.isidentifier()
