"""What is on a cluster besides our policies and decides as well, in the form in which it stands beside them.

Objects that are not ours are called KIND/NAMESPACE/NAME, where ours have a resource name: no code takes one for the
other, and no renderer ever sees them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from egress_server.domain.model.names import object_name
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.observed.inventory import ForeignSidecar, ForeignVirtualService

_HERE, _ALL, _NOT = ".", "*", "~"


@dataclass(frozen=True, slots=True)
class ForeignConfig:
    """`entries` are the services of the mesh and the entries of others, `created` their births, `managers` who wrote
    what, by object name; `services` the host of each Service by (namespace, name).

    `known` says that the cluster was looked at; `complete` that nothing was left out of what registers hosts and ports.
    """

    known: bool = False
    complete: bool = False
    entries: tuple[ServiceEntry, ...] = ()
    created: Mapping[str, datetime] = field(default_factory=dict)
    managers: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[tuple[str, str], str] = field(default_factory=dict)
    virtual_services: tuple[ForeignVirtualService, ...] = ()
    sidecars: tuple[ForeignSidecar, ...] = ()
    mesh_mode: str = ""
    injector: Mapping[str, str] = field(default_factory=dict)
    root_namespace: str = "istio-system"

    def title(self, name: str) -> str:
        """A resource or object for people: who it belongs to where it is not ours."""
        kind, _, rest = name.partition("/")
        if kind == "meshes" or not rest:
            return name
        by = self.managers.get(name, "")
        if kind == "Service":
            return f"Service {rest}"
        return f"{kind} {rest} (not ours{f', by {by}' if by else ''})"

    def full_name(self, namespace: str, host: str) -> str:
        """The host of the Service that `host` is short for, as a workload of `namespace` says it; else `host`."""
        match host.split("."):
            case [name]:
                return self.services.get((namespace, name), host)
            case [name, its] | [name, its, "svc"]:
                return self.services.get((its, name), host)
        return host


NOTHING_KNOWN = ForeignConfig()


def sidecar_name(sidecar: ForeignSidecar) -> str:
    """A Sidecar's object name."""
    return object_name("Sidecar", sidecar.namespace, sidecar.name)


def virtual_service_name(virtual_service: ForeignVirtualService) -> str:
    """A VirtualService's object name."""
    return object_name("VirtualService", virtual_service.namespace, virtual_service.name)


def imports(sidecar: ForeignSidecar, client: str, namespace: str, host: str) -> bool:
    """Whether the egress hosts of `sidecar` let workloads of the namespace `client` see a `host` that is registered in
    `namespace`. Each is NAMESPACE/HOST, where `.` is the client's own and `*` any namespace; `~NAMESPACE/HOST` takes
    out again."""
    if not sidecar.egress_hosts:
        return True
    imported = False
    for text in sidecar.egress_hosts:
        where, _, pattern = text.partition("/")
        out = where.startswith(_NOT)
        where = (where[1:] or _ALL) if out else where
        where = client if where == _HERE else where
        if where in {_ALL, namespace} and _within(host, pattern):
            if out:
                return False
            imported = True
    return imported


def _within(host: str, pattern: str) -> bool:
    """Whether every name that `host` stands for is one of `pattern`."""
    if pattern == "*" or host == pattern:
        return True
    return pattern.startswith("*") and host.removeprefix("*").endswith(pattern[1:])
