"""The configuration on a cluster that mesh-egress does not manage but that takes effect as well.

Foreign objects are named KIND/NAMESPACE/NAME, managed ones have a resource name: the two can't be confused, and no
renderer ever gets a foreign object.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from egress_server.domain.istio.mesh_config import MeshSettings
from egress_server.domain.model.names import is_resource, object_name
from egress_server.domain.model.resources import ServiceEntry
from egress_server.domain.observed.inventory import (
    AllocatedAddress,
    ForeignDestinationRule,
    ForeignEntry,
    ForeignSidecar,
    ForeignVirtualService,
    KnownService,
    SelectedAddresses,
    UnevaluatedObject,
)

_OWN_NAMESPACE, _ANY, _NOT = ".", "*", "~"


@dataclass(frozen=True, slots=True)
class ForeignConfig:
    """`entries` are the mesh's Services and the foreign entries; `create_times` and `managers` (the last field manager)
    are by object name; `services` is the host of each Service by (namespace, name), `known_services` has the rest of
    them by host. `virtual_services` includes delegates, which have no hosts. istiod reads nothing in
    `ignored_namespaces`. `allocated` has the addresses that istiod gave to hosts of managed and foreign entries,
    `selected` those of the workloads that managed entries select.

    `known` means that the cluster has been observed, `complete` that nothing was left out of what registers hosts and
    ports.
    """

    known: bool = False
    complete: bool = False
    entries: tuple[ServiceEntry, ...] = ()
    aliases: tuple[ServiceEntry, ...] = ()
    """The Services of type ExternalName, which are not among `entries`."""
    create_times: Mapping[str, datetime] = field(default_factory=dict)
    managers: Mapping[str, str] = field(default_factory=dict)
    services: Mapping[tuple[str, str], str] = field(default_factory=dict)
    known_services: Mapping[str, KnownService] = field(default_factory=dict)
    foreign_entries: Mapping[str, ForeignEntry] = field(default_factory=dict)
    """What `entries` can't express about foreign ServiceEntries, by object name."""
    virtual_services: tuple[ForeignVirtualService, ...] = ()
    destination_rules: tuple[ForeignDestinationRule, ...] = ()
    sidecars: tuple[ForeignSidecar, ...] = ()
    mesh: MeshSettings = field(default_factory=MeshSettings)
    ignored_namespaces: frozenset[str] = frozenset()
    allocated: tuple[AllocatedAddress, ...] = ()
    selected: tuple[SelectedAddresses, ...] = ()
    unevaluated: tuple[UnevaluatedObject, ...] = ()
    managed_times: Mapping[str, datetime] = field(default_factory=dict)
    """When the cluster created managed objects that compete with foreign ones, by resource name, as far as known."""
    mesh_mode: str = ""
    injector: Mapping[str, str] = field(default_factory=dict)
    root_namespace: str = "istio-system"

    def describe(self, name: str) -> str:
        """A resource or object for messages, such as `Sidecar shop/default (unmanaged, last changed by kubectl)`."""
        if not name or is_resource(name):
            return name
        return describe_object(name, self.managers.get(name, ""))

    def full_name(self, namespace: str, host: str) -> str:
        """The host of the Service that a workload of `namespace` means by the short name `host`; else `host`."""
        match host.split("."):
            case [name]:
                return self.services.get((namespace, name), host)
            case [name, its] | [name, its, "svc"]:
                return self.services.get((its, name), host)
        return host


NOT_OBSERVED = ForeignConfig()


def describe_object(name: str, manager: str) -> str:
    """A foreign object for messages, given its KIND/NAMESPACE/NAME and its last field manager (empty if unknown)."""
    kind, _, rest = name.partition("/")
    if kind == "Service":
        return f"Service {rest}"
    return f"{kind} {rest} (unmanaged{f', last changed by {manager}' if manager else ''})"


def sidecar_name(sidecar: ForeignSidecar) -> str:
    """The object name of a Sidecar."""
    return object_name("Sidecar", sidecar.namespace, sidecar.name)


def destination_rule_name(rule: ForeignDestinationRule) -> str:
    """The object name of a DestinationRule."""
    return object_name("DestinationRule", rule.namespace, rule.name)


def unevaluated_name(obj: UnevaluatedObject) -> str:
    """The object name of an object that is not evaluated."""
    return object_name(obj.kind, obj.namespace, obj.name)


def virtual_service_name(virtual_service: ForeignVirtualService) -> str:
    """The object name of a VirtualService."""
    return object_name("VirtualService", virtual_service.namespace, virtual_service.name)


def imports(sidecar: ForeignSidecar, client: str, namespace: str, host: str) -> bool:
    """Whether the egress hosts of `sidecar` let workloads of the namespace `client` see a `host` that is registered in
    `namespace`. Each egress host is NAMESPACE/HOST, where `.` is the client's own namespace and `*` any;
    `~NAMESPACE/HOST` excludes hosts again."""
    if not sidecar.egress_hosts:
        return True
    imported = False
    for text in sidecar.egress_hosts:
        scope, _, pattern = text.partition("/")
        excluded = scope.startswith(_NOT)
        scope = (scope[1:] or _ANY) if excluded else scope
        scope = client if scope == _OWN_NAMESPACE else scope
        if scope in {_ANY, namespace} and _includes(pattern, host):
            if excluded:
                return False
            imported = True
    return imported


def _includes(pattern: str, host: str) -> bool:
    """Whether every name that `host` matches is matched by `pattern` as well."""
    if pattern == "*" or host == pattern:
        return True
    return pattern.startswith("*") and host.removeprefix("*").endswith(pattern[1:])
