"""Measuring: the floor of cryptography, the provider alone, exchanges of real processes."""
