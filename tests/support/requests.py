"""One valid request for each method of the contract."""

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from egress.v1 import (
    change_service_pb2,
    cluster_pb2,
    common_pb2,
    egress_service_pb2,
    fault_pb2,
    fleet_service_pb2,
    interception_pb2,
    mesh_pb2,
    outbound_policy_pb2,
    service_entry_pb2,
)
from egress.v1.explain_pb2 import ExplainRequest, ListRegistryRequest
from egress.v1.probe_pb2 import ProbeRequest

MESH = "meshes/default"
POLICY = f"{MESH}/outboundPolicies/default"
ENTRY = f"{MESH}/namespaces/prod/serviceEntries/bank"
FAULT = f"{MESH}/namespaces/prod/faults/slow-bank"
INTERCEPTION = f"{MESH}/interceptions/default"
CLUSTER = f"{MESH}/clusters/east"
CHANGE = f"{MESH}/changes/7"


def outbound_policy() -> outbound_policy_pb2.OutboundPolicy:
    """A policy with all fields that a caller may set except its name."""
    return outbound_policy_pb2.OutboundPolicy(
        mode=outbound_policy_pb2.OutboundPolicy.REGISTRY_ONLY,
        scope=common_pb2.Scope(namespace="prod", match_labels={"app": "shop"}),
        cluster_selector=common_pb2.ClusterSelector(match_labels={"env": "prod"}),
    )


def service_entry() -> service_entry_pb2.ServiceEntry:
    """An entry with all fields that a caller may set except its name."""
    pb = service_entry_pb2
    return pb.ServiceEntry(
        hosts=["bank.example.com"],
        ports=[pb.ServicePort(number=443, name="https", protocol=pb.ServicePort.HTTPS, target_port=8443)],
        resolution=pb.ServiceEntry.STATIC,
        location=pb.ServiceEntry.MESH_EXTERNAL,
        endpoints=[
            pb.Endpoint(address="203.0.113.7", ports={"https": 8443}, labels={"v": "1"}, locality="eu/west", weight=2)
        ],
        addresses=["198.51.100.0/24"],
        export_to=[".", "shop"],
        cluster_selector=common_pb2.ClusterSelector(clusters=["east"]),
    )


def fault() -> fault_pb2.Fault:
    """A fault with all fields that a caller may set except its name."""
    pb = fault_pb2
    return pb.Fault(
        host="bank.example.com",
        delay=pb.Fault.Delay(percent=12.5, fixed_delay=Duration(seconds=5)),
        abort=pb.Fault.Abort(percent=1, http_status=503),
        ports=[80],
        match_headers=[service_entry_pb2.HeaderMatch(name="x-user", exact="me")],
        source_labels={"app": "shop"},
        source_namespace="shop",
        ttl=Duration(seconds=60),
        cluster_selector=common_pb2.ClusterSelector(clusters=["east"]),
    )


def interception() -> interception_pb2.Interception:
    """An interception with all fields that a caller may set together, except its name."""
    return interception_pb2.Interception(
        scope=common_pb2.Scope(namespace="prod", match_labels={"app": "shop"}),
        include_cidrs=["10.0.0.0/8"],
        exclude_cidrs=["10.1.0.0/16"],
        include_service_cidrs=True,
        include_outbound_ports=[80],
        exclude_outbound_ports=[443],
        cluster_selector=common_pb2.ClusterSelector(match_labels={"env": "prod"}),
    )


def requests() -> dict[str, Message]:
    """By the method's path."""
    egress, fleet, change = egress_service_pb2, fleet_service_pb2, change_service_pb2
    return {
        "/egress.v1.EgressService/SetOutboundPolicy": egress.SetOutboundPolicyRequest(
            parent=MESH, outbound_policy=outbound_policy()
        ),
        "/egress.v1.EgressService/GetOutboundPolicy": egress.GetOutboundPolicyRequest(name=POLICY),
        "/egress.v1.EgressService/ListOutboundPolicies": egress.ListOutboundPoliciesRequest(parent=MESH),
        "/egress.v1.EgressService/DeleteOutboundPolicy": egress.DeleteOutboundPolicyRequest(name=POLICY),
        "/egress.v1.EgressService/UpsertServiceEntry": egress.UpsertServiceEntryRequest(
            parent=f"{MESH}/namespaces/prod", service_entry_id="bank", service_entry=service_entry()
        ),
        "/egress.v1.EgressService/GetServiceEntry": egress.GetServiceEntryRequest(name=ENTRY),
        "/egress.v1.EgressService/ListServiceEntries": egress.ListServiceEntriesRequest(parent=f"{MESH}/namespaces/-"),
        "/egress.v1.EgressService/DeleteServiceEntry": egress.DeleteServiceEntryRequest(name=ENTRY),
        "/egress.v1.EgressService/InjectFault": egress.InjectFaultRequest(
            parent=f"{MESH}/namespaces/prod", fault_id="slow-bank", fault=fault()
        ),
        "/egress.v1.EgressService/GetFault": egress.GetFaultRequest(name=FAULT),
        "/egress.v1.EgressService/ListFaults": egress.ListFaultsRequest(parent=f"{MESH}/namespaces/-"),
        "/egress.v1.EgressService/ClearFault": egress.ClearFaultRequest(name=FAULT),
        "/egress.v1.EgressService/SetInterceptionCIDRs": egress.SetInterceptionCIDRsRequest(
            parent=MESH, interception=interception()
        ),
        "/egress.v1.EgressService/GetInterception": egress.GetInterceptionRequest(name=INTERCEPTION),
        "/egress.v1.EgressService/ListInterceptions": egress.ListInterceptionsRequest(parent=MESH),
        "/egress.v1.EgressService/DeleteInterception": egress.DeleteInterceptionRequest(name=INTERCEPTION),
        "/egress.v1.EgressService/ListRegistry": ListRegistryRequest(parent=CLUSTER, namespace="prod"),
        "/egress.v1.EgressService/Explain": ExplainRequest(
            cluster=CLUSTER, namespace="prod", labels={"app": "shop"}, url="https://bank.example.com/"
        ),
        "/egress.v1.EgressService/Probe": ProbeRequest(cluster=CLUSTER, url="https://bank.example.com/"),
        "/egress.v1.FleetService/RegisterCluster": fleet.RegisterClusterRequest(
            parent=MESH,
            cluster_id="east",
            cluster=cluster_pb2.Cluster(labels={"env": "prod"}, local=cluster_pb2.Cluster.LocalTarget()),
        ),
        "/egress.v1.FleetService/GetCluster": fleet.GetClusterRequest(name=CLUSTER),
        "/egress.v1.FleetService/ListClusters": fleet.ListClustersRequest(parent=MESH),
        "/egress.v1.FleetService/UpdateCluster": fleet.UpdateClusterRequest(
            cluster=cluster_pb2.Cluster(name=CLUSTER, labels={"env": "prod"})
        ),
        "/egress.v1.FleetService/DeregisterCluster": fleet.DeregisterClusterRequest(name=CLUSTER),
        "/egress.v1.FleetService/ListAgents": fleet.ListAgentsRequest(parent=CLUSTER),
        "/egress.v1.FleetService/Resync": fleet.ResyncRequest(name=CLUSTER),
        "/egress.v1.FleetService/ListDrift": fleet.ListDriftRequest(parent=CLUSTER),
        "/egress.v1.FleetService/ListPolicyGaps": fleet.ListPolicyGapsRequest(parent=f"{MESH}/clusters/-"),
        "/egress.v1.FleetService/ListStaleWorkloads": fleet.ListStaleWorkloadsRequest(parent=CLUSTER),
        "/egress.v1.FleetService/AdoptObject": fleet.AdoptObjectRequest(name=CLUSTER, object="Sidecar/prod/default"),
        "/egress.v1.FleetService/ReleaseObject": fleet.ReleaseObjectRequest(
            name=CLUSTER, object="Sidecar/prod/default"
        ),
        "/egress.v1.FleetService/ApproveDeletion": fleet.ApproveDeletionRequest(name=CLUSTER),
        "/egress.v1.FleetService/AcceptStoreReset": fleet.AcceptStoreResetRequest(name=CLUSTER),
        "/egress.v1.FleetService/RestartWorkloads": fleet.RestartWorkloadsRequest(
            name=CLUSTER, workloads=["Deployment/prod/web"]
        ),
        "/egress.v1.FleetService/GetMesh": fleet.GetMeshRequest(name=MESH),
        "/egress.v1.FleetService/UpdateMesh": fleet.UpdateMeshRequest(
            mesh=mesh_pb2.Mesh(name=MESH, display_name="Everything", labels={"team": "net"})
        ),
        "/egress.v1.ChangeService/GetChange": change.GetChangeRequest(name=CHANGE),
        "/egress.v1.ChangeService/ListChanges": change.ListChangesRequest(parent=MESH),
        "/egress.v1.ChangeService/ListClusterRollouts": change.ListClusterRolloutsRequest(parent=CHANGE),
        "/egress.v1.ChangeService/WaitChange": change.WaitChangeRequest(name=CHANGE),
        "/egress.v1.ChangeService/WatchChanges": change.WatchChangesRequest(parent=MESH, include_rollouts=True),
        "/egress.v1.ChangeService/RevertChange": change.RevertChangeRequest(name=CHANGE),
    }
