"""Names of the trust model and the forms they must have; nobody else spells them."""

import re
from typing import Final

NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
"""Networks and organisations (PROTOCOL §0)."""
DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
BODY_CODE: Final = re.compile(r"[0-9A-Z]{16}", re.ASCII)
CORE: Final = "core"
"""The name of the core's organisation, and of its role."""
GATEWAY: Final = "gateway"
RESIDENT_NETWORK: Final = "resident-network"
WITNESS: Final = "witness"
"""Whoever cosigns for others and keeps no records of its own."""
ROLES: Final = (GATEWAY, CORE, RESIDENT_NETWORK, WITNESS)
NETWORK_ENDPOINT: Final = "network"
"""The endpoint of every organisation that others call: its network listener."""
ENDPOINTS: Final = (NETWORK_ENDPOINT,)
SUITE: Final = "mlkem768-x25519/hkdf-sha256/aes-256-gcm/1"
SUITES: Final = (SUITE,)
"""Sealing suites this program knows, weakest first."""
SEALING_PUBLIC_BYTES: Final = 1184 + 32
"""ML-KEM-768 encapsulation key ‖ X25519 public key."""


def certificate_uri(network: str, organisation: str, role: str) -> str:
    """Return the URI that a network certificate names its holder by."""
    return f"urn:sekisho:{network}:{organisation}:{role}"


def witness_name(network: str, organisation: str) -> str:
    """Return the name that stands on this organisation's cosignature lines."""
    return f"{network}/{organisation}/witness"
