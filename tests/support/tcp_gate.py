"""A gate in front of a real TCP server: shut, it is a server that has gone; open again, one that is back."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

__all__ = ["TcpGate"]


class TcpGate:
    """Forwards connections on `port` to `target` while it is open. Shutting it cuts those that stand."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.refused = threading.Event()
        """Set once somebody came while the gate was shut."""
        self._open = True
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._listen()

    def shut(self) -> None:
        """Cut every connection and refuse new ones."""
        with self._lock:
            self._open = False
            self.refused.clear()
            for end in self._sockets:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Let connections through again."""
        with self._lock:
            self._open = True

    def close(self) -> None:
        """Stop for good."""
        self.shut()
        self._listener.close()

    def forward(self, data: bytes, sink: socket.socket, reply: bool) -> None:
        """Pass on what came; `reply`: from the server."""
        sink.sendall(data)

    def _listen(self) -> None:
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                far = self._connected() if self._open else None
                if far is None:
                    near.close()
                    self.refused.set()
                    continue
                self._sockets |= {near, far}
            for source, sink, reply in ((near, far, False), (far, near, True)):
                threading.Thread(target=self._pump, args=(source, sink, reply), daemon=True).start()

    def _connected(self) -> socket.socket | None:
        with suppress(OSError):  # the server itself is away: whoever came finds the door shut
            return socket.create_connection(("127.0.0.1", self.target))
        return None

    def _pump(self, source: socket.socket, sink: socket.socket, reply: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.forward(data, sink, reply)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets.discard(source)
        source.close()
