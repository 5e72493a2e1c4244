"""Counts what the product asks of Redis, by listening in: MONITOR names every command, and those inside a script apart.

Not part of any timed round, since listening costs Redis much.
"""

import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from tests.bench.rounds import Sample

# 1763862183.123456 [0 unix:/…/redis.sock] "EVALSHA" "…"; the source is `lua` inside a script.
_LINE = re.compile(rb'^\+[\d.]+ \[\d+ (?P<source>[^\]]+)\] "(?P<command>\w+)"')


def commands_a_write(data_dir: Path, write: Callable[[], Sample]) -> dict[str, float]:
    """Redis commands by name per call that `write` makes, without those inside scripts."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(data_dir / "redis" / "redis.sock"))
        connection.sendall(b"MONITOR\r\n")
        counts: Counter[str] = Counter()
        listener = threading.Thread(target=_count, args=(connection, counts))
        listener.start()
        calls = write().load.calls_in_all
        connection.shutdown(socket.SHUT_RD)
        listener.join()
    return {command: count / calls for command, count in counts.most_common()}


def _count(connection: socket.socket, counts: Counter[str]) -> None:
    with connection.makefile("rb") as lines:
        for line in lines:
            if (found := _LINE.match(line)) and found["source"] != b"lua":
                counts[found["command"].decode().upper()] += 1
