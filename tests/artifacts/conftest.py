"""What the tests of artifacts share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.artifacts.stores import s3_server


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server, the same for all tests."""
    with s3_server() as address:
        yield address
