"""Reads the base URL of a model's server, which people write into the environment."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import SplitResult, urlsplit

from fullduplex.errors import InvalidConfig


def read_base_url(url: str, *, schemes: Collection[str], variable: str) -> SplitResult:
    """`url` in its parts. Raises `InvalidConfig`, which names `variable`, when it cannot be a base URL.

    No more of it than scheme and host is shown: a secret may stand in the rest.
    """
    parts = urlsplit(url.strip())
    known = parts.scheme.lower() in schemes and bool(parts.hostname)
    if known and not (parts.query or parts.fragment) and _has_port(parts):
        return parts
    name = f"{parts.scheme}://{parts.hostname or ''}" if known else "What has no such beginning"
    beginnings = " or ".join(f"{one}://" for one in schemes)
    raise InvalidConfig(
        f"{name} cannot be a base URL (base_url or {variable}): it takes {beginnings}, a host, and perhaps a port (at "
        "most 65535) and a path."
    )


def _has_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False
