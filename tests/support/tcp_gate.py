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
        threading.Thread(target=self._accept, daemon=True).start()

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

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if not self._open:
                    near.close()
                    self.refused.set()
                    continue
                far = socket.create_connection(("127.0.0.1", self.target))
                self._sockets |= {near, far}
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._sockets.discard(source)
        source.close()
