"""Both transports behind one interface: the same request in proto3 JSON over gRPC and REST, and its response."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

import grpc
import httpx
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from egress.v1 import (
    change_service_pb2,
    change_service_pb2_grpc,
    egress_service_pb2,
    egress_service_pb2_grpc,
    fleet_service_pb2,
    fleet_service_pb2_grpc,
    probe_pb2,
)

Json = dict[str, Any]
_DETAILS = (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo)
"""Read here so that details of errors can be written as JSON: their types must be known."""

# Written manually, independent of the annotations: what a user of the REST API types.
ROUTES: Mapping[str, tuple[str, str]] = {
    "SetOutboundPolicy": ("POST", "/v1/{parent}/outboundPolicies:set"),
    "GetOutboundPolicy": ("GET", "/v1/{name}"),
    "ListOutboundPolicies": ("GET", "/v1/{parent}/outboundPolicies"),
    "DeleteOutboundPolicy": ("DELETE", "/v1/{name}"),
    "UpsertServiceEntry": ("POST", "/v1/{parent}/serviceEntries:upsert"),
    "GetServiceEntry": ("GET", "/v1/{name}"),
    "ListServiceEntries": ("GET", "/v1/{parent}/serviceEntries"),
    "DeleteServiceEntry": ("DELETE", "/v1/{name}"),
    "Probe": ("POST", "/v1/{cluster}:probe"),
    "RegisterCluster": ("POST", "/v1/{parent}/clusters:register"),
    "GetCluster": ("GET", "/v1/{name}"),
    "ListClusters": ("GET", "/v1/{parent}/clusters"),
    "ListDrift": ("GET", "/v1/{parent}/drift"),
    "ListPolicyGaps": ("GET", "/v1/{parent}/policyGaps"),
    "ListStaleWorkloads": ("GET", "/v1/{parent}/staleWorkloads"),
    "AdoptObject": ("POST", "/v1/{name}:adopt"),
    "ReleaseObject": ("POST", "/v1/{name}:release"),
    "ApproveDeletion": ("POST", "/v1/{name}:approveDeletion"),
    "AcceptStoreReset": ("POST", "/v1/{name}:acceptStoreReset"),
    "RestartWorkloads": ("POST", "/v1/{name}:restartWorkloads"),
    "RevertChange": ("POST", "/v1/{name}:revert"),
    "GetChange": ("GET", "/v1/{name}"),
    "ListChanges": ("GET", "/v1/{parent}/changes"),
    "ListClusterRollouts": ("GET", "/v1/{parent}/clusterRollouts"),
    "WaitChange": ("GET", "/v1/{name}:wait"),
}
_REQUESTS = (egress_service_pb2, fleet_service_pb2, change_service_pb2, probe_pb2)
_STUBS = (
    egress_service_pb2_grpc.EgressServiceStub,
    fleet_service_pb2_grpc.FleetServiceStub,
    change_service_pb2_grpc.ChangeServiceStub,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply (`code` 0) or a Status, as JSON. `http` is the HTTP status, 0 by gRPC."""

    code: int
    body: Json
    http: int = 0

    @property
    def reason(self) -> str:
        """The reason of the ErrorInfo."""
        return str(next((d["reason"] for d in self.body.get("details", ()) if "reason" in d), ""))

    @property
    def fields(self) -> list[str]:
        """The fields that the error names."""
        return [v["field"] for d in self.body.get("details", ()) for v in d.get("fieldViolations", ())]

    def __str__(self) -> str:
        """For failed assertions."""
        return f"{self.http} {code_pb2.Code.Name(self.code)} {json.dumps(self.body, indent=1)}"


class Transport(Protocol):
    """A transport of the API."""

    def call(self, rpc: str, request: Json) -> Answer:
        """Makes one call."""


class GrpcTransport:
    """The generated stubs."""

    def __init__(self, target: str) -> None:
        self.channel = grpc.insecure_channel(target)
        self._stubs = [make(self.channel) for make in _STUBS]

    def call(self, rpc: str, request: Json) -> Answer:
        """Makes one call; waits a while for a server that is starting."""
        method = next(getattr(stub, rpc) for stub in self._stubs if hasattr(stub, rpc))
        try:
            reply = method(message(rpc, request), timeout=30, wait_for_ready=True)
        except grpc.RpcError as error:
            return status_of(error)
        return Answer(0, MessageToDict(reply))

    def raw(self, path: str, data: bytes) -> Answer:
        """Sends bytes as they are."""
        try:
            send: grpc.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(path)
            send(data, timeout=30)
        except grpc.RpcError as error:
            return status_of(error)
        return Answer(0, {})


class RestTransport:
    """HTTP and JSON."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=30)

    def call(self, rpc: str, request: Json, **headers: str) -> Answer:
        """Makes one call: what the path does not name goes into the body of a POST, else into the query."""
        verb, path = ROUTES[rpc]
        rest = dict(request)
        for name in re.findall(r"\{(\w+)\}", path):
            path = path.replace(f"{{{name}}}", quote(rest.pop(name, ""), safe="/"))
        if verb == "POST":
            return self.send(verb, path, json.dumps(rest).encode(), **{"content-type": "application/json", **headers})
        query = {name: str(value).lower() if isinstance(value, bool) else value for name, value in rest.items()}
        return answer_of(self.http.request(verb, path, params=query, headers=headers))

    def send(self, verb: str, path: str, content: bytes, **headers: str) -> Answer:
        """Sends a body as it is."""
        return answer_of(self.http.request(verb, path, content=content, headers=headers))


def message(rpc: str, request: Json) -> Message:
    """The request message."""
    kind = next(getattr(module, f"{rpc}Request") for module in _REQUESTS if hasattr(module, f"{rpc}Request"))
    made: Message = ParseDict(request, kind())
    return made


def status_of(error: grpc.RpcError) -> Answer:
    """The Status of a failed call; without details if the transport itself refused it."""
    code = error.code().value[0]
    metadata: Any = error.trailing_metadata()
    packed = dict(metadata or ()).get("grpc-status-details-bin")
    if packed is None:
        return Answer(code, {"message": error.details()})
    return Answer(code, MessageToDict(status_pb2.Status.FromString(packed)))


def answer_of(response: httpx.Response) -> Answer:
    """The reply or the Status of an HTTP response."""
    body = response.json()
    return Answer(0 if response.is_success else body["code"], body, response.status_code)
