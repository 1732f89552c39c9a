"""The demonstration: a whole network on one machine, driven through public interfaces only."""
