"""The values that Istio's injector gives to every new pod: four of them, inside the JSON that helm left in a ConfigMap.

Istio validates none of them, and an invalid one keeps every new pod from starting; so they are first checked as
strictly as iptables does (merge/injector.py also tries them on a dry-run pod).
"""

from collections.abc import Mapping
from ipaddress import ip_network

from egress_server.domain.render.policies import ALL
from egress_server.targets.kubernetes.configmap import splice
from egress_server.targets.kubernetes.configmap.splice import PreviousText

KEY = "values"
"""In the ConfigMap's data."""
RANGES = ("includeIPRanges", "excludeIPRanges")
PORTS = ("includeOutboundPorts", "excludeOutboundPorts")
FIELDS = RANGES + PORTS
_PARENT = ("global", "proxy")


def read_values(text: str) -> dict[str, str]:
    """The four values. Missing ports are none; missing ranges are not a value that a pod could start with, and are left
    out. Raises SpliceError."""
    found = {name: splice.read(text, (*_PARENT, name)) for name in FIELDS}
    return {name: value or "" for name, value in found.items() if value is not None or name in PORTS}


def set_values(text: str, values: Mapping[str, str]) -> tuple[str, dict[str, PreviousText]]:
    """The text with other values, and for each that had to be changed what `restore_values` needs. Raises
    SpliceError."""
    before: dict[str, PreviousText] = {}
    now = read_values(text)
    for name in FIELDS:
        if now.get(name) != values[name]:
            text, before[name] = splice.put(text, (*_PARENT, name), values[name])
    return text, before


def restore_values(text: str, before: Mapping[str, PreviousText]) -> str:
    """The text as it was before these values were set, with everything that others have changed since. Raises
    SpliceError."""
    for name in reversed(FIELDS):  # last in, first out
        if name in before:
            text = splice.restore(text, (*_PARENT, name), before[name])
    return text


def invalid_value(values: Mapping[str, str]) -> str:
    """Why no pod should get these values, human-readable; empty if they are valid."""
    for name in FIELDS:
        is_invalid = _is_invalid_range if name in RANGES else _is_invalid_port
        items = values[name].split(",") if values[name] and (name, values[name]) != (RANGES[0], ALL) else []
        if (found := next((item for item in items if is_invalid(item)), None)) is not None:
            return f"{name} has {found!r}, which is not a valid {'range' if name in RANGES else 'port'} for iptables"
    return ""


def _is_invalid_range(text: str) -> bool:
    try:
        return str(ip_network(text)) != text
    except ValueError:
        return True


def _is_invalid_port(text: str) -> bool:
    return not (text.isascii() and text.isdigit() and text == str(int(text)) and 0 < int(text) < 65536)
