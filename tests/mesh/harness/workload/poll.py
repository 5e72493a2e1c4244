"""Requests one URL repeatedly, on new connections, until its status is as wanted, and prints when that was.

Runs inside a workload's network namespace; the time is the machine's monotonic clock, which all processes share.
"""

import http.client
import sys
import time
from urllib.parse import urlsplit


def main() -> None:
    """Arguments: URL, the status to wait for, seconds at most."""
    url, wanted, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    host = urlsplit(url).hostname or ""
    give_up = time.monotonic() + seconds
    print("asking", flush=True)
    while time.monotonic() < give_up:
        if _status(host) == wanted:
            print(time.monotonic(), flush=True)
            return
        time.sleep(0.002)
    sys.exit(f"{url} did not answer {wanted} within {seconds:g} s")


def _status(host: str) -> int:
    connection = http.client.HTTPConnection(host, 80, timeout=5)
    try:
        connection.request("HEAD", "/")
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


if __name__ == "__main__":
    main()
