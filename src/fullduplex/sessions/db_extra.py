"""What stores in a database ask before there is one: which database is meant, and whether the extra is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fullduplex.errors import InvalidConfig


def the_url(db_url: str | None, connection_string: str | None) -> str:
    """The one of the two that is given; raises `InvalidConfig` for none and for both."""
    url = db_url or connection_string
    if not url or (db_url and connection_string):
        raise InvalidConfig("give db_url or connection_string")
    return url


@contextmanager
def needs_db_extra() -> Iterator[None]:
    """Makes a failed import inside an `InvalidConfig` (`missing_extra`) that says what to install."""
    try:
        yield
    except ImportError as error:
        raise InvalidConfig(
            f"a database needs an extra that is not installed: pip install 'fullduplex[db]' ({error})",
            code="missing_extra",
        ) from None
