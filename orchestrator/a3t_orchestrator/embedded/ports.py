"""Finds free TCP ports on the loopback interface."""

from __future__ import annotations

import socket

from a3t_contracts.errors import ConflictError

__all__ = ["choose_ports", "is_free"]


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether a server can listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def choose_ports(names: list[str], first: int | None = None) -> dict[str, int]:
    """Choose a port for each name: `first` and the ports that follow it; None takes any free ports.

    Raises ConflictError that names a port in use and the program that needs it.
    """
    if first is None:
        return _any_free(names)
    ports = {name: first + i for i, name in enumerate(names)}
    for name, port in ports.items():
        if not is_free(port):
            raise ConflictError(
                f"Port {port}, which {name} needs, is in use by another program.",
                hint="Choose other ports with --ports, or leave the option out to take any free ports.",
            )
    return ports


def _any_free(names: list[str]) -> dict[str, int]:
    """Choose any free ports. All sockets stay open until every port is known, so that no port is chosen twice."""
    sockets = {name: socket.socket() for name in names}
    try:
        for opened in sockets.values():
            opened.bind(("127.0.0.1", 0))
        return {name: opened.getsockname()[1] for name, opened in sockets.items()}
    finally:
        for opened in sockets.values():
            opened.close()
