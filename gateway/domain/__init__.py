"""States and decisions of the gateway, pure."""
