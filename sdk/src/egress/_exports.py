"""The module of each public name of `egress`. Names are loaded when they are first used.

Generated from proto/egress/v1 by `make gen`. Never edited.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from egress._api.client import AsyncEgressClient as AsyncEgressClient
    from egress._api.client import EgressClient as EgressClient
    from egress._api.fields import MutationOptions as MutationOptions
    from egress._client.errors import Aborted as Aborted
    from egress._client.errors import AlreadyExists as AlreadyExists
    from egress._client.errors import Cancelled as Cancelled
    from egress._client.errors import CursorExpired as CursorExpired
    from egress._client.errors import DeadlineExceeded as DeadlineExceeded
    from egress._client.errors import EgressError as EgressError
    from egress._client.errors import EtagMismatch as EtagMismatch
    from egress._client.errors import FailedPrecondition as FailedPrecondition
    from egress._client.errors import InternalError as InternalError
    from egress._client.errors import InvalidArgument as InvalidArgument
    from egress._client.errors import NotFound as NotFound
    from egress._client.errors import OutOfRange as OutOfRange
    from egress._client.errors import PermissionDenied as PermissionDenied
    from egress._client.errors import ResourceExhausted as ResourceExhausted
    from egress._client.errors import Unauthenticated as Unauthenticated
    from egress._client.errors import Unavailable as Unavailable
    from egress._client.errors import Unimplemented as Unimplemented
    from egress._client.errors import Violation as Violation
    from egress._client.pagers import AsyncPager as AsyncPager
    from egress._client.pagers import Pager as Pager
    from egress._client.results import AsyncMutationResult as AsyncMutationResult
    from egress._client.results import MutationResult as MutationResult
    from egress._client.transport import __version__ as __version__
    from egress._client.watch import AsyncWatch as AsyncWatch
    from egress._client.watch import Watch as Watch
    from egress.v1.change_pb2 import Change as Change
    from egress.v1.change_pb2 import ClusterRollout as ClusterRollout
    from egress.v1.change_service_pb2 import WaitChangeResponse as WaitChangeResponse
    from egress.v1.change_service_pb2 import WatchChangesResponse as WatchChangesResponse
    from egress.v1.cluster_pb2 import Cluster as Cluster
    from egress.v1.common_pb2 import ClusterSelector as ClusterSelector
    from egress.v1.common_pb2 import Finding as Finding
    from egress.v1.common_pb2 import Plan as Plan
    from egress.v1.common_pb2 import PlanGroup as PlanGroup
    from egress.v1.common_pb2 import PlannedObject as PlannedObject
    from egress.v1.common_pb2 import Scope as Scope
    from egress.v1.explain_pb2 import ExplainResponse as ExplainResponse
    from egress.v1.fault_pb2 import Fault as Fault
    from egress.v1.fleet_service_pb2 import Agent as Agent
    from egress.v1.fleet_service_pb2 import ResyncResponse as ResyncResponse
    from egress.v1.interception_pb2 import Interception as Interception
    from egress.v1.inventory_pb2 import DriftedObject as DriftedObject
    from egress.v1.inventory_pb2 import Observation as Observation
    from egress.v1.inventory_pb2 import PolicyGap as PolicyGap
    from egress.v1.inventory_pb2 import StaleWorkload as StaleWorkload
    from egress.v1.live_pb2 import LiveEvaluation as LiveEvaluation
    from egress.v1.mesh_pb2 import Mesh as Mesh
    from egress.v1.outbound_policy_pb2 import OutboundPolicy as OutboundPolicy
    from egress.v1.probe_pb2 import ProbeAttempt as ProbeAttempt
    from egress.v1.probe_pb2 import ProbeCause as ProbeCause
    from egress.v1.probe_pb2 import ProbeResponse as ProbeResponse
    from egress.v1.service_entry_pb2 import ConnectionLimits as ConnectionLimits
    from egress.v1.service_entry_pb2 import Endpoint as Endpoint
    from egress.v1.service_entry_pb2 import HeaderMatch as HeaderMatch
    from egress.v1.service_entry_pb2 import HeaderOperations as HeaderOperations
    from egress.v1.service_entry_pb2 import HttpCookie as HttpCookie
    from egress.v1.service_entry_pb2 import LoadBalancer as LoadBalancer
    from egress.v1.service_entry_pb2 import OutlierDetection as OutlierDetection
    from egress.v1.service_entry_pb2 import Retries as Retries
    from egress.v1.service_entry_pb2 import Route as Route
    from egress.v1.service_entry_pb2 import ServiceEntry as ServiceEntry
    from egress.v1.service_entry_pb2 import ServicePort as ServicePort
    from egress.v1.service_entry_pb2 import StringMatch as StringMatch
    from egress.v1.service_entry_pb2 import TcpKeepalive as TcpKeepalive
    from egress.v1.service_entry_pb2 import TlsOrigination as TlsOrigination
    from egress.v1.service_entry_pb2 import TrafficSettings as TrafficSettings
    from egress.v1.service_entry_pb2 import WeightedDestination as WeightedDestination

MODULES = {
    "Aborted": "egress._client.errors",
    "Agent": "egress.v1.fleet_service_pb2",
    "AlreadyExists": "egress._client.errors",
    "AsyncEgressClient": "egress._api.client",
    "AsyncMutationResult": "egress._client.results",
    "AsyncPager": "egress._client.pagers",
    "AsyncWatch": "egress._client.watch",
    "Cancelled": "egress._client.errors",
    "Change": "egress.v1.change_pb2",
    "Cluster": "egress.v1.cluster_pb2",
    "ClusterRollout": "egress.v1.change_pb2",
    "ClusterSelector": "egress.v1.common_pb2",
    "ConnectionLimits": "egress.v1.service_entry_pb2",
    "CursorExpired": "egress._client.errors",
    "DeadlineExceeded": "egress._client.errors",
    "DriftedObject": "egress.v1.inventory_pb2",
    "EgressClient": "egress._api.client",
    "EgressError": "egress._client.errors",
    "Endpoint": "egress.v1.service_entry_pb2",
    "EtagMismatch": "egress._client.errors",
    "ExplainResponse": "egress.v1.explain_pb2",
    "FailedPrecondition": "egress._client.errors",
    "Fault": "egress.v1.fault_pb2",
    "Finding": "egress.v1.common_pb2",
    "HeaderMatch": "egress.v1.service_entry_pb2",
    "HeaderOperations": "egress.v1.service_entry_pb2",
    "HttpCookie": "egress.v1.service_entry_pb2",
    "Interception": "egress.v1.interception_pb2",
    "InternalError": "egress._client.errors",
    "InvalidArgument": "egress._client.errors",
    "LiveEvaluation": "egress.v1.live_pb2",
    "LoadBalancer": "egress.v1.service_entry_pb2",
    "Mesh": "egress.v1.mesh_pb2",
    "MutationOptions": "egress._api.fields",
    "MutationResult": "egress._client.results",
    "NotFound": "egress._client.errors",
    "Observation": "egress.v1.inventory_pb2",
    "OutOfRange": "egress._client.errors",
    "OutboundPolicy": "egress.v1.outbound_policy_pb2",
    "OutlierDetection": "egress.v1.service_entry_pb2",
    "Pager": "egress._client.pagers",
    "PermissionDenied": "egress._client.errors",
    "Plan": "egress.v1.common_pb2",
    "PlanGroup": "egress.v1.common_pb2",
    "PlannedObject": "egress.v1.common_pb2",
    "PolicyGap": "egress.v1.inventory_pb2",
    "ProbeAttempt": "egress.v1.probe_pb2",
    "ProbeCause": "egress.v1.probe_pb2",
    "ProbeResponse": "egress.v1.probe_pb2",
    "ResourceExhausted": "egress._client.errors",
    "ResyncResponse": "egress.v1.fleet_service_pb2",
    "Retries": "egress.v1.service_entry_pb2",
    "Route": "egress.v1.service_entry_pb2",
    "Scope": "egress.v1.common_pb2",
    "ServiceEntry": "egress.v1.service_entry_pb2",
    "ServicePort": "egress.v1.service_entry_pb2",
    "StaleWorkload": "egress.v1.inventory_pb2",
    "StringMatch": "egress.v1.service_entry_pb2",
    "TcpKeepalive": "egress.v1.service_entry_pb2",
    "TlsOrigination": "egress.v1.service_entry_pb2",
    "TrafficSettings": "egress.v1.service_entry_pb2",
    "Unauthenticated": "egress._client.errors",
    "Unavailable": "egress._client.errors",
    "Unimplemented": "egress._client.errors",
    "Violation": "egress._client.errors",
    "WaitChangeResponse": "egress.v1.change_service_pb2",
    "Watch": "egress._client.watch",
    "WatchChangesResponse": "egress.v1.change_service_pb2",
    "WeightedDestination": "egress.v1.service_entry_pb2",
    "__version__": "egress._client.transport",
}
