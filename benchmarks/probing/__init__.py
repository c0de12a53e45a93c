"""Scope probes: a world whose every text says whose it is, requests that ask for what they must not, and the oracle."""
