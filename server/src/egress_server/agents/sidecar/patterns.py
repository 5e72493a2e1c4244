"""Regular expressions for Envoy's admin interface.

Envoy compiles them with RE2 and refuses programs above 100 instructions, unless its bootstrap sets another limit; names
of services may have 253 characters. So a pattern has the ends of a name only, and what else it finds is dropped here.
"""

import re
from urllib.parse import quote

_LONGEST = 40
_HEAD, _TAIL = 15, 24


SHARED_PATTERN = quote(r"^(PassthroughCluster|AllowAnyDynamicD|outbound\|443\|\|kubernetes\.default\.)")
"""Finds the clusters that serve unregistered hosts, and the API server's."""


def name_pattern(name: str) -> str:
    """Quoted for a URL: matches this name, and may match others that begin and end as it does."""
    if len(name) <= _LONGEST:
        return quote(re.escape(name))
    return quote(f"{re.escape(name[:_HEAD])}.*{re.escape(name[-_TAIL:])}")


def listener_pattern(address: str, port: int) -> str:
    """Quoted for a URL: matches Istio's names of the listeners of an address, or any address, and a port."""
    return quote(rf"({re.escape(address)}|0\.0\.0\.0|\[?::\]?)_{port}")


def port_pattern(port: int) -> str:
    """Quoted for a URL: finds the clusters of all services on a port."""
    return quote(rf"^outbound\|{port}\|")


def host_pattern(port: int, host: str) -> str:
    """Quoted for a URL: finds the clusters of this host on a port, of all wildcards there, and maybe more."""
    return quote(rf"^outbound\|{port}\|.*(\|\*|{re.escape(host[-_TAIL:])}$)")
