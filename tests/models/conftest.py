"""Speech and engines for the suites of this folder: those that the cascade's own tests use."""

from tests.models.cascade.conftest import engines, say

__all__ = ["engines", "say"]
