"""Shared by listeners and core: limits, caller identity, problem documents."""
