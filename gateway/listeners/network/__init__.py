"""The network zone: what the core and other gateways send."""
