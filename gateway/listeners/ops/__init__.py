"""The operations zone: live, ready, metrics."""
