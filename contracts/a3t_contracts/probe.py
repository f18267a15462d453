"""`python -m a3t_contracts.probe [PATH]`: is the service of this container healthy? Standard library only, so that it
costs a container little; the port is A3T_PORT's."""

from __future__ import annotations

import http.client
import os
import sys

__all__ = ["probe"]


def probe(path: str = "/health", port: int | None = None, timeout: float = 5.0) -> int:
    """0 where `GET path` on the loopback interface answers 200, else 1."""
    connection = http.client.HTTPConnection("127.0.0.1", port or int(os.environ["A3T_PORT"]), timeout=timeout)
    try:
        connection.request("GET", path)
        status = connection.getresponse().status
    except OSError as error:
        sys.stderr.write(f"no answer on port {connection.port}: {error}\n")
        return 1
    finally:
        connection.close()
    if status != 200:
        sys.stderr.write(f"GET {path} answered {status}\n")
    return int(status != 200)


if __name__ == "__main__":
    sys.exit(probe(sys.argv[1] if len(sys.argv) > 1 else "/health"))
