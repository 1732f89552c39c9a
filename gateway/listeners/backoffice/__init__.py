"""The back-office zone: inquiries and replicas in, answers out."""
