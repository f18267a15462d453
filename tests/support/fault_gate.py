"""A gate that does what networks do: refuses connections, loses what passes for a while, cuts HTTP in the middle."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from .tcp_gate import TcpGate

__all__ = ["FaultGate"]


class FaultGate(TcpGate):
    """Between one program and one service. `open` ends every fault."""

    def __init__(self, target: int) -> None:
        self._flows = threading.Event()
        self._flows.set()
        self._cuts = {True: 0, False: 0}
        self.cut = 0
        """How many messages were cut so far."""
        super().__init__(target)

    def refuse(self) -> None:
        """Cut every connection; the kernel refuses new ones, because nobody listens."""
        self.shut()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._listener.close()

    def drop(self) -> None:
        """Nothing passes in either direction until `open`; then what stood goes on, as TCP does."""
        self._flows.clear()

    def cut_bodies(self, replies: int, requests: int) -> None:
        """Cut the next HTTP messages in the middle of their bodies, and their connections."""
        with self._lock:
            self._cuts = {True: replies, False: requests}

    def open(self) -> None:
        """Let everything through again."""
        with self._lock:
            self._cuts = {True: 0, False: 0}
        if self._listener.fileno() < 0:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            super().open()
            self._listen()
        super().open()
        self._flows.set()

    def forward(self, data: bytes, sink: socket.socket, reply: bool) -> None:
        """Pass on what came, or half of it and then nothing more."""
        self._flows.wait()
        half = self._half(data, reply)
        sink.sendall(data if half is None else half)
        if half is not None:
            raise ConnectionAbortedError("cut on purpose")

    def _half(self, data: bytes, reply: bool) -> bytes | None:
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            head, body = b"", data
        with self._lock:
            if self._cuts[reply] == 0 or len(body) < 2:
                return None
            self._cuts[reply] -= 1
            self.cut += 1
        return head + end + body[: len(body) // 2]
