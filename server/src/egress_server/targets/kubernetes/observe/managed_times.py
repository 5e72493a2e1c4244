"""When the cluster created managed objects that compete with others: Istio goes by age, and by when the cluster
created them, which may be long after the resources, and in the same second."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from egress_server.domain.model.objects import RESOURCE_ANNOTATION
from egress_server.domain.model.resources import Protocol
from egress_server.targets.kubernetes.observe.observation import Observation

_BY_NAME = frozenset(protocol.value for protocol in Protocol if protocol.is_http or protocol.is_tls)
"""Protocols whose connections are distinguished by name."""


def managed_times(observation: Observation, foreign_hosts: Iterable[str]) -> Iterator[tuple[str, datetime]]:
    """The resource names and creation times of managed Sidecars, and of managed ServiceEntries with a host that another
    one or a foreign object has too, or with connections that are not distinguished by name."""
    managed = [item for item in observation.objects.values() if item.managed and item.key.kind == "ServiceEntry"]
    counts = Counter(host for item in managed for host in item.content.get("hosts") or ())
    shared = {host for host, count in counts.items() if count > 1} | set(foreign_hosts)
    for key, item in sorted(observation.objects.items()):
        if not item.managed or key.kind not in ("Sidecar", "ServiceEntry"):
            continue
        resource = item.annotations.get(RESOURCE_ANNOTATION)
        if resource and (key.kind == "Sidecar" or _competes(item.content, shared)):
            yield resource, item.create_time


def _competes(entry: Mapping[str, Any], shared: set[str]) -> bool:
    by_address = bool(entry.get("addresses")) or any(
        port.get("protocol", "") not in _BY_NAME for port in entry.get("ports") or ()
    )
    return by_address or not shared.isdisjoint(entry.get("hosts") or ())
