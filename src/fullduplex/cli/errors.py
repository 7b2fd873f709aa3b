"""The error that a command ends with when the person at the keyboard can put it right."""

from __future__ import annotations


class UsageError(Exception):
    """Raised with one line that says what is wrong and what to do; the command prints it and exits with 2."""
