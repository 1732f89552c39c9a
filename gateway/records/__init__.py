"""The tamper-evident log, pure: entry, tree, note, proof, verification."""
