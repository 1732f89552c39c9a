"""Sekisho, the gateway: the running service and its command line."""
