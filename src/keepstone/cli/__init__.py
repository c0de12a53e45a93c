"""The command line: the verbs of the library under the same names.

What was asked for goes to stdout, everything else to stderr. Exit codes: 0 done, 1 failed, 2 asked wrongly.
"""

from keepstone.cli.app import app, main

__all__ = ["app", "main"]
