"""Trust: keys, signed documents, permits, sealing; all that an auditor of cryptography reads."""
