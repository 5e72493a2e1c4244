"""When the cluster created managed objects that compete with foreign ones: Istio goes by age."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from egress_server.domain.model.objects import RESOURCE_ANNOTATION
from egress_server.targets.kubernetes.observe.observation import Observation


def managed_times(observation: Observation, foreign_hosts: Iterable[str]) -> Iterator[tuple[str, datetime]]:
    """The resource names and creation times of managed Sidecars, and of managed ServiceEntries with one of these
    hosts."""
    hosts = frozenset(foreign_hosts)
    for key, item in sorted(observation.objects.items()):
        if not item.managed or key.kind not in ("Sidecar", "ServiceEntry"):
            continue
        resource = item.annotations.get(RESOURCE_ANNOTATION)
        competes = key.kind == "Sidecar" or not hosts.isdisjoint(item.content.get("hosts") or ())
        if resource and competes:
            yield resource, item.create_time
