"""HTTP we answer: one folder a trust zone, which never import each other."""
