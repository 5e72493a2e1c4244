"""Parts of the settings that decide how a sidecar connects to a service.

Stored as JSON: a released field is never renamed, and a new one needs a default. Times in seconds.
"""

from dataclasses import dataclass
from enum import Enum


class OriginationMode(Enum):
    """Istio's ClientTLSSettings.mode, as far as the sidecar then originates TLS. MUTUAL presents a certificate."""

    SIMPLE = "SIMPLE"
    MUTUAL = "MUTUAL"


class H2UpgradePolicy(Enum):
    """Istio's ConnectionPoolSettings.HTTPSettings.H2UpgradePolicy."""

    DEFAULT = "DEFAULT"
    DO_NOT_UPGRADE = "DO_NOT_UPGRADE"
    UPGRADE = "UPGRADE"


@dataclass(frozen=True, slots=True)
class TcpKeepalive:
    """When an idle connection is probed first, how often then, and after how many unanswered probes it is closed; what
    is None or 0 is up to the operating system."""

    time: float | None = None
    interval: float | None = None
    probes: int = 0


class SimpleLoadBalancer(Enum):
    """Istio's LoadBalancerSettings.SimpleLB, without those for original destinations."""

    LEAST_REQUEST = "LEAST_REQUEST"
    ROUND_ROBIN = "ROUND_ROBIN"
    RANDOM = "RANDOM"


@dataclass(frozen=True, slots=True)
class HttpCookie:
    """A cookie to hash. The sidecar sets it if it is missing; `ttl` None means for the session."""

    name: str
    path: str = ""
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """Which address a request or connection goes to: by `simple`, or by the hash of exactly one of the others."""

    simple: SimpleLoadBalancer | None = None
    http_header_name: str = ""
    http_cookie: HttpCookie | None = None
    use_source_ip: bool = False
    http_query_parameter_name: str = ""
