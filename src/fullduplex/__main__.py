"""`python -m fullduplex` is the `fullduplex` command."""

import sys

from fullduplex.cli import main

sys.exit(main())
