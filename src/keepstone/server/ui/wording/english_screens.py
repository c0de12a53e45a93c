"""English, for provenance, entities, the running of things, and erasing."""

WORDS: dict[str, str] = {}
