"""P16: how long the event loop is blocked while callers send the worst that is accepted.

The server's own watchdog says how late its timers were; small reads from outside say what their callers felt.
"""

import http.client
import json
import re
import statistics
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count, cycle

from tests.bench.servers import Running

ENTRIES = 10_000
CALLERS = 16
SECONDS = 10.0
_PARENT = "/v1/meshes/default/namespaces/bench/serviceEntries"
_UPSERT = f"{_PARENT}:upsert"
_HEAD = """apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: large, namespace: bench}
spec:
  hosts: [large.example.com]
"""
_BUCKET = re.compile(r'^egress_loop_stall_seconds_bucket\{le="([^"]+)"\} ([0-9.e+]+)$', re.M)


@dataclass(frozen=True, slots=True)
class Stalls:
    """`late` counts ticks by the upper bound of their lateness in seconds; the other figures are milliseconds."""

    late: Mapping[float, int]
    calls: Mapping[str, int]
    quiet_p99: float
    loaded_p99: float
    loaded_worst: float

    def longer_than(self, seconds: float) -> int:
        """How many steps took longer; `seconds` is one of the bounds."""
        return sum(number for bound, number in self.late.items() if bound > seconds)

    @property
    def bound(self) -> float:
        """No step took longer than this, in seconds."""
        return max((bound for bound, number in self.late.items() if number), default=0.0)


def measure_stalls(server: Running) -> Stalls:
    """Fills the server, then calls it from all sides."""
    with ThreadPoolExecutor(CALLERS) as pool:
        for status in pool.map(lambda chunk: _fill(server, chunk), range(CALLERS)):
            if status != 200:
                raise RuntimeError(f"status {status} while the server was filled")
        quiet = _reads(server, time.monotonic() + SECONDS / 2)
        before, until = _late(server), time.monotonic() + SECONDS
        callers = [
            pool.submit(_call, server, kind, until) for kind, _ in zip(cycle(_KINDS), range(CALLERS - 1), strict=False)
        ]
        loaded = _reads(server, until)
        calls: dict[str, int] = {}
        for kind, caller in zip(cycle(_KINDS), callers, strict=False):
            calls[kind] = calls.get(kind, 0) + caller.result()
    late = {bound: number - before[bound] for bound, number in _late(server).items()}
    quiet_p99, loaded_p99 = (statistics.quantiles(times, n=100)[98] * 1000 for times in (quiet, loaded))
    return Stalls(late, calls, quiet_p99, loaded_p99, max(loaded) * 1000)


def _entry(name: str, **fields: object) -> dict[str, object]:
    ports = [{"number": 443, "name": "tls", "protocol": "TLS"}]
    return {"hosts": [f"{name}.example.com"], "ports": ports, "resolution": "DNS", **fields}


def _yaml(lines: Iterator[str]) -> bytes:
    text = _HEAD
    while len(text) < 240_000:
        text += "".join(line for line, _ in zip(lines, range(1000), strict=False))
    return text[: text.rindex("\n", 0, 250_000) + 1].encode()


_JSON = {"Content-Type": "application/json"}
_YAML = {"Content-Type": "application/yaml"}
_KINDS: Mapping[str, tuple[str, Mapping[str, str], bytes]] = {
    "YAML, a long list": (_UPSERT, _YAML, _yaml(f"  - {{a: {number}}}\n" for number in count())),
    "YAML, many keys": (_UPSERT, _YAML, _yaml(f"  k{number}: 1\n" for number in count())),
    "JSON, many names and one twice": (
        _UPSERT,
        _JSON,
        f"{{{','.join(f'{chr(34)}{n}{chr(34)}:1' for n in (*range(24_000), 0))}}}".encode(),
    ),
    "JSON, a long list": (_UPSERT, _JSON, json.dumps({"serviceEntry": _entry("x", addresses=["1"] * 45_000)}).encode()),
    "the largest entry, dry run": (
        f"{_UPSERT}?serviceEntryId=largest&validateOnly=true",
        _JSON,
        json.dumps(
            {
                "serviceEntry": _entry(
                    "largest",
                    resolution="STATIC",
                    endpoints=[{"address": f"203.0.{n // 250}.{n % 250 + 1}"} for n in range(1000)],
                )
            }
        ).encode(),
    ),
    "a page of 1,000": (f"{_PARENT}?pageSize=1000", {}, b""),
}


def _fill(server: Running, chunk: int) -> int:
    connection = _connection(server)
    for number in range(chunk, ENTRIES, CALLERS):
        body = json.dumps({"serviceEntry": _entry(f"e{number}")}).encode()
        status = _send(connection, f"{_UPSERT}?serviceEntryId=e{number}", _JSON, body)
        if status != 200:
            return status
    return 200


def _call(server: Running, kind: str, until: float) -> int:
    """Sends requests of a kind; returns how many."""
    connection, (path, headers, body) = _connection(server), _KINDS[kind]
    calls = 0
    while not calls or time.monotonic() < until:
        _send(connection, path, headers, body)
        calls += 1
    return calls


def _reads(server: Running, until: float) -> list[float]:
    """How long small reads took, in seconds."""
    connection, times = _connection(server), []
    while (begin := time.monotonic()) < until:
        if _send(connection, f"{_PARENT}/e1", {}, b"") != 200:
            raise RuntimeError("a small read failed")
        times.append(time.monotonic() - begin)
        threading.Event().wait(0.005)
    return times


def _late(server: Running) -> dict[float, int]:
    connection = _connection(server)
    connection.request("GET", "/metrics")
    found = _BUCKET.findall(connection.getresponse().read().decode())
    counts = {float(bound): int(float(number)) for bound, number in found}
    bounds = sorted(counts)
    return {
        bound: counts[bound] - (counts[below] if below is not None else 0)
        for below, bound in zip([None, *bounds], bounds, strict=False)
    }


def _connection(server: Running) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.http, timeout=60)


def _send(connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str], body: bytes) -> int:
    connection.request("POST" if body else "GET", path, body or None, dict(headers))
    response = connection.getresponse()
    response.read()
    return response.status
