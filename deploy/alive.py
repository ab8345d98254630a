"""`python -I deploy/alive.py PORT`: exit 0 where the service answers on this machine; for a health check.

Imports nothing of the project, so that it takes milliseconds, and asks no proxy of the environment.
"""

import sys
from http.client import HTTPConnection, HTTPException


def is_alive(port: int, timeout_s: float = 3.0) -> bool:
    """Whether a service on `port` of this machine answers /healthz with 200."""
    connection = HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_alive(int(sys.argv[1])) else 1)
