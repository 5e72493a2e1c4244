"""The Python client of mesh-egress: how workloads in Istio meshes reach the outside world.

    import egress

    with egress.EgressClient("127.0.0.1:9090") as client:
        change = client.set_outbound_policy("REGISTRY_ONLY", reason="close the default")
        change.wait(until="verified")
        with client.fault("www.aliyun.com", delay="5s", ttl="10m"):
            print(client.probe("http://www.aliyun.com", cluster="local").outcome)

Names are loaded when they are first used: importing `egress` alone imports neither gRPC nor
protobuf, so that the generated code in `egress.v1` can be had without the client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from egress._changed import AsyncChanged as AsyncChanged
    from egress._changed import Changed as Changed
    from egress._channel import __version__ as __version__
    from egress._client import AsyncEgressClient as AsyncEgressClient
    from egress._client import EgressClient as EgressClient
    from egress._errors import Aborted as Aborted
    from egress._errors import AlreadyExists as AlreadyExists
    from egress._errors import Cancelled as Cancelled
    from egress._errors import CursorExpired as CursorExpired
    from egress._errors import DeadlineExceeded as DeadlineExceeded
    from egress._errors import EgressError as EgressError
    from egress._errors import EtagMismatch as EtagMismatch
    from egress._errors import FailedPrecondition as FailedPrecondition
    from egress._errors import InternalError as InternalError
    from egress._errors import InvalidArgument as InvalidArgument
    from egress._errors import NotFound as NotFound
    from egress._errors import OutOfRange as OutOfRange
    from egress._errors import PermissionDenied as PermissionDenied
    from egress._errors import ResourceExhausted as ResourceExhausted
    from egress._errors import Unauthenticated as Unauthenticated
    from egress._errors import Unavailable as Unavailable
    from egress._errors import Unimplemented as Unimplemented
    from egress._errors import Violation as Violation
    from egress._fields import Mutation as Mutation
    from egress._pagers import AsyncPager as AsyncPager
    from egress._pagers import Pager as Pager
    from egress._watch import AsyncWatch as AsyncWatch
    from egress._watch import Watch as Watch
    from egress.v1.change_pb2 import Change as Change
    from egress.v1.change_pb2 import ClusterRollout as ClusterRollout
    from egress.v1.change_service_pb2 import WatchChangesResponse as WatchChangesResponse
    from egress.v1.cluster_pb2 import Cluster as Cluster
    from egress.v1.common_pb2 import Finding as Finding
    from egress.v1.common_pb2 import Plan as Plan
    from egress.v1.explain_pb2 import ExplainResponse as ExplainResponse
    from egress.v1.fault_pb2 import Fault as Fault
    from egress.v1.fleet_service_pb2 import Agent as Agent
    from egress.v1.interception_pb2 import Interception as Interception
    from egress.v1.inventory_pb2 import DriftedObject as DriftedObject
    from egress.v1.inventory_pb2 import Observation as Observation
    from egress.v1.inventory_pb2 import PolicyGap as PolicyGap
    from egress.v1.inventory_pb2 import StaleWorkload as StaleWorkload
    from egress.v1.mesh_pb2 import Mesh as Mesh
    from egress.v1.outbound_policy_pb2 import OutboundPolicy as OutboundPolicy
    from egress.v1.probe_pb2 import ProbeResponse as ProbeResponse
    from egress.v1.service_entry_pb2 import ConnectionLimits as ConnectionLimits
    from egress.v1.service_entry_pb2 import Endpoint as Endpoint
    from egress.v1.service_entry_pb2 import HeaderMatch as HeaderMatch
    from egress.v1.service_entry_pb2 import OutlierDetection as OutlierDetection
    from egress.v1.service_entry_pb2 import Retries as Retries
    from egress.v1.service_entry_pb2 import Route as Route
    from egress.v1.service_entry_pb2 import ServiceEntry as ServiceEntry
    from egress.v1.service_entry_pb2 import ServicePort as ServicePort
    from egress.v1.service_entry_pb2 import TlsOrigination as TlsOrigination
    from egress.v1.service_entry_pb2 import WeightedDestination as WeightedDestination

_HOMES = {
    "egress._changed": (
        "AsyncChanged",
        "Changed",
    ),
    "egress._channel": ("__version__",),
    "egress._client": (
        "AsyncEgressClient",
        "EgressClient",
    ),
    "egress._errors": (
        "Aborted",
        "AlreadyExists",
        "Cancelled",
        "CursorExpired",
        "DeadlineExceeded",
        "EgressError",
        "EtagMismatch",
        "FailedPrecondition",
        "InternalError",
        "InvalidArgument",
        "NotFound",
        "OutOfRange",
        "PermissionDenied",
        "ResourceExhausted",
        "Unauthenticated",
        "Unavailable",
        "Unimplemented",
        "Violation",
    ),
    "egress._fields": ("Mutation",),
    "egress._pagers": (
        "AsyncPager",
        "Pager",
    ),
    "egress._watch": (
        "AsyncWatch",
        "Watch",
    ),
    "egress.v1.change_pb2": (
        "Change",
        "ClusterRollout",
    ),
    "egress.v1.change_service_pb2": ("WatchChangesResponse",),
    "egress.v1.cluster_pb2": ("Cluster",),
    "egress.v1.common_pb2": (
        "Finding",
        "Plan",
    ),
    "egress.v1.explain_pb2": ("ExplainResponse",),
    "egress.v1.fault_pb2": ("Fault",),
    "egress.v1.fleet_service_pb2": ("Agent",),
    "egress.v1.interception_pb2": ("Interception",),
    "egress.v1.inventory_pb2": (
        "DriftedObject",
        "PolicyGap",
        "Observation",
        "StaleWorkload",
    ),
    "egress.v1.mesh_pb2": ("Mesh",),
    "egress.v1.outbound_policy_pb2": ("OutboundPolicy",),
    "egress.v1.probe_pb2": ("ProbeResponse",),
    "egress.v1.service_entry_pb2": (
        "ConnectionLimits",
        "Endpoint",
        "HeaderMatch",
        "OutlierDetection",
        "Retries",
        "Route",
        "ServiceEntry",
        "ServicePort",
        "TlsOrigination",
        "WeightedDestination",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})
