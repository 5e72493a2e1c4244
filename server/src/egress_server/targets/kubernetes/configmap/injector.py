"""What Istio's injector gives every new pod of a mesh: four values inside the JSON that helm left in a ConfigMap.

Istio checks none of them, and a bad one keeps every new pod from starting; so what is written is read first as strictly
as iptables would (parts/injector.py also has a pod made for trial).
"""

from collections.abc import Mapping
from ipaddress import ip_network

from egress_server.domain.render.policies import ALL
from egress_server.targets.kubernetes.configmap import splice
from egress_server.targets.kubernetes.configmap.splice import Before

KEY = "values"
"""Of the ConfigMap's data."""
RANGES = ("includeIPRanges", "excludeIPRanges")
PORTS = ("includeOutboundPorts", "excludeOutboundPorts")
FIELDS = RANGES + PORTS
_WHERE = ("global", "proxy")


def read_values(text: str) -> dict[str, str]:
    """The four values. Ports that are not there are none; ranges that are not there are nothing that a pod could start
    with, and are left out. Raises SpliceError."""
    found = {name: splice.read(text, (*_WHERE, name)) for name in FIELDS}
    return {name: value or "" for name, value in found.items() if value is not None or name in PORTS}


def set_values(text: str, values: Mapping[str, str]) -> tuple[str, dict[str, Before]]:
    """The text with other values, and of each that had to be changed what `restore_values` needs. Raises
    SpliceError."""
    before: dict[str, Before] = {}
    now = read_values(text)
    for name in FIELDS:
        if now.get(name) != values[name]:
            text, before[name] = splice.put(text, (*_WHERE, name), values[name])
    return text, before


def restore_values(text: str, before: Mapping[str, Before]) -> str:
    """The text as it was before these values were set, with all that others have changed since. Raises SpliceError."""
    for name in reversed(FIELDS):  # last in, first out
        if name in before:
            text = splice.restore(text, (*_WHERE, name), before[name])
    return text


def what_is_wrong(values: Mapping[str, str]) -> str:
    """Why no pod should be given these values, for people; empty where nothing is wrong with them."""
    for name in FIELDS:
        wrong = _wrong_range if name in RANGES else _wrong_port
        words = values[name].split(",") if values[name] and (name, values[name]) != (RANGES[0], ALL) else []
        if (found := next((word for word in words if wrong(word)), None)) is not None:
            return f"{name} has {found!r}, which is no {'range' if name in RANGES else 'port'} as iptables takes it"
    return ""


def _wrong_range(text: str) -> bool:
    try:
        return str(ip_network(text)) != text
    except ValueError:
        return True


def _wrong_port(text: str) -> bool:
    return not (text.isascii() and text.isdigit() and text == str(int(text)) and 0 < int(text) < 65536)
