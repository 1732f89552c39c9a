"""The network's core and the resident-network stand-in: reference roles."""
