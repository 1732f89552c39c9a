"""Message shapes: JSON to types and back, with size limits."""
