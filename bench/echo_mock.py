"""The lean mock in echo mode as a child of the bench: it ends with its standard input."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import sys

import uvloop
from picows import ws_create_server

from fullduplex.mock_live.loadgen import Load


async def main(cpu: int | None) -> None:
    """Serves until standard input ends."""
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    server = await ws_create_server(Load("echo").accept, "127.0.0.1", 0, backlog=4096)
    print(json.dumps({"url": f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"}), flush=True)
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cpu", type=int, help="the core to run on")
    uvloop.run(main(parser.parse_args().cpu))
