"""Where artifact services are tested: an S3 server on this machine, and a look at the files that are left."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fullduplex.artifacts import ObjectStoreArtifactService
from tests.needs import needs

_S3 = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
server.stop()
"""
_KEYS = {"key": "test", "secret": "test"}


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of an S3 server on this machine."""
    needs("s3fs")
    needs("moto")
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _S3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    finally:
        process.communicate("", timeout=20)


def s3_service(address: str, *, bucket: str) -> ObjectStoreArtifactService:
    """A service on a bucket of the server at `address`; it shares nothing else with another one."""
    import s3fs

    options = {**_KEYS, "client_kwargs": {"endpoint_url": address, "region_name": "eu-central-1"}}
    s3fs.S3FileSystem(**options).mkdirs(bucket, exist_ok=True)
    return ObjectStoreArtifactService(f"s3://{bucket}/deep/inside", skip_instance_cache=True, **options)


def every_file(folder: Path) -> list[Path]:
    """All files below `folder`."""
    return [Path(parent) / file for parent, _, files in os.walk(folder) for file in files]
