"""Serve an empty memory until standard input ends; the first line of output says where, and with which key."""

import json
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[3] / folder) for folder in ("src", ".")]

from tests.server.serving import serving  # noqa: E402 - found by the line before

with serving() as server:
    sys.stdout.write(json.dumps({"url": server.url, "apiKey": server.secret}) + "\n")
    sys.stdout.flush()
    sys.stdin.read()
