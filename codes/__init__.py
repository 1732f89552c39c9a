"""The words of the network: numbers, codes and code tables, all pure."""
