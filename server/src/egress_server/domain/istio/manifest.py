"""Fields of an Istio manifest's spec, read tolerantly: what has another type than Istio's schema says counts as absent.

Manifests come from clusters, where old objects may predate the schema that would refuse them today.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Any

CLUSTER_DOMAIN = "cluster.local"
Spec = Mapping[str, Any]

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def child(spec: Spec, name: str) -> Spec:
    """The message under `name`, empty if there is none."""
    found = spec.get(name)
    return found if isinstance(found, Mapping) else {}


def children(spec: Spec, name: str) -> Sequence[Spec]:
    """The messages in the list under `name`."""
    found = spec.get(name)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list | tuple) else []


def text(spec: Spec, name: str) -> str:
    """The text under `name`."""
    found = spec.get(name)
    return found if isinstance(found, str) else ""


def texts(spec: Spec, name: str) -> tuple[str, ...]:
    """The texts in the list under `name`."""
    found = spec.get(name)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list | tuple) else ()


def labels(spec: Spec, name: str) -> dict[str, str]:
    """The labels under `name`."""
    return {key: value for key, value in child(spec, name).items() if isinstance(value, str)}


def number(spec: Spec, name: str) -> int:
    """The whole number under `name`, 0 if there is none."""
    found = spec.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0


def percent(spec: Spec) -> float:
    """The share of a fault in percent: its `percentage`, else the deprecated `percent`. Without either Istio never
    injects it."""
    value = child(spec, "percentage").get("value") if "percentage" in spec else spec.get("percent")
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def seconds(duration: object) -> float | None:
    """A duration such as 1h2m0.5s in seconds; None if it is not one."""
    if not isinstance(duration, str):
        return None
    parts = _DURATION_PART.findall(duration)
    if not parts or "".join(amount + unit for amount, unit in parts) != duration:
        return None
    return sum(float(amount) * _UNITS[unit] for amount, unit in parts)


def full_name(host: str, namespace: str) -> str:
    """A host without a dot is a Service of the manifest's namespace, unless it is `*` or an IP address."""
    if not host or "." in host or host == "*" or is_ip(host):
        return host
    return f"{host}.{namespace}.svc.{CLUSTER_DOMAIN}"


def is_ip(host: str) -> bool:
    """Whether it is an IP address, not a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
