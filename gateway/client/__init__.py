"""The SDK for back-office systems."""
