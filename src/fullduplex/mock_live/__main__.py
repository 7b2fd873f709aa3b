"""`python -m fullduplex.mock_live`: the command line of Mock Live."""

from __future__ import annotations

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
