"""HTTP we call: lanes, the core, peers; all bounded."""
