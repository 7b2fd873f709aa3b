"""Subject: this project's engine without its compiled part, as it is where there was no C compiler."""

from __future__ import annotations

import os

os.environ["FULLDUPLEX_PURE"] = "1"

import engine
import gateway

if __name__ == "__main__":
    gateway.main(engine.serve, ["fullduplex", "msgspec", "picows", "uvloop"], "with FULLDUPLEX_PURE=1")
