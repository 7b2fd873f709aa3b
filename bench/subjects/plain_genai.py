"""Lets google-genai speak to a server without TLS.

The SDK turns every base URL into `wss`. TLS would be a cost that the other subjects do not have, so the function with
which it opens the socket is wrapped: the scheme becomes `ws` and the TLS context is left out. Nothing else changes.
"""

from __future__ import annotations

from typing import Any

import google.genai.live as genai_live

NOTE = "TLS taken out of google-genai's connect (its URL scheme and ssl argument), so that no subject pays for it"


def patch() -> None:
    """From now on google-genai connects without TLS."""
    connect = genai_live.ws_connect

    def plain(uri: str, **options: Any) -> Any:
        options.pop("ssl", None)
        return connect(uri.replace("wss:", "ws:", 1), **options)

    genai_live.ws_connect = plain
