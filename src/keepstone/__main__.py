"""`python -m keepstone`: the command line."""

from keepstone.cli import main

main()
