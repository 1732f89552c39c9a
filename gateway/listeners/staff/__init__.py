"""The staff zone: people who approve, review and switch."""
