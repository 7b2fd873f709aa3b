"""Command line: serves Mock Live until it is stopped, and says in one line of JSON where.

`fullduplex mock-live` and `python -m fullduplex.mock_live` both end up here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .reactors import REACTORS
from .script import Script
from .server import MockLive
from .tls import make_certificate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the options of `mock-live` to a parser (the program's own or a subcommand's)."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")
    parser.add_argument("--tls", action="store_true", help="serve wss:// with a self-signed certificate")
    parser.add_argument(
        "--cert-dir", type=Path, default=None, help="where to put the certificate for --tls (default: a temporary one)"
    )
    parser.add_argument("--script", type=Path, metavar="FILE", help="a JSON script: see `Script.from_json`")
    parser.add_argument(
        "--model-behaviour",
        choices=sorted(REACTORS),
        default="echo",
        help="who answers when the script has no turn left (default: %(default)s)",
    )
    pace = parser.add_mutually_exclusive_group()
    pace.add_argument(
        "--pace", type=float, nargs="?", const=1.0, default=1.0, metavar="FACTOR", help="speak at real time (default)"
    )
    pace.add_argument("--flat-out", action="store_true", help="send each answer as fast as the wire takes it")


def run(options: argparse.Namespace) -> int:
    """Serves with parsed options until SIGINT or SIGTERM. Returns the exit status."""
    try:
        script = Script.load(options.script) if options.script else None
    except (OSError, msgspec.DecodeError, ValueError) as error:
        print(f"mock-live: cannot read the script {options.script}: {error}", file=sys.stderr)
        return 2
    try:
        asyncio.run(_serve(options, script))
    except OSError as error:
        print(f"mock-live: {error}", file=sys.stderr)
        return 1
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Parses `argv` (default: the process's own arguments) and serves."""
    parser = argparse.ArgumentParser(
        prog="fullduplex mock-live",
        description="A Gemini Live server on loopback that follows a script. No key is checked and no model is asked.",
    )
    add_arguments(parser)
    return run(parser.parse_args(argv))


async def _serve(options: argparse.Namespace, script: Script | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    tls = make_certificate(options.cert_dir) if options.tls and options.cert_dir else bool(options.tls)
    async with MockLive(
        script,
        tls=tls,
        pace=0.0 if options.flat_out else options.pace,
        reactor=REACTORS[options.model_behaviour],
        host=options.host,
        port=options.port,
        keep_log=False,
    ) as mock:
        place = {"url": mock.url, "port": mock.port, "pid": os.getpid()}
        if options.tls:
            place["ca_file"] = mock.ca_file
        print(json.dumps(place), flush=True)
        await stop.wait()
