"""Trust: keys, signed documents, permits, sealing and everything an auditor of cryptography reads."""
