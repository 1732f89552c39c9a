"""Use-cases: gather, decide, record with effects, tell."""
