"""Health check of a container: `python -m a3t_contracts.probe [PATH]` asks the service on port A3T_PORT.

It imports only the standard library, so that it starts within milliseconds.
"""

from __future__ import annotations

import argparse
import http.client
import os
import sys

__all__ = ["probe"]


def probe(path: str = "/health", port: int | None = None, timeout: float = 5.0) -> int:
    """Return 0 if `GET path` on the loopback interface answers 200 within `timeout` seconds, else 1."""
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


def main() -> None:
    """Exit with the probe's result."""
    parser = argparse.ArgumentParser(
        prog="python -m a3t_contracts.probe",
        description="Asks the service of this container whether it is healthy: exit code 0 if it answers 200, else 1. "
        "A3T_PORT, the service's TCP port, must be set.",
    )
    parser.add_argument("path", nargs="?", default="/health", help="URL path to request; default: /health")
    sys.exit(probe(parser.parse_args().path))


if __name__ == "__main__":
    main()
