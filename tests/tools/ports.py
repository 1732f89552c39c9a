"""Ports that stay ours from the moment somebody writes them into a directory."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

HOST = "127.0.0.1"


@contextmanager
def held_ports(names: Sequence[str]) -> Iterator[dict[str, int]]:
    """Hold a port for each name; only listeners that share ports may serve it until the end.

    A socket that does not listen takes no connections, but nobody else is given its port. It
    learns to share only once it has its own, so that it never shares somebody else's.
    """
    holders = {name: socket.socket() for name in names}
    try:
        for holder in holders.values():
            holder.bind((HOST, 0))
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        yield {name: holder.getsockname()[1] for name, holder in holders.items()}
    finally:
        for holder in holders.values():
            holder.close()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody had a moment ago, for servers that do not share."""
    with held_ports([str(number) for number in range(count)]) as ports:
        return list(ports.values())


def free_port() -> int:
    """Return a port that nobody had a moment ago, for a server that starts at once."""
    with held_ports(["one"]) as ports:
        return ports["one"]
