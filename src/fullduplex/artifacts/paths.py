"""Where a stored artifact lies: names that users choose, as path components that mean nothing to a file system.

    <app>/<user>/sessions/<session>/<file name>/0.json     or, for a `user:` name
    <app>/<user>/user/<file name>/0.json

Letters in capitals are escaped too: on a disk that does not tell `Ada` from `ada`, two users would share a folder.
"""

from __future__ import annotations

import hashlib
import re
import string
from urllib.parse import unquote_to_bytes

from fullduplex.artifacts.base import USER_PREFIX, Scope

_SAFE = frozenset(string.ascii_lowercase + string.digits + "-_.")
# Four components of this length, and what stands between them, fit into the 1,024 bytes of an S3 key.
_LONGEST = 180
_HEAD = 100
_CUT = "~"
_RECORD = re.compile(r"(\d{1,18})\.json")


def folder_of(scope: Scope) -> str:
    """The folder of all artifacts of a scope."""
    owner = f"{component(scope.app_name)}/{component(scope.user_id)}"
    return f"{owner}/user" if scope.session_id is None else f"{owner}/sessions/{component(scope.session_id)}"


def path_of(scope: Scope, filename: str) -> str:
    """The folder of all versions of an artifact."""
    return f"{folder_of(scope)}/{component(filename.removeprefix(USER_PREFIX))}"


def component(name: str) -> str:
    """`name` as one path component. Two names never share one; a long one ends in a digest and cannot be read back."""
    raw = name.encode()
    escaped = "".join(chr(byte) if chr(byte) in _SAFE else f"%{byte:02x}" for byte in raw)
    if escaped.startswith("."):
        escaped = "%2e" + escaped[1:]
    if len(escaped) <= _LONGEST:
        return escaped
    return f"{escaped[:_HEAD]}{_CUT}{hashlib.sha256(raw).hexdigest()}"


def name_in(component: str) -> str | None:
    """The name that a component was made of; None when it was cut."""
    return None if _CUT in component else unquote_to_bytes(component).decode()


def version_in(file: str) -> int | None:
    """The version that a record of this file name stands for; None for any other file."""
    match = _RECORD.fullmatch(file)
    return int(match[1]) if match else None
