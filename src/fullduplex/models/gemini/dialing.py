"""A TCP connection to a backend's address, and the TLS context for it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket as stdlib_socket
import ssl
from urllib.parse import urlsplit

from fullduplex.errors import InvalidConfig


async def dial(url: str) -> stdlib_socket.socket:
    """A TCP connection to the first address that takes one. Ours, and not the library's, so that it can be ended
    whatever the library is doing."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "wss" else 80)
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(parts.hostname, port, type=stdlib_socket.SOCK_STREAM)
    failure: OSError | None = None
    for family, kind, protocol, _, address in found:
        candidate = stdlib_socket.socket(family, kind, protocol)
        try:
            candidate.setblocking(False)
            await loop.sock_connect(candidate, address)
        except OSError as error:
            candidate.close()
            failure = failure or error
        except BaseException:
            candidate.close()
            raise
        else:
            return candidate
    raise failure or OSError(f"no address for {parts.hostname}")


_contexts: dict[tuple[str | None, str | None], ssl.SSLContext] = {}


async def ssl_context() -> ssl.SSLContext:
    """The context for `wss`, made once for each `SSL_CERT_FILE` and off the loop: reading all roots takes a while."""
    key = (os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    if key not in _contexts:
        _contexts[key] = await asyncio.to_thread(_make_ssl_context, *key)
    return _contexts[key]


def _make_ssl_context(cert_file: str | None, cert_dir: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=cert_file or None, capath=cert_dir or None)
    except (OSError, ssl.SSLError) as error:
        raise InvalidConfig(
            f"SSL_CERT_FILE ({cert_file}) or SSL_CERT_DIR ({cert_dir}) cannot be read: {error}"
        ) from None
    if not (cert_file or cert_dir) and ssl.get_default_verify_paths().cafile is None:
        with contextlib.suppress(ImportError):  # Python on macOS and Windows may come without roots of its own
            import certifi

            context.load_verify_locations(certifi.where())
    return context
