"""Istio's DestinationRule, as far as it decides where a connection goes and whether its protocol survives.

Stored within inventories as JSON: a released field is never renamed, and a new one needs a default.
"""

from dataclasses import dataclass, field
from enum import Enum

from egress_server.domain.model.selectors import Labels


class TlsMode(Enum):
    """Istio's ClientTLSSettings.mode."""

    DISABLE = "DISABLE"
    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"
    ISTIO_MUTUAL = "ISTIO_MUTUAL"

    @property
    def originates(self) -> bool:
        """Whether the sidecar starts a TLS handshake with the destination."""
        return self is not TlsMode.DISABLE


@dataclass(frozen=True, slots=True)
class TrafficPolicy:
    """What a policy sets: the TLS of all ports, and that of single ports, which replaces it there entirely (None: the
    port's own settings have no TLS). `is_set` tells an absent policy from one that sets other things only."""

    is_set: bool = False
    tls: TlsMode | None = None
    port_tls: dict[int, TlsMode | None] = field(default_factory=dict)
    h2_upgrade: bool = False


@dataclass(frozen=True, slots=True)
class Subset:
    """A named subset: the endpoints with all `labels`."""

    name: str
    labels: Labels = field(default_factory=dict)
    policy: TrafficPolicy = TrafficPolicy()


@dataclass(frozen=True, slots=True)
class DestinationRuleSpec:
    """The spec of one DestinationRule. `host` is a full name. Empty `export_to` means MeshConfig's default; a rule with
    `workload_labels` applies only to clients that have them."""

    host: str = ""
    export_to: tuple[str, ...] = ()
    workload_labels: Labels = field(default_factory=dict)
    policy: TrafficPolicy = TrafficPolicy()
    subsets: tuple[Subset, ...] = ()
