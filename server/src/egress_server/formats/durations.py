"""Durations as people write them in Istio's YAML: 5s, 1.5s, 100ms, 1h30m."""

import re

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})(h|ms|m|s|us|µs|ns)")


def parse_duration(text: str) -> float:
    """Seconds; raises ValueError with a text for people."""
    seconds, position = 0.0, 0
    while position < len(text) or not text:
        part = _PART.match(text, position)
        if part is None:
            raise ValueError("must be a duration such as 5s, 1.5s or 100ms")
        seconds += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    return seconds
