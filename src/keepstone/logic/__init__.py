"""Pure functions on values: no await, clock, network or randomness."""
